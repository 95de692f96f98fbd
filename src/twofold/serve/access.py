"""Who may ask: whoever has the token; on this machine alone, without one, whoever is no other page.

A service on the loopback address is out of reach of other machines, but not of web pages in a
browser of this one, nor of a foreign name that is made to point here (DNS rebinding). So without a
token the Host and Origin of each request are checked.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from twofold.errors import UsageError
from twofold.web.listening import is_loopback

__all__ = ["OPEN_PATHS", "Access", "check_name", "read_tokens"]

OPEN_PATHS: Final = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
"""Answered without a token: they tell nothing of models or images."""

_SHORTEST: Final = 16
"""Characters of a token; of 64 letters, digits and signs that is 96 bits."""
_MOST_BYTES: Final = 65_536


def read_tokens(path: str | Path) -> tuple[bytes, ...]:
    """Digests of the tokens in a file, one a line: two while one is being replaced.

    Raises:
        UsageError: it cannot be read, or a token is missing, short or not of visible ASCII.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--token-file {path}: {reason}") from error
    lines = [line.strip() for line in content.splitlines()]
    tokens = [line for line in lines if line and not line.startswith(b"#")]
    if not tokens:
        raise UsageError(f"--token-file {path}: holds no token")
    for token in tokens:
        if len(token) < _SHORTEST or any(not 33 <= sign <= 126 for sign in token):
            raise UsageError(
                f"--token-file {path}: a token needs {_SHORTEST} or more visible ASCII characters "
                "in a line of its own, as from: openssl rand -hex 32"
            )
    return tuple(_digest(token) for token in tokens)


def _digest(token: bytes) -> bytes:
    """All tokens have one length like this, which comparing them then does not tell."""
    return hashlib.sha256(token).digest()


@dataclass(frozen=True)
class Access:
    """Says why a request may not go on.

    Attributes:
        host: that the service listens on.
        port: likewise.
        tokens: digests, as :func:`read_tokens` returns them; none lets in whoever is on this
            machine.
    """

    host: str
    port: int
    tokens: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.tokens and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host} can be reached from other machines: give --token-file, or "
                "listen on 127.0.0.1"
            )

    @property
    def hosts(self) -> frozenset[str]:
        """What a client on this machine calls the service."""
        names = ("127.0.0.1", "localhost", "[::1]", self.host)
        return frozenset(f"{name}:{self.port}" for name in names)

    def knows(self, authorization: str) -> bool:
        """Whether a header Authorization has one of the tokens; it takes as long either way."""
        scheme, _, token = authorization.partition(" ")
        digest = _digest(token.strip().encode("latin-1", "replace"))
        same = [hmac.compare_digest(digest, known) for known in self.tokens]
        return scheme.lower() == "bearer" and any(same)

    def refusal(self, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Status and sentence for a request that may not go on; None if it may.

        Args:
            path: without the query.
            headers: names in lower case.
        """
        if self.tokens:
            if path in OPEN_PATHS or self.knows(headers.get("authorization", "")):
                return None
            return 401, "This needs a header Authorization: Bearer TOKEN with a token of the file."
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self.hosts:
            return 403, "Without a token this service answers to its loopback address only."
        if origin is not None and origin != f"http://{host}":
            return 403, "Another page may not ask for this."
        site = headers.get("sec-fetch-site", "none")
        if site not in {"none", "same-origin"} and path != "/":
            return 403, "Another page may not ask for this."
        return None


def check_name(name: str, names: Iterable[str]) -> str:
    """A model's name as the command line gives it: letters, digits, ``.``, ``_`` and ``-``.

    Raises:
        UsageError: it is none, or there already.
    """
    plain = name.isascii() and name.replace(".", "").replace("_", "").replace("-", "").isalnum()
    if not plain or len(name) > 64:
        raise UsageError(f"--model {name!r}: name it with letters, digits, '.', '_' and '-'")
    if name in names:
        raise UsageError(f"--model {name}: there are two models of this name")
    return name
