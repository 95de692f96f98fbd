"""The few types of ASGI, the headers that every answer has, and plain answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

__all__ = [
    "PAGE_HEADERS",
    "App",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "hardened",
    "joined",
    "send_text",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PAGE_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    # Images of a plant have no place in the browser's cache on the disk.
    "cache-control": "no-store",
}
"""Sent with every answer, refusals too; the content security policy is each page's own."""


def joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; of repeated ones all values, joined with commas."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found


def hardened(send: Send, headers: Mapping[str, str]) -> Send:
    """A sender that adds headers to the answer, unless the answer has its own of that name."""

    async def harden(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            there = {name.lower() for name, _ in given}
            own = ((name.encode(), value.encode("latin-1")) for name, value in headers.items())
            more = [(name, value) for name, value in own if name not in there]
            message = {**message, "headers": [*given, *more]}
        await send(message)

    return harden


async def send_text(
    send: Send,
    status: int,
    text: str,
    *,
    media_type: str = "text/plain; charset=utf-8",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer with a short text."""
    body = text.encode()
    pairs = {"content-type": media_type, "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
