"""Bodies of requests, taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import loops
from tests.support.serve import multipart

from twofold.serve.limits import Limits
from twofold.serve.uploads import Budget, RefusedError, read_body, split
from twofold.web.asgi import Message

LIMITS = Limits(upload_bytes=1000, receiving_bytes=1500)


def read(parts: Sequence[bytes], headers: dict[str, str], budget: Budget | None = None) -> bytes:
    """The body that arrives in these parts; then the client goes."""
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(parts)}
        for number, part in enumerate(parts)
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def run() -> bytes:
        own = budget or Budget(LIMITS.receiving_bytes)
        with own.share() as share:
            return await read_body(receive, headers, LIMITS, share)

    return loops.run(run())


def test_a_body_in_parts() -> None:
    assert read([b"a" * 400, b"", b"b" * 600], {}) == b"a" * 400 + b"b" * 600
    assert read([b""], {"content-length": "0"}) == b""


@pytest.mark.parametrize(
    ("parts", "headers", "status"),
    [
        ([b"a" * 1001], {}, 413),
        ([b"a" * 600] * 2, {}, 413),
        ([b"a"], {"content-length": "1001"}, 413),
        ([b"a"], {"content-length": "9" * 400}, 413),
        ([b"a"], {"content-length": "-1"}, 400),
        ([b"a"], {"content-length": "1_0"}, 400),
        ([b"a"], {"content-length": "²"}, 400),
        ([], {}, 400),
    ],
)
def test_a_body_out_of_bounds(parts: list[bytes], headers: dict[str, str], status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        read(parts, headers)
    assert refused.value.status == status


def test_all_requests_together_hold_so_much_and_give_it_back() -> None:
    budget = Budget(1500)
    with budget.share() as first:
        first.grow(900)
        assert read([b"a" * 600], {}, budget) == b"a" * 600
        for parts, headers in (([b"a"], {"content-length": "601"}), ([b"a" * 601], {})):
            with pytest.raises(RefusedError) as refused:
                read(parts, headers, budget)
            assert (refused.value.status, refused.value.retry) == (429, 1)
        assert budget.left == 600
    assert budget.left == 1500


def test_the_files_of_a_form() -> None:
    files = [("a.png", b"\r\n--x\r\n\0"), ("größe.png", b""), ("b", b"--\r\n" * 50)]
    body, kind = multipart(files)
    found = split(kind, body, 3)
    assert [(one.name, one.content) for one in found] == files
    with pytest.raises(RefusedError) as refused:
        split(kind, body, 2)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data", b"--x--", 400),
        ("multipart/form-data; boundary=", b"--x--", 400),
        ("multipart/form-data; boundary=" + "x" * 71, b"", 400),
        ("multipart/form-data; boundary=x", b"", 400),
        ("multipart/form-data; boundary=x", b"nothing of the kind", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422),
        ("multipart/form-data; boundary=x", b"--x\r\na: b\r\n\r\nwithout a name\r\n--x--\r\n", 422),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="f"; filename="a"\r\n\r\nno end',
            400,
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\n" + b"a: " + b"b" * 9000 + b"\r\n\r\nc\r\n--x--\r\n",
            400,
        ),
        ("text/plain", b"text", 415),
        ("application/x-www-form-urlencoded", b"a=b", 415),
    ],
)
def test_a_damaged_form(kind: str, body: bytes, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        split(kind, body, 9)
    assert refused.value.status == status


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=40))
def test_any_bytes_are_files_or_refused(body: bytes, boundary: bytes) -> None:
    kind = b"multipart/form-data; boundary=" + boundary
    edge = b"--" + boundary
    for whole in (body, edge + b"\r\n" + body + b"\r\n" + edge + b"--\r\n"):
        with suppress(RefusedError):
            assert len(split(kind.decode("latin-1"), whole, 4)) <= 4
