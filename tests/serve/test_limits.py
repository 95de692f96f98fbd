"""Overload, slow clients, broken clients: answered within limits, and nothing accepted is lost."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from tests.support.serve import QUICK, Served, loader, multipart, serving
from tests.support.waiting import until

from twofold import Detector
from twofold.errors import ConfigError
from twofold.serve import model as model_module
from twofold.serve import server as server_module
from twofold.serve.limits import Limits
from twofold.serve.patient import patient
from twofold.serve.seeing import see


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Scoring that begins and then waits: events for `begun` and `go`."""
    begun, go = threading.Event(), threading.Event()

    def waiting(*arguments: object, **more: object) -> object:
        begun.set()
        assert go.wait(30)
        return see(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(model_module, "see", waiting)
    try:
        yield begun, go
    finally:
        go.set()


def send(port: int, text: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(text)
    return connection


def read_all(connection: socket.socket) -> bytes:
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionError:
        pass
    connection.close()
    return found


@pytest.mark.parametrize(
    "wrong",
    [
        *({"queue": 0}, {"pixels": -1}, {"timeout": 0}, {"timeout": float("nan")}),
        *({"files": 33, "queue": 32}, {"upload_bytes": 2, "receiving_bytes": 1}),
    ],
)
def test_limits_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Limits(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_beyond_the_queue_429_and_what_was_accepted_is_answered(
    detector: Detector, pngs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(QUICK, threads=1, batch=2, queue=4, files=4)
    with (
        serving(loader({"default": detector}), limits=limits) as served,
        held(monkeypatch) as (begun, go),
        ThreadPoolExecutor(8) as pool,
    ):
        first = pool.submit(served.client.score, [("0", pngs[0])])
        assert begun.wait(10)
        waiting = [pool.submit(served.client.score, [(str(n), pngs[n])]) for n in range(1, 5)]
        until(lambda: served.client.get("/v1/model").json["waiting"] == 4)
        for files in ([("5", pngs[5])], [(str(n), pngs[n]) for n in range(3)]):
            refused = served.client.score(files)
            assert refused.status == 429
            assert int(refused.headers["retry-after"]) >= 1
            assert "error" in refused.json
        go.set()
        answers = [first.result(20), *(one.result(20) for one in waiting)]
        assert [answer.status for answer in answers] == [200] * 5
        assert [answer.json["results"][0]["image"] for answer in answers] == list("01234")
        assert served.client.score([("5", pngs[5])]).status == 200
        text = served.client.get("/metrics").body.decode()
        assert 'twofold_refused_total{reason="queue"} 2.0' in text


def test_stopping_finishes_what_was_accepted(
    detector: Detector, pngs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(QUICK, threads=1, batch=1)
    with ThreadPoolExecutor(6) as pool, held(monkeypatch) as (begun, go):
        with serving(loader({"default": detector}), limits=limits) as served:
            sent = [pool.submit(served.client.score, [(str(n), pngs[n])]) for n in range(5)]
            assert begun.wait(10)
            until(lambda: served.client.get("/v1/model").json["waiting"] == 4)
            threading.Timer(0.5, go.set).start()
        assert [one.result(20).status for one in sent] == [200] * 5
        with pytest.raises(ConnectionRefusedError):
            served.client.get("/healthz")


def test_too_late_is_said_and_the_rest_is_left_off(
    detector: Detector, pngs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(QUICK, threads=1, batch=1, timeout=1.0)
    with (
        serving(loader({"default": detector}), limits=limits) as served,
        held(monkeypatch) as (begun, go),
    ):
        answer = served.client.score([("0", pngs[0]), ("1", pngs[1])])
        assert begun.is_set()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        go.set()
        assert served.client.score([("2", pngs[2])]).status == 200
    text = served.log.getvalue()
    assert "failed" not in text


def test_large_and_many(served: Served, pngs: list[bytes], detector: Detector) -> None:
    answer = served.client.score([(str(n), b"") for n in range(33)])
    assert answer.status == 413
    assert "32 files" in answer.json["error"]
    limits = replace(QUICK, upload_bytes=20_000)
    with serving(loader({"default": detector}), limits=limits) as small:
        answer = small.client.score([("a", b"x" * 30_000)])
        assert answer.status == 413
        chunked = b"".join(b"2000\r\n" + b"x" * 0x2000 + b"\r\n" for _ in range(4)) + b"0\r\n\r\n"
        head = f"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1:{small.client.port}\r\n".encode()
        head += b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        found = read_all(send(small.client.port, head + chunked))
        assert found.startswith(b"HTTP/1.1 413")
        assert small.client.score([("a", pngs[0])]).status == 200


@pytest.mark.slow
def test_slow_clients_are_cut_and_hold_up_nobody(
    detector: Detector, pngs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "patient", lambda most: patient(most, head_seconds=1.0))
    limits = replace(QUICK, timeout=1.5)
    with serving(loader({"default": detector}), limits=limits) as served:
        port = served.client.port
        own = f"Host: 127.0.0.1:{port}\r\n".encode()
        heads = [send(port, b"POST /v1/sc") for _ in range(40)] + [send(port, b"")]
        body = b"POST /v1/score HTTP/1.1\r\n" + own + b"Content-Length: 5000\r\n\r\nabc"
        bodies = [send(port, body) for _ in range(40)]
        start = time.monotonic()
        assert served.client.score([("a", pngs[0])]).status == 200
        assert time.monotonic() - start < 1.0
        assert all(read_all(one) == b"" for one in heads)
        answers = [read_all(one) for one in bodies]
        assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)
        assert time.monotonic() - start < 10
        assert served.client.score([("a", pngs[0])]).status == 200


def test_more_connections_than_allowed_are_told_to_come_back(
    detector: Detector, pngs: list[bytes]
) -> None:
    limits = replace(QUICK, connections=10)
    with serving(loader({"default": detector}), limits=limits) as served:
        port = served.client.port
        idle = [send(port, b"GET") for _ in range(10)]
        until(lambda: read_all(send(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503"))
        for one in idle:
            one.close()
        until(lambda: served.client.get("/healthz").status == 200)
        assert served.client.score([("a", pngs[0])]).status == 200


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(9000)),
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: \x00\r\n\r\n",
    ],
)
def test_what_is_no_request(served: Served, text: bytes) -> None:
    found = read_all(send(served.client.port, text))
    assert found == b"" or found.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 501"))
    assert served.client.get("/healthz").status == 200


def test_a_failure_that_nobody_foresaw_ends_one_request(
    detector: Detector, pngs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret value")

    with serving(loader({"default": detector})) as served:
        with monkeypatch.context() as patch:
            patch.setattr(model_module, "see", fail)
            answer = served.client.score([("a", pngs[0])])
        assert answer.status == 500
        assert set(answer.json) == {"error", "request_id"}
        until(lambda: len(served.lines("failed")) == 1)
        (line,) = served.lines("failed")
        assert line["request_id"] == answer.json["request_id"]
        assert "RuntimeError" in line["error"]
        assert "secret value" not in served.log.getvalue()
        assert served.client.score([("a", pngs[0])]).status == 200


def test_every_line_of_the_log_is_json(served: Served) -> None:
    served.client.get('/a"}%0a%00{"level":"error"')
    body, kind = multipart([("name-of-a-part.png", b"x")])
    served.client.send("POST", "/v1/score", body, {"Content-Type": kind})
    for line in served.log.getvalue().splitlines():
        assert {"time", "level", "event"} <= json.loads(line).keys()
    assert "name-of-a-part" not in served.log.getvalue()
