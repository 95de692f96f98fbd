"""Who is let in."""

from __future__ import annotations

import socket

import pytest
from tests.review.conftest import Served

from twofold.review.guard import MAX_BODY, Access, refusal

BODY = b'{"image": 1, "mark": "normal", "seconds": 1}'


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", "127.0.0.1.evil.example:{port}", ""],
)
def test_a_foreign_host_is_refused(served: Served, host: str) -> None:
    """As after DNS rebinding, where the browser sends its cookies to a name that points here."""
    named = host.format(port=served.client.port)
    for path in ("/", "/api/state", "/api/images/0/screen"):
        assert served.client.get(path, changed={"Host": named}).status in (400, 403)
    assert (
        served.client.get("/api/state", changed={"Host": f"localhost:{served.client.port}"}).status
        == 200
    )


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", "file://"],
)
def test_a_foreign_origin_is_refused(served: Served, origin: str) -> None:
    before = served.out.read_bytes()
    named = origin.format(port=served.client.port)
    assert served.client.send("POST", "/api/mark", BODY, changed={"Origin": named}).status == 403
    assert served.client.get("/api/state", changed={"Origin": named}).status == 403
    assert served.client.send("OPTIONS", "/api/mark", changed={"Origin": named}).status == 403
    assert served.out.read_bytes() == before


@pytest.mark.parametrize("header", ["Origin", "X-Twofold-Review", "Cookie"])
def test_a_change_needs_all_of_the_page_s_own_headers(served: Served, header: str) -> None:
    before = served.out.read_bytes()
    answer = served.client.send("POST", "/api/mark", BODY, without=(header,))
    assert answer.status in (401, 403)
    assert served.out.read_bytes() == before
    assert served.client.send("POST", "/api/mark", BODY).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_pages_cannot_embed_anything(served: Served, site: str) -> None:
    assert served.client.get("/api/images/0/screen", changed={"Sec-Fetch-Site": site}).status == 403
    assert served.client.get("/page/review.js", changed={"Sec-Fetch-Site": site}).status == 403
    assert (
        served.client.get("/", changed={"Sec-Fetch-Site": site}).status == 200
    )  # a link to the page


def test_a_large_body_is_refused(served: Served) -> None:
    padded = BODY[:-1] + b" " * MAX_BODY + b"}"
    assert served.client.send("POST", "/api/mark", padded).status == 413
    assert (
        served.client.send("POST", "/api/mark", changed={"Content-Length": str(10**12)}).status
        == 413
    )


def test_a_large_body_of_no_stated_length_is_refused(served: Served) -> None:
    client = served.client
    lines = [
        "POST /api/mark HTTP/1.1",
        f"Host: 127.0.0.1:{client.port}",
        f"Origin: {client.origin}",
        f"Cookie: {client.cookie}",
        "X-Twofold-Review: 1",
        "Transfer-Encoding: chunked",
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        for _ in range(3):
            connection.sendall(b"800\r\n" + b" " * 2048 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_headers_that_are_sent_twice_are_not_the_own_ones() -> None:
    access = Access(5000)
    headers = {"host": "127.0.0.1:5000,evil.example"}
    found = refusal("GET", "/", headers, access)
    assert found is not None
    assert found.status == 403


def test_tokens_and_cookies_are_long_and_differ() -> None:
    first, second = Access(1), Access(1)
    assert first.address != second.address
    token = first.address.partition("token=")[2]
    assert len(token) >= 43
    cookie = first.exchange(token)
    assert cookie is not None
    assert cookie != token
    assert first.exchange(token) is None
    assert not second.knows(f"{first.cookie_name}={cookie}")
    assert first.knows(f"a=b; {first.cookie_name}={cookie}")
    assert not first.knows("ü=\x00; =;")


def test_the_server_listens_on_this_machine_alone(served: Served) -> None:
    assert served.server.address == ("127.0.0.1", served.client.port)
