"""Messages arrive, at least once, in order, and nowhere else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.watch.cases import journal_at, result

from twofold.errors import TwofoldError, UsageError
from twofold.watch import webhook
from twofold.watch.journal import Journal
from twofold.watch.webhook import Sender, Webhook, delay, find_webhook, post


@dataclass
class Receiver:
    """Answers with what it was told to, then with 204, and keeps what came."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    came: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def bodies(self) -> list[str]:
        return [body for _, body, _ in self.came]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            key, token = self.headers["Idempotency-Key"], self.headers["Authorization"]
            found.came.append((key, body, token))
            self.send_response(found.answers.pop(0) if found.answers else 204)
            self.send_header("Location", f"{found.url}/elsewhere")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with journal_at(tmp_path / "j") as journal:
        yield journal


@pytest.fixture
def send(
    journal: Journal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Put messages into the journal and let a sender run until it can do no more."""
    monkeypatch.setattr(webhook, "_FIRST", 0.01)

    def run(*bodies: str, until: int) -> list[str]:
        said: list[str] = []
        number = journal.n_results() + 1
        journal.add([result(number)], messages=lambda rows: bodies)
        sender = Sender(Webhook(receiver.url), journal, "w", said.append)
        sender.start()
        end = time.monotonic() + 10
        while len(receiver.came) < until and time.monotonic() < end:
            time.sleep(0.005)
        sender.stop(5.0)
        return said

    return run


def test_messages_arrive_in_order_each_with_its_key(
    send: Callable[..., list[str]], receiver: Receiver, journal: Journal
) -> None:
    assert send("1", "2", "3", until=3) == []
    assert receiver.came == [("w-1", "1", None), ("w-2", "2", None), ("w-3", "3", None)]
    assert journal.n_messages() == 0


@pytest.mark.parametrize("status", [500, 503, 429, 404, 401, 302, 307])
def test_a_failure_is_tried_again_under_the_same_key_and_holds_the_others(
    send: Callable[..., list[str]], receiver: Receiver, journal: Journal, status: int
) -> None:
    receiver.answers = [status, status]
    said = send("1", "2", until=4)
    assert [(key, body) for key, body, _ in receiver.came] == [("w-1", "1")] * 3 + [("w-2", "2")]
    assert said == [
        f"webhook: not delivered (HTTP status {status}); it is tried again",
        "webhook: messages arrive again",
    ]
    assert journal.n_messages() == 0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_message_that_is_refused_does_not_stop_the_others(
    send: Callable[..., list[str]], receiver: Receiver, journal: Journal, status: int
) -> None:
    receiver.answers = [status]
    (said,) = send("1", "2", until=2)
    assert said == f"webhook: message 1 is refused (HTTP status {status}) and set aside"
    assert receiver.bodies == ["1", "2"]
    assert journal.n_messages() == 1
    assert send(until=3) == []  # the next start tries it once more
    assert (receiver.bodies, journal.n_messages()) == (["1", "2", "1"], 0)


def test_what_arrived_before_a_kill_and_was_not_crossed_out_comes_with_the_same_key(
    send: Callable[..., list[str]],
    receiver: Receiver,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(*args: object) -> None:
        raise TwofoldError("killed")  # ends the thread

    with monkeypatch.context() as patch:
        patch.setattr(journal, "end_message", kill)
        send("1", until=1)
    assert journal.n_messages() == 1
    send("2", until=3)
    assert [key for key, _, _ in receiver.came] == ["w-1", "w-1", "w-2"]


def test_a_receiver_that_is_away_ends_nothing(journal: Journal, receiver: Receiver) -> None:
    said: list[str] = []
    journal.add([result(1)], messages=lambda rows: ["1"])
    sender = Sender(Webhook("http://127.0.0.1:9/"), journal, "w", said.append)
    sender.start()
    sender.stop(5.0)
    assert journal.n_messages() == 1
    assert len(said) == 1
    assert "refused" in said[0]


def test_no_redirect_is_followed(receiver: Receiver) -> None:
    receiver.answers = [301]
    answer = post(Webhook(receiver.url, "secret"), "k", "{}")
    assert (answer.arrived, answer.reason) == (False, "HTTP status 301")
    assert receiver.came == [("k", "{}", "Bearer secret")]


def test_a_receiver_that_never_answers_is_left() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        url = f"http://127.0.0.1:{silent.server_port}"  # it listens and nobody serves
        answer = post(Webhook(url), "k", "{}", timeout=0.2)
    assert not answer.arrived
    assert "timed out" in answer.reason


def test_waiting_doubles_up_to_five_minutes() -> None:
    assert [delay(n) for n in (1, 2, 3, 9, 10, 10**6)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]


def test_tokens_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc \nnot this\n", encoding="utf-8")
    named = {webhook.TOKEN_VARIABLE: "from-environment"}
    url = "https://example.org/hook?line=1"
    assert find_webhook(url, str(tmp_path / "token"), named) == Webhook(url, "abc")
    assert find_webhook(url, None, named) == Webhook(url, "from-environment")
    assert find_webhook(url, None, {}) == Webhook(url)
    assert "abc" not in repr(Webhook(url, "abc"))


@pytest.mark.parametrize(
    ("url", "word"),
    [
        *(("ftp://example.org", "http"), ("file:///etc/passwd", "http"), ("example.org", "http")),
        *(
            ("http://", "http"),
            ("http://me:pw@example.org", "password"),
            ("http://[::1", "address"),
        ),
        *(("http://a:99999/", "address"), ("http://a/b c", "ASCII"), ("http://a/ü", "ASCII")),
        ("http://a/\r\nX: y", "ASCII"),
    ],
)
def test_addresses_that_are_refused(url: str, word: str) -> None:
    with pytest.raises(UsageError, match=word) as caught:
        find_webhook(url, None, {})
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", "tökèn".encode(), b"a\x00b", b"\xff"])
def test_tokens_that_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(UsageError, match="one line of printable ASCII"):
        find_webhook("https://example.org", str(tmp_path / "token"), {})
