"""A small review without a model: images, a design, and a client that sends what it likes."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.support.answers import Answer

from twofold.images import ImageSet
from twofold.marks import DesignDocument, draw_design
from twofold.review.gallery import Gallery
from twofold.review.sample import Sample
from twofold.review.server import ReviewServer
from twofold.review.session import Session

HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    '"><script>alert(2)<!-- -->.png',
    "=cmd|calc.png",
    "\u202egnp.exe.png",
    "..%2f..%2fetc%2fpasswd.png",
    "a\nb,c.png",
)
"""Names that a page, a table or a path could be made to misread."""


def write_images(folder: Path, n: int, names: tuple[str, ...] = HOSTILE) -> list[str]:
    """Small PNGs, each of other pixels; the first few under the names given."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    paths = []
    for number in range(n):
        name = names[number] if number < len(names) else f"{number:04d}.png"
        pixels = generator.integers(0, 255, (24, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name, "PNG")
        paths.append(str(folder / name))
    return paths


def scores_of(n: int) -> NDArray[np.float64]:
    """Normal scores; those of the last tenth lie higher."""
    scores = np.random.default_rng(1).normal(size=n)
    scores[n - n // 10 :] += 2.5
    return scores


def make_sample(folder: Path, n: int = 60, *, threshold: float = 1.5) -> Sample:
    """A review of `n` images in a folder, without maps."""
    paths, scores = write_images(folder, n), scores_of(n)
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    document = DesignDocument.of(
        draw_design(scores, threshold, 0),
        paths,
        scores,
        digests,
        model="0" * 64,
        threshold=threshold,
        false_alarm_rate=0.05,
        random_state=0,
    )
    return Sample(document, Gallery(ImageSet.from_paths(paths), digests), (), continued=False)


@dataclass
class Client:
    """Sends requests as the page does, or with anything about them changed."""

    port: int
    cookie: str = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        without: tuple[str, ...] = (),
        changed: dict[str, str] | None = None,
    ) -> Answer:
        """One request with the page's headers, but for those that are `changed` or left out."""
        headers = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie}
        if method == "POST":
            headers |= {"Origin": self.origin, "X-Twofold-Review": "1"}
            headers["Content-Type"] = "application/json"
        headers |= changed or {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name not in without and value:
                    connection.putheader(name, value)
            if body is not None and "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Answer.of(connection)
        finally:
            connection.close()

    def get(self, path: str, changed: dict[str, str] | None = None) -> Answer:
        return self.send("GET", path, changed=changed)

    def post(self, path: str, content: Any) -> Answer:
        return self.send("POST", path, json.dumps(content).encode())

    def mark(self, image: int, mark: str = "normal") -> Answer:
        return self.post("/api/mark", {"image": image, "mark": mark, "seconds": 1.5})

    def enter(self, address: str) -> Answer:
        """Open the address that was printed, and keep the cookie."""
        answer = self.get(address.removeprefix(self.origin))
        self.cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        return answer


@contextmanager
def serving(session: Session, gallery: Gallery) -> Iterator[tuple[ReviewServer, list[str]]]:
    """A server in a thread, and the lines it has for the terminal."""
    lines: list[str] = []
    server = ReviewServer(session, gallery, 0, lines.append)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server, lines
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()
