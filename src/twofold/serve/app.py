"""The addresses of the service, on FastAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from twofold import __version__
from twofold.errors import TwofoldError
from twofold.serve import missing_extra
from twofold.serve.access import Access
from twofold.serve.batcher import QueueFullError, retry_after
from twofold.serve.gate import Gate
from twofold.serve.limits import Limits
from twofold.serve.logs import Log
from twofold.serve.metrics import MEDIA_TYPE, Metrics
from twofold.serve.models import Models
from twofold.serve.page import page_policy, render
from twofold.serve.schemas import (
    BODY,
    Health,
    ModelAnswer,
    ModelsAnswer,
    ReloadAnswer,
    ScoreAnswer,
    errors,
)
from twofold.serve.scoring import Scorer
from twofold.serve.seeing import Job, MapKind, RegionsOf
from twofold.serve.uploads import RefusedError
from twofold.web.asgi import App

try:
    from fastapi import FastAPI, Query, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse, JSONResponse, Response
except ImportError as error:
    raise missing_extra(error) from None

__all__ = ["make_app"]

Row = dict[str, Any]

Name = Annotated[
    str | None, Query(description="Of a model; the first where it is left out.", max_length=64)
]


def make_app(
    models: Models,
    limits: Limits,
    access: Access,
    metrics: Metrics,
    log: Log,
    *,
    reloaded: Callable[[], None] = lambda: None,
) -> App:
    """The application behind its gate.

    Args:
        models: that answer.
        limits: of requests.
        access: who may ask.
        metrics: told what happens.
        log: likewise.
        reloaded: called after a model was read again because somebody asked for it.
    """
    app = FastAPI(
        title="twofold",
        version=__version__,
        summary="Images in, anomaly scores out.",
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    service = Scorer(models, limits, metrics)
    _add_errors(app, metrics)
    _add_health(app, service)
    _add_score(app, service)
    _add_models(app, service)
    _add_reload(app, service, access, reloaded)
    _document(app, with_token=bool(access.tokens))
    html = render().encode()

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(html)

    return Gate(app, access, page_policy(), metrics, log)


def _document(app: FastAPI, *, with_token: bool) -> None:
    """Say in the OpenAPI document that a token is needed."""
    make = app.openapi

    def document() -> Row:
        found = make()
        if with_token:
            schemes = found.setdefault("components", {}).setdefault("securitySchemes", {})
            schemes["token"] = {"type": "http", "scheme": "bearer"}
            found["security"] = [{"token": []}]
        return found

    app.openapi = document  # type: ignore[method-assign]


def _answer(request: Request, status: int, text: str, headers: dict[str, str]) -> Response:
    content = {"error": text, "request_id": request.scope["state"]["request_id"]}
    return JSONResponse(content, status, headers)


def _add_errors(app: FastAPI, metrics: Metrics) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        metrics.refused(error.reason)
        headers = {"connection": "close"} if error.status in {400, 408, 413} else {}
        if error.retry is not None:
            headers["retry-after"] = str(error.retry)
        return _answer(request, error.status, str(error), headers)

    async def full(request: Request, error: Exception) -> Response:
        assert isinstance(error, QueueFullError)
        metrics.refused("queue")
        headers = {"retry-after": str(retry_after(error.seconds))}
        return _answer(request, 429, "Too many images wait: try again in a moment.", headers)

    async def broken(request: Request, error: Exception) -> Response:
        return _answer(request, 503, f"The model cannot be read: {error}", {"retry-after": "30"})

    async def wrong(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 422)
        headers = dict(getattr(error, "headers", None) or {})
        text = {404: "There is no such address.", 405: "This address takes another method."}
        usual = "An option of this request is unknown or has no possible value."
        return _answer(request, status, text.get(status, usual), headers)

    async def unforeseen(request: Request, error: Exception) -> Response:
        del error  # the gate writes it to the log
        return _answer(request, 500, "The service failed; its log says more.", {})

    app.add_exception_handler(Exception, unforeseen)
    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(QueueFullError, full)
    app.add_exception_handler(TwofoldError, broken)
    for kind in (RequestValidationError, 400, 404, 405):
        app.add_exception_handler(kind, wrong)


def _add_health(app: FastAPI, service: Scorer) -> None:
    @app.get("/healthz", response_model=Health, summary="Whether the process answers")
    async def healthz() -> Row:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        response_model=Health,
        summary="Whether all models have been read",
        responses={503: {"model": Health, "description": "Not yet, or no longer."}},
    )
    async def readyz() -> Response:
        if service.models.ready:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "starting"}, 503, {"retry-after": "1"})

    @app.get(
        "/metrics",
        summary="Numbers for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **errors(401, 403)},
    )
    async def metrics() -> Response:
        service.models.tell_all()
        text = await asyncio.to_thread(service.metrics.text)
        return Response(text, media_type=MEDIA_TYPE)


def _add_score(app: FastAPI, service: Scorer) -> None:
    @app.post(
        "/v1/score",
        response_model=ScoreAnswer,
        summary="Judge images",
        openapi_extra=BODY,
        responses=errors(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
    )
    async def score(
        request: Request,
        model: Name = None,
        regions: Annotated[
            RegionsOf, Query(description="Of which images regions are told.")
        ] = "anomalous",
        map: Annotated[MapKind, Query(description="Where each image is odd.")] = "none",  # noqa: A002
        picture: Annotated[bool, Query(description="A small picture of each image.")] = False,
    ) -> Response:
        def make(content: bytes) -> Job:
            return Job(content, regions, map, picture)

        return JSONResponse(await service.score(request, model, make))


def _add_models(app: FastAPI, service: Scorer) -> None:
    models = service.models

    @app.get(
        "/v1/models",
        response_model=ModelsAnswer,
        summary="Which models there are",
        responses=errors(401, 403),
    )
    async def every() -> Row:
        loaded = {model.source.name for model in models.loaded}
        return {"models": [{"name": one, "loaded": one in loaded} for one in models.names]}

    @app.get(
        "/v1/model",
        response_model=ModelAnswer,
        summary="What a model is and has seen",
        responses=errors(401, 403, 404, 422, 503),
    )
    async def one(model: Name = None) -> Response:
        found = await models.get(model)
        return JSONResponse(await asyncio.to_thread(found.described))

    @app.get(
        "/v1/threshold",
        summary="What the threshold of a model rests on",
        responses=errors(401, 403, 404, 422, 503),
    )
    async def threshold(
        model: Name = None,
        images: Annotated[
            int, Query(ge=1, le=1_000_000, description="Of how many images is asked.")
        ] = 1,
    ) -> dict[str, Any]:
        found = await models.get(model)
        return await asyncio.to_thread(found.thresholds, images)


def _add_reload(
    app: FastAPI, service: Scorer, access: Access, reloaded: Callable[[], None]
) -> None:
    @app.post(
        "/v1/reload",
        response_model=ReloadAnswer,
        summary="Read models again whose files have changed",
        responses={
            409: {"model": ReloadAnswer, "description": "One is broken; the old one goes on."},
            **errors(401, 403, 404, 422),
        },
    )
    async def reload(model: Name = None) -> Response:
        if not access.tokens:
            text = "Without a token nobody may ask for this: send SIGHUP to the process."
            raise RefusedError(403, "token", text)
        rows = await service.models.reload(model)
        if any(row["outcome"] == "loaded" for row in rows):
            reloaded()
        broken = any(row["outcome"] == "refused" for row in rows)
        return JSONResponse({"models": rows}, 409 if broken else 200)
