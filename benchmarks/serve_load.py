"""What `twofold serve` takes: throughput, waiting, refusals, memory, and a flood of bad clients.

Usage: python benchmarks/serve_load.py MODEL IMAGES [--seconds 60] [--clients 1 8 64]
       [--requests 10000] [--flood 1000] [--options "--queue 128"] [--out FILE.json]

Starts the service in a process of its own and asks it for IMAGES, one a request, over connections
that stay open. A resident detector scores the same files in this process, in turns of some seconds
with the clients, so that other work on the machine hits both alike; clients run here and take their
share of the cores. Each score must be the detector's own. Who is told 429 waits a fifth of a second
and asks again. Then a flood: a third of the clients sends half a head, a third half a body, a third
something broken or far too large, and a good client goes on meanwhile. Then so many requests in a
row, while memory, files and threads of the service are looked at. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from peers.machine import machine
from serve_process import counted, served, state_of

from twofold import Detector
from twofold.detector.portions import Portion
from twofold.images import ImageSet, find_images

# Seconds of the resident detector, and of the clients: long beside the end of a turn, at which
# clients wait for their last answers and the cores fall idle.
OWN_TURN, TURN = 10.0, 30.0
PAUSE = 0.2  # of a client that was told to come back
SAMPLES = 20


@dataclass
class Tally:
    """What the clients of a load got."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    largest_difference: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, status: str, seconds: float, difference: float = 0.0) -> None:
        """Count an answer."""
        with self.lock:
            self.statuses[status] += 1
            if status == "200":
                self.seconds.append(seconds)
                self.largest_difference = max(self.largest_difference, difference)

    def described(self, wall: float) -> dict[str, Any]:
        """In plain values; the load took ``wall`` seconds."""
        total = sum(self.statuses.values())
        quantiles = {
            f"p{name}_ms": round(1e3 * float(np.quantile(self.seconds, share)), 1)
            for name, share in (("50", 0.5), ("95", 0.95), ("99", 0.99))
            if self.seconds
        }
        return {
            "images_per_second": round(len(self.seconds) / wall, 2),
            **quantiles,
            "statuses": dict(self.statuses),
            "share_of_429": round(self.statuses["429"] / max(1, total), 4),
            "largest_difference": self.largest_difference,
        }


def ignore(images: ImageSet, portion: Portion) -> None:
    """Take no note of what was seen."""
    del images, portion


@dataclass(frozen=True)
class Work:
    """Images and what a detector says of them."""

    paths: list[str]
    contents: list[bytes]
    scores: list[float]
    detector: Detector

    @classmethod
    def of(cls, model: str, images: str) -> Work:
        """From a model and a folder."""
        detector = Detector.load(model)
        detector.cached = False  # as the service has it
        detector.warm_up()
        paths = list(find_images(images).names)
        contents = [Path(path).read_bytes() for path in paths]
        return cls(paths, contents, detector.score(paths).scores.tolist(), detector)

    def own_rate(self) -> float:
        """Images a second of the detector itself, many at once."""
        start, done = time.perf_counter(), 0
        while (wall := time.perf_counter() - start) < OWN_TURN:
            some = self.paths[:64]
            done += len(self.detector.examine(some, ignore, with_maps=False).scores)
        return done / wall


