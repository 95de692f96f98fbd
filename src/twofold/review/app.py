"""The page and its few addresses, on FastAPI. Everything is checked by the guard before."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from importlib.resources import files
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from twofold.errors import ImageError, TwofoldError
from twofold.review import missing_extra
from twofold.review.gallery import Gallery
from twofold.review.guard import Access, Guard
from twofold.review.session import Session
from twofold.web.asgi import App
from twofold.web.pictures import Picture

try:
    from fastapi import FastAPI, Path, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
except ImportError as error:
    raise missing_extra(error) from None

__all__ = ["make_app"]

_TYPES: Final = {
    "review.css": "text/css",
    "review.js": "text/javascript",
    "api.js": "text/javascript",
    "dom.js": "text/javascript",
    "keys.js": "text/javascript",
    "panel.js": "text/javascript",
    "stage.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""The files of the page, by name: no other is ever read."""

_CLOSED: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>twofold review</title></head>
<body><h1>This page is closed</h1><p>{text}</p>
<p><a href="/">Go on</a>, if you have just opened the right address.</p></body></html>
"""

Number = Annotated[int, Path(ge=0, le=2**31)]


class _Mark(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    image: int = Field(ge=0, le=2**31)
    mark: Literal["normal", "anomalous", "unsure"]
    # A person may leave the page open for a day.
    seconds: float = Field(ge=0, le=7 * 86400, allow_inf_nan=False)


class _Undo(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def make_app(
    session: Session, gallery: Gallery, access: Access, tell: Callable[[str], None]
) -> App:
    """The application behind its guard.

    Args:
        session: marks and estimates.
        gallery: pictures.
        access: token and cookie.
        tell: called with a line for the person at the terminal.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_errors(app)
    _add_page(app, access, tell)
    _add_marks(app, session)
    _add_pictures(app, session, gallery)
    return Guard(app, access)


def _add_errors(app: FastAPI) -> None:
    def failed(request: Request, error: Exception) -> Response:
        del request
        status = 422 if isinstance(error, ImageError) else 409
        return PlainTextResponse(str(error), status)

    def wrong(request: Request, error: Exception) -> Response:
        del request
        status = getattr(error, "status_code", 422)
        return PlainTextResponse("This request is not of the expected form.", status)

    def full(request: Request, error: Exception) -> Response:
        del request
        assert isinstance(error, OSError)
        return PlainTextResponse(f"The marks cannot be written: {error.strerror}.", 507)

    app.add_exception_handler(TwofoldError, failed)
    for kind in (RequestValidationError, 400, 404, 405):
        app.add_exception_handler(kind, wrong)
    app.add_exception_handler(OSError, full)


def _add_page(app: FastAPI, access: Access, tell: Callable[[str], None]) -> None:
    folder = files("twofold.review") / "page"

    @app.get("/")
    def page(request: Request, token: str | None = None) -> Response:
        known = access.knows(request.headers.get("cookie", ""))
        if token is not None:
            cookie = access.exchange(token)
            if cookie is not None:
                answer = RedirectResponse("/", 303)
                answer.set_cookie(access.cookie_name, cookie, httponly=True, samesite="strict")
                return answer
            if known:
                return RedirectResponse("/", 303)
            if access.was_used(token):
                tell(f"for another browser: {access.address}")
                return _closed("This address has been used. The terminal now shows another one.")
        if not known:
            return _closed("Open the address that the command printed in the terminal.")
        return HTMLResponse((folder / "review.html").read_bytes())

    @app.get("/page/{name}")
    def part(name: str) -> Response:
        if name not in _TYPES:
            return PlainTextResponse("There is no such file.", 404)
        return Response((folder / name).read_bytes(), media_type=_TYPES[name])


def _closed(text: str) -> Response:
    return HTMLResponse(_CLOSED.format(text=escape(text)), 403)


def _add_marks(app: FastAPI, session: Session) -> None:
    @app.get("/api/state")
    def state() -> dict[str, Any]:
        return session.state()

    @app.post("/api/mark")
    def mark(made: _Mark) -> dict[str, Any]:
        return session.mark(made.image, made.mark, made.seconds)

    @app.post("/api/undo")
    def undo(made: _Undo) -> dict[str, Any]:
        del made
        return session.undo()

    @app.get("/api/estimates")
    def estimates() -> dict[str, Any]:
        return session.estimates()

    @app.get("/api/results")
    def results() -> dict[str, Any]:
        return session.results()

    @app.get("/marks.csv")
    def marks() -> Response:
        name = {"content-disposition": 'attachment; filename="marks.csv"'}
        return Response(session.csv(), media_type="text/csv; charset=utf-8", headers=name)


def _add_pictures(app: FastAPI, session: Session, gallery: Gallery) -> None:
    @app.get("/api/images/{number}/facts")
    def facts(number: Number) -> dict[str, Any]:
        return session.facts(number)

    def send(number: int, make: Callable[[int], Picture]) -> Response:
        session.require(number)
        picture = make(number)
        about = {"x-image-size": f"{picture.size[0]}x{picture.size[1]}"}
        about["x-map-clear"] = str(int(picture.clear))
        return Response(picture.content, media_type=picture.media_type, headers=about)

    @app.get("/api/images/{number}/screen")
    def screen(number: Number) -> Response:
        return send(number, gallery.screen)

    @app.get("/api/images/{number}/pixels")
    def pixels(number: Number) -> Response:
        return send(number, gallery.original)

    @app.get("/api/images/{number}/map")
    def heat_map(number: Number) -> Response:
        return send(number, gallery.heat_map)
