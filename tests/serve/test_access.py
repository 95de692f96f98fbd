"""Who may ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.serve import TOKEN, Client, Served, loader, serving
from tests.support.waiting import until

from twofold import Detector
from twofold.errors import UsageError
from twofold.serve.access import Access, check_name, read_tokens

CLOSED = ("/v1/model", "/v1/models", "/v1/threshold", "/metrics", "/nothing", "/v1/../v1/model")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "holds no token"),
        (b"# only a remark\n", "holds no token"),
        (b"short\n", "16 or more"),
        (b"with a blank in it ok\n", "visible ASCII"),
        ("ungewöhnlich-lang-genug".encode(), "visible ASCII"),
        (b"nul\0nul\0nul\0nul\0nul\0", "visible ASCII"),
    ],
)
def test_a_file_of_tokens_that_is_none(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=word):
        read_tokens(path)
    with pytest.raises(UsageError, match="No such file"):
        read_tokens(tmp_path / "missing")


def test_either_of_two_tokens_is_good_and_nothing_like_them(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(b"# old and new\r\n" + TOKEN.encode() + b"\r\n" + b"B" * 40 + b"\n")
    access = Access("0.0.0.0", 80, read_tokens(path))
    assert TOKEN not in repr(access)
    for good in (f"Bearer {TOKEN}", f"bearer {TOKEN}", "Bearer " + "B" * 40):
        assert access.knows(good)
    for bad in ("", TOKEN, "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"):
        assert not access.knows(bad)
    assert not access.knows("Bearer # old and new")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "cameras.example", "10.0.0.1"])
def test_others_are_let_in_with_a_token_only(host: str) -> None:
    with pytest.raises(UsageError, match="--token-file"):
        Access(host, 8000)
    Access(host, 8000, (b"x" * 32,))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.10"])
def test_this_machine_needs_none(host: str) -> None:
    assert not Access(host, 8000).tokens


@pytest.mark.parametrize("path", CLOSED)
def test_without_the_token_nothing_is_told(detector: Detector, token_file: Path, path: str) -> None:
    with serving(loader({"default": detector}), token_file=token_file) as served:
        stranger = Client(served.client.port)
        for headers in ({}, {"Authorization": "Bearer " + "x" * 32}):
            answer = stranger.get(path, headers)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "default" not in answer.body.decode()
        for open_path in ("/", "/healthz", "/readyz", "/openapi.json"):
            assert stranger.get(open_path).status == 200
        assert served.client.get("/v1/model").status == 200
        assert TOKEN not in served.log.getvalue()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1:1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_pages_of_a_browser_are_kept_out(
    served: Served, pngs: list[bytes], headers: dict[str, str], status: int
) -> None:
    assert served.client.get("/v1/model", headers).status == status
    more = {"Content-Type": "image/png", **headers}
    answer = served.client.send("POST", "/v1/score", pngs[0], more)
    assert answer.status == status


def test_no_other_origin_is_ever_allowed(served: Served) -> None:
    ask = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = served.client.send("OPTIONS", "/v1/score", None, ask)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_has_safe_headers_and_an_id(served: Served) -> None:
    for path in ("/", "/v1/model", "/nothing", "/v1/score"):
        answer = served.client.get(path, {"X-Request-ID": "camera-7.0042"})
        assert answer.headers["x-request-id"] == "camera-7.0042"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
    for odd in ("a b", "x" * 65, '"},{"level"'):
        answer = served.client.get("/v1/model", {"X-Request-ID": odd})
        assert answer.headers["x-request-id"] != odd
    # The line is written once the answer is sent.
    until(lambda: served.lines("request")[-1]["request_id"] == answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "path",
    [
        *("/../etc/passwd", "/..%2f..%2fetc/passwd", "/page/style.css", "/static/", "/docs"),
        *("/%00", "/v1/model?model=../default", "/v1/model?model=%00", "/v1/model?model=/etc"),
        *("/v1/model?model=default%2f..", "/v1/model?model=" + "x" * 100, "/redoc"),
    ],
)
def test_no_path_and_no_name_leads_to_a_file(served: Served, path: str) -> None:
    answer = served.client.get(path)
    assert answer.status in {404, 422}
    assert set(answer.json) == {"error", "request_id"}


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "ä", "x" * 65, "a\0b", "%2e"])
def test_names_of_models_are_plain(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name, [])


def test_names_of_models_are_their_own() -> None:
    assert check_name("line-b.2_new", ["default"]) == "line-b.2_new"
    with pytest.raises(UsageError, match="two models"):
        check_name("default", ["default"])
