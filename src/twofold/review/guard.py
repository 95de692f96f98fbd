"""Who may talk to the review page: only the browser that was given the address, and no other page.

The server listens on this machine alone. That keeps other machines out, but not other pages in the
same browser, nor a foreign name that is made to point here (DNS rebinding). So every request is
checked for its Host, its Origin and a cookie, and what changes something also for a header that
only scripts of the own page can send.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final

from twofold.web.asgi import (
    PAGE_HEADERS,
    App,
    Message,
    Receive,
    Scope,
    Send,
    hardened,
    joined,
    send_text,
)

__all__ = ["MAX_BODY", "OWN_HEADER", "Access", "Guard", "Refusal", "refusal"]

OWN_HEADER: Final = "x-twofold-review"
"""Pages of other origins cannot send it: they would have to ask first, and nobody answers."""

MAX_BODY: Final = 4096
"""Bytes of a request's body; a mark has some sixty."""

_SAFE: Final = {"GET", "HEAD"}
_HEADERS: Final = {
    # Only the page's own files; pictures come as blobs, since they are fetched ahead.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    **PAGE_HEADERS,
}
"""Sent with every answer, refusals too."""


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused: status of HTTP, and one sentence."""

    status: int
    reason: str


class Access:
    """The token of the address, good for one browser, and the cookie that it is exchanged for.

    Args:
        port: on which the server listens; cookies of one host are shared by its ports, so it is
            part of the cookie's name.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie_name = f"twofold_review_{port}"
        self._cookie = secrets.token_urlsafe(32)
        self._token = secrets.token_urlsafe(32)
        self._used: set[str] = set()

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser on this machine calls the server."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})

    @property
    def address(self) -> str:
        """Where the page is opened, with a token that nobody has used yet."""
        return f"http://127.0.0.1:{self.port}/?token={self._token}"

    def exchange(self, token: str) -> str | None:
        """The cookie for the token of the address, once; None for any other token."""
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            return None
        self._used.add(self._token)
        self._token = secrets.token_urlsafe(32)
        return self._cookie

    def was_used(self, token: str) -> bool:
        """Whether this was the token of an address that has been opened before."""
        return any(secrets.compare_digest(token.encode(), used.encode()) for used in self._used)

    def knows(self, cookies: str) -> bool:
        """Whether a Cookie header holds the cookie."""
        try:
            found = SimpleCookie(cookies).get(self.cookie_name)
        except CookieError:
            return False
        return found is not None and secrets.compare_digest(
            found.value.encode(), self._cookie.encode()
        )


def refusal(method: str, path: str, headers: Mapping[str, str], access: Access) -> Refusal | None:
    """Why a request may not go on; None if it may.

    Args:
        method: of HTTP.
        path: without the query.
        headers: names in lower case; of repeated ones all values, joined with commas.
        access: of this server.
    """
    foreign = _foreign(method, path, headers, access)
    if foreign is not None:
        return Refusal(403, foreign)
    if _stated_length(headers) > MAX_BODY:
        return Refusal(413, f"A request may have {MAX_BODY} bytes.")
    if path != "/" and not access.knows(headers.get("cookie", "")):
        return Refusal(401, "Open the address that the command printed.")
    return None


def _foreign(method: str, path: str, headers: Mapping[str, str], access: Access) -> str | None:
    """Why a request is not one of the page's own, or None."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if host not in access.hosts:
        return "This server answers to 127.0.0.1 and localhost only."
    if origin is not None and origin != f"http://{host}":
        return "Another page may not ask for this."
    if method not in _SAFE and (origin is None or headers.get(OWN_HEADER) != "1"):
        return "Only the review page itself may change marks."
    # A link from elsewhere may lead to the page, but nothing of it may stand in another one.
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and path != "/":
        return "Another page may not ask for this."
    return None


def _stated_length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else MAX_BODY + 1


class Guard:
    """Checks each request before the application sees it, and adds the headers of :data:`_HEADERS`.

    ``/`` is let through without the cookie: that is where the token is exchanged for it.

    Args:
        app: behind it.
        access: of this server.
    """

    def __init__(self, app: App, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # no other kind is served
            return
        send = hardened(send, _HEADERS)
        found = refusal(scope["method"], scope["path"], joined(scope["headers"]), self._access)
        if found is not None:
            await send_text(send, found.status, found.reason)
            return
        body = await _bounded(receive)
        if body is None:
            await send_text(send, 413, f"A request may have {MAX_BODY} bytes.")
            return
        await self._app(scope, _replayed(body, receive), send)


async def _bounded(receive: Receive) -> bytes | None:
    """The whole body, or None where it is longer than it may be, whatever length was stated."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the browser has gone
            return body
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body as one message; then whatever comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
