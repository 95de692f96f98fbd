"""Files at addresses such as ``s3://bucket/a.png``, by fsspec; a path of this machine never is one.

Credentials, regions and endpoints are found as each library finds them: environment variables,
``~/.aws``, fsspec's own configuration. What is read is bounded, and an attempt that fails for a
reason that may pass is made again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from twofold.errors import MissingExtraError, RemoteError, on_one_line

__all__ = [
    "as_local",
    "check_store",
    "fetch",
    "is_address",
    "is_remote",
    "joined",
    "list_files",
    "printable",
    "remove",
    "store",
]

T = TypeVar("T")

_SCHEMES: Final = ("gcs", "gs", "http", "https", "s3", "s3a")

_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]+):"  # one letter is a drive of Windows
_ADDRESS, _AS_PATH = re.compile(rf"{_SCHEME}//"), re.compile(rf"{_SCHEME}/")
_FILE = "file://"
# Seconds before another attempt: what passes by itself, such as a connection that was cut off or a
# server that asks for patience, mostly does within seconds.
_WAITS = (0.5, 2.0)
# Seconds until a server has to answer, and between two parts of its answer.
_CONNECT, _READ = 10.0, 30.0
_CHUNK = 2**20


def is_address(path: str | PurePath) -> bool:
    """Whether this is an address of any kind; a ``Path`` of one has lost one of its slashes."""
    return _AS_PATH.match(str(path)) is not None


def is_remote(path: str) -> bool:
    """Whether this is an address rather than a path of this machine.

    Raises:
        RemoteError: it is an address of a kind that is not read.
    """
    found = _ADDRESS.match(path)
    if found is None or found[0].lower() == _FILE:
        return False
    if found[1].lower() not in _SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in (*_SCHEMES, "file"))
        raise RemoteError(f"{printable(path)}: no address that can be read; choose from {known}")
    return True


def as_local(path: str) -> str:
    """The path that an address ``file://`` means; any other text as it is.

    Raises:
        RemoteError: it names another machine.
    """
    if not path.lower().startswith(_FILE):
        return path
    parts = urlsplit(path)
    if parts.netloc not in ("", "localhost"):
        raise RemoteError(f"{path}: names another machine; write file:///PATH")
    return unquote(parts.path)


def printable(url: str) -> str:
    """An address as it may be printed: without passwords, and without a query that may sign it."""
    head, mark, rest = url.partition("://")
    if not mark:
        return url
    place, slash, path = rest.partition("/")
    if head.lower() in ("http", "https"):
        path = path.partition("?")[0].partition("#")[0]
    return f"{head}://{place.rpartition('@')[2]}{slash}{path}"


def joined(folder: str, value: str) -> str:
    """The address of a file that a table at an address lists.

    Args:
        folder: address of the table's folder.
        value: an address, or a path below the folder.

    Raises:
        RemoteError: it leads out of the folder, or to this machine: what a table from elsewhere
            names must not be a way to files here.
    """
    if value.lower().startswith(_FILE) or (not _ADDRESS.match(value) and value.startswith("/")):
        raise RemoteError(f"{value}: a table at an address cannot name files of this machine")
    if is_remote(value):
        return value
    if ".." in value.replace("\\", "/").split("/"):
        raise RemoteError(f"{value}: leads out of {printable(folder)}")
    return f"{folder}/{value}"


def fetch(url: str, most: int) -> bytes:
    """The content of a file, of 1 to ``most`` bytes. Blocks until it is there.

    Raises:
        RemoteError: it is empty, larger, missing or not to be had; the reason in one line, without
            the address.
        MissingExtraError: the library for such addresses is not installed.
    """
    system, path = _system(url)
    content: bytes = _tried(lambda: _content(system, path, most + 1))
    if not content:
        raise RemoteError("empty file")
    if len(content) > most:
        raise RemoteError(f"more bytes than the limit of {most}")
    return content


def list_files(url: str) -> list[str] | None:
    """Addresses of all files below a folder, or that match a glob, sorted; None of a single file.

    Raises:
        RemoteError: there is nothing, or it cannot be listed.
        MissingExtraError: the library for such addresses is not installed.
    """
    system, path = _system(url)
    web = urlsplit(url).scheme.lower() in ("http", "https")
    if not web and any(sign in path for sign in "*?["):
        found = _tried(lambda: system.glob(path))
    elif (web and not path.endswith("/")) or (not web and _tried(lambda: system.isfile(path))):
        return None
    else:
        found = _tried(lambda: system.find(path))
    # A store has no folders but in names; some have an empty file in their place.
    names = sorted(str(one) for one in found if not str(one).endswith("/"))
    return [str(system.unstrip_protocol(name)) for name in names]


def check_store(url: str) -> None:
    """Refuse early an address that nothing can be written to.

    Raises:
        RemoteError: of the web, which is only read.
        MissingExtraError: the library for such addresses is not installed.
    """
    if urlsplit(url).scheme.lower() in ("http", "https"):
        raise RemoteError(f"{printable(url)}: the web is only read; give s3://, gs:// or a folder")
    _system(url)


def store(url: str, content: bytes) -> None:
    """Write a file, in place of the one that is there. Blocks until it is done.

    Raises:
        RemoteError: it cannot be written; the reason in one line, without the address.
        MissingExtraError: the library for such addresses is not installed.
    """
    system, path = _system(url)
    _tried(lambda: system.pipe_file(path, content), "written")


def remove(url: str) -> None:
    """Remove a file; one that is not there is no error.

    Raises:
        RemoteError, MissingExtraError: as for :func:`store`.
    """
    system, path = _system(url)
    if _tried(lambda: system.exists(path)):
        _tried(lambda: system.rm_file(path), "removed")


def _system(url: str) -> tuple[Any, str]:
    """What reads an address, and its path there."""
    scheme = urlsplit(url).scheme.lower()
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an optional dependency

        options: dict[str, Any] = {}
        if scheme in ("http", "https"):
            from aiohttp import ClientTimeout  # noqa: PLC0415

            waits = ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_READ)
            options["client_kwargs"] = {"timeout": waits}
        found: tuple[Any, str] = url_to_fs(url, **options)
    except ImportError as error:
        raise MissingExtraError(
            f"{scheme}:// needs a library: pip install 'twofold[remote]' ({error})"
        ) from None
    except Exception as error:  # whatever a library finds wrong with an address
        raise RemoteError(_reason(error)) from error
    return found


def _content(system: Any, path: str, most: int) -> bytes:
    """At most so many bytes from the beginning."""
    if "http" not in system.protocol:
        found: bytes = system.cat_file(path, start=0, end=most)
        return found
    # A server may send more than it was asked for.
    with system.open(path, "rb", block_size=0, size=1) as stream:
        parts = bytearray()
        while len(parts) < most and (part := stream.read(min(_CHUNK, most - len(parts)))):
            parts += part
        return bytes(parts)


def _tried(work: Callable[[], T], done: str = "read") -> T:
    """Again where it may help.

    Raises:
        RemoteError: it does not.
    """
    for wait in (*_WAITS, None):
        try:
            return work()
        except FileNotFoundError:
            raise RemoteError("no such file") from None
        except PermissionError as error:
            raise RemoteError(f"not allowed: {_reason(error)}") from error
        except Exception as error:  # each library has its own
            if wait is None or not _may_pass(error):
                raise RemoteError(f"cannot be {done}: {_reason(error)}") from error
            time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _may_pass(error: Exception) -> bool:
    """Whether the same may work in a moment: not where the request itself is wrong."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and 400 <= status < 500:
        return status in (408, 425, 429)
    return not isinstance(error, ValueError | TypeError | NotImplementedError)


def _reason(error: Exception) -> str:
    text = on_one_line(str(error)) or type(error).__name__
    return re.sub(r"\?\S+", "?...", text)  # what signs an address
