"""Bodies of requests: read within bounds, and taken apart into files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from twofold.errors import on_one_line
from twofold.serve import missing_extra
from twofold.serve.limits import Limits
from twofold.web.asgi import Receive

try:
    from python_multipart import MultipartParser
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import parse_options_header
except ImportError as error:
    raise missing_extra(error) from None

__all__ = ["Budget", "RefusedError", "Upload", "read_body", "split"]

_LONGEST_NAME: Final = 255  # characters, as file systems have
_PART_HEAD: Final = 8192  # bytes of a part's headers; browsers send some 150
_RAW: Final = ("image/", "application/octet-stream")


class RefusedError(Exception):
    """A request that is answered with a status and a sentence.

    Attributes:
        status: of HTTP.
        reason: a word for the metrics.
        retry: seconds after which it is worth another try; None if it never is.
    """

    def __init__(self, status: int, reason: str, text: str, retry: int | None = None) -> None:
        super().__init__(text)
        self.status, self.reason, self.retry = status, reason, retry


@dataclass(frozen=True)
class Upload:
    """A file of a request.

    Attributes:
        name: as the client calls it, made printable; it is only ever sent back.
        content: of the file.
    """

    name: str
    content: bytes = field(repr=False)


class Budget:
    """Bytes that all requests together may hold; used on one event loop.

    Attributes:
        left: of them.
    """

    def __init__(self, n_bytes: int) -> None:
        self.left = n_bytes

    @contextmanager
    def share(self) -> Iterator[_Share]:
        """A request's part, given back at the end."""
        share = _Share(self)
        try:
            yield share
        finally:
            self.left += share.taken


class _Share:
    """What one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.taken = 0

    def grow(self, n_bytes: int) -> None:
        """Hold so many bytes in all.

        Raises:
            RefusedError: all requests together would have too many.
        """
        more = n_bytes - self.taken
        if more <= 0:
            return
        if more > self._budget.left:
            text = "Too much is being sent at once: try again in a moment."
            raise RefusedError(429, "bytes", text, 1)
        self._budget.left -= more
        self.taken = n_bytes


async def read_body(
    receive: Receive, headers: Mapping[str, str], limits: Limits, share: _Share
) -> bytes:
    """The whole body of a request.

    Args:
        receive: of the request.
        headers: names in lower case.
        limits: of a request's bytes.
        share: of the bytes of all requests.

    Raises:
        RefusedError: it is too long, whatever was stated; or the client has gone.
    """
    stated = headers.get("content-length")
    if stated is not None and not (stated.isascii() and stated.isdigit()):
        raise RefusedError(400, "malformed", "Content-Length must be a number.")
    if stated is not None and (len(stated) > 15 or int(stated) > limits.upload_bytes):
        raise _too_long(limits)
    share.grow(int(stated or 0))
    parts: list[bytes] = []
    n_bytes = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusedError(400, "gone", "The client has gone.")
        part: bytes = message.get("body", b"")
        n_bytes += len(part)
        if n_bytes > limits.upload_bytes:
            raise _too_long(limits)
        share.grow(n_bytes)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_long(limits: Limits) -> RefusedError:
    text = f"A request may have {limits.upload_bytes} bytes."
    return RefusedError(413, "upload", text)


def split(content_type: str, body: bytes, most: int) -> list[Upload]:
    """The files of a body: each part of ``multipart/form-data``, or else the body itself.

    Args:
        content_type: header of the request.
        body: whole.
        most: files.

    Raises:
        RefusedError: it is damaged, of another kind, has too many files or none.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        if kind and not kind.decode("latin-1").startswith(_RAW):
            text = "Send multipart/form-data, or one image as image/* or application/octet-stream."
            raise RefusedError(415, "kind", text)
        return [Upload("upload", body)]
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > 70:  # as RFC 2046 has it
        raise RefusedError(400, "malformed", "multipart/form-data needs a boundary.")
    parts = _Parts(most)
    parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise RefusedError(400, "malformed", "The multipart body is damaged.") from None
    if not parts.ended:
        raise RefusedError(400, "malformed", "The multipart body has no end.")
    if not parts.files:
        raise RefusedError(422, "empty", "There is no file: send each as a part with a filename.")
    return parts.files


class _Parts:
    """Files as the parser comes across them."""

    def __init__(self, most: int) -> None:
        self.files: list[Upload] = []
        self.ended = False
        self._most = most
        self._head = 0
        self._field, self._value = b"", b""
        self._name: str | None = None
        self._content: list[bytes] = []

    def callbacks(self) -> dict[str, object]:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.files) == self._most:
            text = f"A request may have {self._most} files."
            raise RefusedError(413, "files", text)
        self._head, self._name, self._content = 0, None, []

    def _grow(self, n: int) -> None:
        self._head += n
        if self._head > _PART_HEAD:
            raise RefusedError(400, "malformed", "The headers of a part are too long.")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._grow(end - start)
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._grow(end - start)
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            name = options.get(b"filename")
            if name is not None:
                self._name = _printable(name)
        self._field, self._value = b"", b""

    def _headers_finished(self) -> None:
        if self._name is None:
            text = "Every part must be a file, with a filename in its Content-Disposition."
            raise RefusedError(422, "malformed", text)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _part_end(self) -> None:
        assert self._name is not None
        self.files.append(Upload(self._name, b"".join(self._content)))

    def _end(self) -> None:
        self.ended = True


def _printable(name: bytes) -> str:
    """A client's name of a file, on one line."""
    text = on_one_line(name.decode("utf-8", "backslashreplace"))
    return text[:_LONGEST_NAME] or "upload"
