"""A service in a thread, and a client that sends what it likes."""

from __future__ import annotations

import http.client
import io
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.support.answers import Answer

from twofold.detector import Detector
from twofold.serve.access import Access, read_tokens
from twofold.serve.limits import Limits
from twofold.serve.logs import Log
from twofold.serve.metrics import Metrics
from twofold.serve.model import Loader, Model, Source
from twofold.serve.server import ServeServer, Service
from twofold.web.listening import listen

TOKEN = "0123456789abcdef0123456789abcdef"
QUICK = Limits(threads=2, timeout=20.0)


def png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def multipart(files: Sequence[tuple[str, bytes]], field_name: str = "file") -> tuple[bytes, str]:
    """A body of several files, and its content type; names go in as they are."""
    boundary = secrets.token_hex(8)
    parts = []
    for name, content in files:
        head = f'content-disposition: form-data; name="{field_name}"; filename="{name}"'
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


@dataclass
class Client:
    """Sends requests, each over a connection of its own."""

    port: int
    token: str = ""

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            return Answer.of(connection)
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.send("GET", path, headers=headers)

    def score(self, files: Sequence[tuple[str, bytes]], query: str = "") -> Answer:
        body, kind = multipart(files)
        return self.send("POST", f"/v1/score{query}", body, {"Content-Type": kind})

    def wait_until_ready(self) -> None:
        for _ in range(600):
            try:
                if self.get("/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("the service does not get ready")


@dataclass
class Served:
    """A service that runs."""

    server: ServeServer
    client: Client
    log: io.StringIO = field(repr=False)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Of the log, those of a kind of event."""
        found = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in found if line["event"] == event]


def loader(detectors: Mapping[str, Detector]) -> Loader:
    """Models by name, of detectors that are in memory."""

    def load(source: Source, limits: Limits, metrics: Metrics) -> Model:
        return Model(source, detectors[source.name], "0" * 64, limits, metrics)

    return load


@contextmanager
def serving(
    load: Loader,
    *,
    names: Sequence[str] = ("default",),
    folder: Path = Path("nowhere"),
    limits: Limits = QUICK,
    token_file: Path | None = None,
    most_bytes: int | None = None,
    reloaded: Callable[[], None] = lambda: None,
) -> Iterator[Served]:
    """A service in a thread of this process, ready; it ends in good order."""
    listening = listen("127.0.0.1", 0, 1024)
    port = listening.getsockname()[1]
    tokens = () if token_file is None else read_tokens(token_file)
    sources = tuple(Source(name, folder / name) for name in names)
    service = Service(sources, Access("127.0.0.1", port, tokens), limits, most_bytes)
    log = io.StringIO()
    server = ServeServer(service, listening, Log(log), load=load, reloaded=reloaded)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    client = Client(port, TOKEN if tokens else "")
    try:
        client.wait_until_ready()
        yield Served(server, client, log)
    finally:
        server.stop()
        thread.join(40)
        assert not thread.is_alive()