class Asking:
    """A client with an open connection; light, as it shares the cores with the service."""

    def __init__(self, port: int, work: Work, tally: Tally, first: int = 0) -> None:
        self._work, self._tally, self._first, self._port = work, tally, first, port
        self._connection: socket.socket | None = None

    def once(self, number: int) -> None:
        """Ask for one image."""
        row = number % len(self._work.contents)
        start = time.perf_counter()
        try:
            status, body = self._asked(self._work.contents[row])
        except (OSError, ValueError, IndexError) as error:
            self._tally.add(type(error).__name__, time.perf_counter() - start)
            self._close()
            return
        seconds, difference = time.perf_counter() - start, 0.0
        if status == "200":
            difference = abs(json.loads(body)["results"][0]["score"] - self._work.scores[row])
        self._tally.add(status, seconds, difference)
        if status == "429":
            time.sleep(PAUSE)

    def _asked(self, content: bytes) -> tuple[str, bytes]:
        """Status and body of an answer."""
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (
            f"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self._connection.sendall(head.encode() + content)
        found = b""
        while b"\r\n\r\n" not in found:
            found += self._some()
        top, _, body = found.partition(b"\r\n\r\n")
        length = int(top.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._some()
        return top[9:12].decode(), body

    def _some(self) -> bytes:
        assert self._connection is not None
        if not (found := self._connection.recv(1 << 16)):
            raise ConnectionError("closed")
        return found

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def until(self, end: float) -> Callable[[], None]:
        """What asks for one image after the other, until a time."""

        def ask() -> None:
            number = self._first
            while time.perf_counter() < end:
                self.once(number)
                number += 1
            self._close()

        return ask


def load(port: int, work: Work, clients: int, seconds: float) -> dict[str, Any]:
    """So many clients for so long, in turns with the detector itself."""
    before, own, tally, wall = counted(port), [work.own_rate()], Tally(), 0.0
    while wall < seconds:
        start = time.perf_counter()
        end = start + min(TURN, seconds - wall)
        together(
            Asking(port, work, tally, 37 * number + round(wall)).until(end)
            for number in range(clients)
        )
        wall += time.perf_counter() - start
        own.append(work.own_rate())
    found = tally.described(wall)
    mean = sum(own) / len(own)
    return {
        "clients": clients,
        **found,
        "own_images_per_second": [round(rate, 2) for rate in own],
        "share_of_own": round(found["images_per_second"] / mean, 3),
        "judged_and_not_answered": counted(port) - before - tally.statuses["200"],
    }


def together(works: Iterable[Callable[[], None]]) -> None:
    """Each in a thread of its own, until all are done."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def level(pid: int, port: int, work: Work, requests: int) -> dict[str, Any]:
    """Many requests from eight clients, and how the process stands meanwhile."""
    tally, states = Tally(), []
    for part in range(SAMPLES):
        numbers = iter(range(part * requests // SAMPLES, (part + 1) * requests // SAMPLES))
        lock = threading.Lock()

        def ask(numbers: Iterator[int] = numbers, lock: threading.Lock = lock) -> None:
            asking = Asking(port, work, tally)
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                asking.once(number)

        together([ask] * 8)
        states.append(state_of(pid))
    return {"requests": requests, "statuses": dict(tally.statuses), "states": states}


def bad_client(number: int, port: int) -> socket.socket:
    """A connection on which something bad was sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    host = f"Host: 127.0.0.1:{port}\r\n".encode()
    head = b"POST /v1/score HTTP/1.1\r\n" + host
    wrong = [
        head + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 100_000,
        head
        + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9\r\n\r\n--x\r\nabcd",
        b"\0" * 4000,
        head + b"Transfer-Encoding: chunked\r\n\r\nzzzz\r\n",
    ]
    kinds = [head[: 10 + number % 40], head + b"Content-Length: 100000\r\n\r\nabc"]
    with suppress(OSError):
        connection.sendall((*kinds, wrong[number // 3 % len(wrong)])[number % 3])
    return connection


def flood(pid: int, port: int, work: Work, clients: int) -> dict[str, Any]:
    """So many bad clients at once, and one good one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, clients + 500)), hard))
    before, tally, start = state_of(pid), Tally(), time.perf_counter()
    good = threading.Thread(target=Asking(port, work, tally).until(start + 45.0))
    good.start()
    opened = [bad_client(number, port) for number in range(clients)]
    during, answers = state_of(pid), Counter[str]()
    for connection in opened:
        connection.settimeout(60)
        try:
            answers[connection.recv(12).decode("latin-1")[9:] or "closed"] += 1
        except OSError as error:
            answers[type(error).__name__] += 1
        connection.close()
    ended = time.perf_counter() - start
    good.join()
    time.sleep(2)
    return {
        "clients": clients,
        "answers": dict(answers),
        "seconds_until_all_had_ended": round(ended, 1),
        "good_client": tally.described(45.0),
        "before": before,
        "during": during,
        "after": state_of(pid),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("images")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 64])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--flood", type=int, default=1000)
    parser.add_argument("--options", default="", help="of twofold serve")
    parser.add_argument("--out")
    options = parser.parse_args()
    work = Work.of(options.model, options.images)
    found: dict[str, Any] = {"machine": machine(), "options": options.options}
    with served(options.model, options.options) as (pid, port):
        found["loads"] = [load(port, work, n, options.seconds) for n in options.clients]
        if options.flood:
            found["flood"] = flood(pid, port, work, options.flood)
        if options.requests:
            found["level"] = level(pid, port, work, options.requests)
    text = json.dumps(found, indent=1)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
