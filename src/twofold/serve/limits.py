"""How much the service takes on at once, each number with its reason."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from twofold.encoders.outputs import BATCH
from twofold.encoders.settings import n_streams
from twofold.errors import ConfigError

__all__ = ["HEAD_BYTES", "HEAD_SECONDS", "MEGABYTE", "WRITE_SECONDS", "Limits"]

MEGABYTE: Final = 1_000_000
HEAD_BYTES: Final = 16_384
"""Of a request's first line and headers: what nginx and Apache allow, about."""
HEAD_SECONDS: Final = 10.0
"""For a request's head, and for the rest of the body of a request that was refused."""
WRITE_SECONDS: Final = 30.0
"""For a client to take more of its answer, before the connection is cut."""


@dataclass(frozen=True)
class Limits:
    """What is taken on; beyond it a request is refused, with a status that says why.

    Attributes:
        upload_bytes: of a request's body. A 50-megapixel PNG of 8-bit colours has up to 150 MB, a
            usual camera's JPEG 2 to 20.
        pixels: of an image. Decoded, 50 million take 150 MB in each thread that looks at one.
        files: of a request. Whoever has more asks several times, so that one does not hold up all.
        queue: images that wait for a model. Some two seconds of work on two cores: who waits longer
            is better told to come back.
        receiving_bytes: of the bodies of all requests that are being received or wait.
        connections: open at a time; one takes some 50 KB and a file descriptor.
        timeout: seconds from the first byte of a request to its answer.
        batch: images that a thread looks at together; what an engine is handed at once.
        batch_wait: seconds that a thread waits for more of them, where it is the only one. An image
            takes ten times as long.
        threads: that look at images, for each model; None: what the engines run side by side.
    """

    upload_bytes: int = 50 * MEGABYTE
    pixels: int = 50_000_000
    files: int = 32
    queue: int = 128
    receiving_bytes: int = 400 * MEGABYTE
    connections: int = 2000
    timeout: float = 30.0
    batch: int = BATCH
    batch_wait: float = 0.002
    threads: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "batch_wait" else 1
            if value is not None and not value >= least:
                raise ConfigError(f"{field.name} must be at least {least}, not {value}")
        if self.files > self.queue:
            raise ConfigError(
                f"{self.files} files of a request can never wait in a queue of {self.queue}: "
                "raise the queue"
            )
        if self.upload_bytes > self.receiving_bytes:
            raise ConfigError("a request may have more bytes than all requests together")

    @property
    def model_threads(self) -> int:
        """Threads of each model."""
        return n_streams() if self.threads is None else self.threads
