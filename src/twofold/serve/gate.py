"""What every request passes: its id, who may ask, safe headers, one line in the log, the counts."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Final

from twofold.serve.access import Access
from twofold.serve.logs import Log, where
from twofold.serve.metrics import Metrics
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

__all__ = ["KNOWN_PATHS", "Gate", "send_error"]

KNOWN_PATHS: Final = frozenset(
    {
        *("/", "/healthz", "/readyz", "/metrics", "/openapi.json"),
        *("/v1/score", "/v1/model", "/v1/models", "/v1/threshold", "/v1/reload"),
    }
)
"""As they stand in the metrics; any other path counts as ``other``."""

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_PATH: Final = 200  # characters in the log


async def send_error(
    send: Send, status: int, text: str, request_id: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with a sentence, as JSON."""
    body = json.dumps({"error": text, "request_id": request_id})
    await send_text(send, status, body, media_type="application/json", headers=headers)


class Gate:
    """Stands before the application.

    Args:
        app: behind it. The request's id is in ``scope["state"]["request_id"]``.
        access: who may ask.
        policy: content security policy of every answer.
        metrics: told of every request.
        log: likewise.
    """

    def __init__(self, app: App, access: Access, policy: str, metrics: Metrics, log: Log) -> None:
        self._app, self._access, self._metrics, self._log = app, access, metrics, log
        self._headers = {"content-security-policy": policy, **PAGE_HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # no other kind is served
            return
        start = time.perf_counter()
        headers = joined(scope["headers"])
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        safe = hardened(watched, {**self._headers, "x-request-id": request_id})
        try:
            await self._answer(scope, receive, safe, headers, request_id)
        except Exception as error:  # whatever nobody foresaw ends this request alone
            self._log("failed", level="error", request_id=request_id, error=where(error))
            if not status:
                await send_error(safe, 500, "The service failed; its log says more.", request_id)
        finally:
            self._tell(scope, request_id, status, time.perf_counter() - start)

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: Mapping[str, str],
        request_id: str,
    ) -> None:
        refusal = self._access.refusal(scope["path"], headers)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, text = refusal
        self._metrics.refused("token" if status == 401 else "origin")
        more = {"connection": "close"}
        if status == 401:
            more["www-authenticate"] = "Bearer"
        await send_error(send, status, text, request_id, more)

    def _tell(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        path: str = scope["path"]
        self._metrics.request(path if path in KNOWN_PATHS else "other", status, seconds)
        if path in {"/healthz", "/readyz"} and status == 200:
            return  # asked for every few seconds, and of no interest
        client = scope.get("client")
        self._log(
            "request",
            request_id=request_id,
            method=scope["method"],
            path=path[:_LONGEST_PATH],
            status=status,
            ms=round(1000 * seconds, 1),
            client=client[0] if client else None,
            **scope["state"].get("about", {}),
        )
