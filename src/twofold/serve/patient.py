"""Connections that are cut when a client takes too long, or when there are too many."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar, Final

from twofold.serve import missing_extra
from twofold.serve.limits import HEAD_SECONDS, WRITE_SECONDS

try:
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    raise missing_extra(error) from None

__all__ = ["Patient", "patient"]

_BODY: Final = json.dumps({"error": "Too many connections: try again in a moment."}).encode()
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: " + str(len(_BODY)).encode() + b"\r\n\r\n" + _BODY
)


class Patient(H11Protocol):
    """uvicorn's protocol with deadlines that it lacks.

    A client has so long for a request's head, and for what is left of a body when its answer has
    been sent already; and so long to take some of its answer. How long a body may take is for the
    application to say. None of this holds a thread: a slow client costs a connection, no more.

    Attributes:
        most: connections at a time; one more is told to come back, and closed.
        head_seconds: see above.
        write_seconds: see above.
    """

    most: ClassVar[int]
    head_seconds: ClassVar[float] = HEAD_SECONDS
    write_seconds: ClassVar[float] = WRITE_SECONDS

    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head; or refuse."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.write(_FULL)
            transport.close()
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Go on; once there is a request, its time is the application's matter."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete and self._reading:
            self._reading.cancel()
            self._reading = None

    def on_response_complete(self) -> None:
        """Begin to wait for the next head."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._expect()

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _expect(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop(self) -> None:
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        self._reading = self._writing = None


def patient(most: int, **seconds: float) -> type[Patient]:
    """The protocol with a bound on connections, and other deadlines if any are given."""
    return type("BoundedPatient", (Patient,), {"most": most, **seconds})
