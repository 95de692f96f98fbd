"""Headers of every answer."""

from __future__ import annotations

from tests.support import loops

from twofold.web.asgi import PAGE_HEADERS, Message, hardened, joined, send_text


def test_repeated_headers_are_joined_under_small_letters() -> None:
    pairs = [(b"Host", b"a"), (b"X-One", b"1"), (b"host", b"b"), (b"X-\xe4", b"\xff")]
    assert joined(pairs) == {"host": "a,b", "x-one": "1", "x-ä": "ÿ"}


def test_an_answer_has_safe_headers_and_keeps_its_own() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        safe = hardened(send, PAGE_HEADERS)
        await send_text(safe, 418, "größe", headers={"cache-control": "max-age=1"})

    loops.run(run())
    start, body = sent
    headers = dict(start["headers"])
    assert start["status"] == 418
    assert body["body"] == "größe".encode()
    assert headers[b"content-length"] == b"7"
    assert headers[b"cache-control"] == b"max-age=1"
    assert [name for name, _ in start["headers"]].count(b"cache-control") == 1
    assert headers[b"x-frame-options"] == b"DENY"
