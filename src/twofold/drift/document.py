"""What a monitor knows, as JSON: for a stream that goes on in another process."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twofold.errors import ConfigError

__all__ = [
    "BetsDocument",
    "MonitorDocument",
    "RankedBetsDocument",
    "numbers_digest",
    "read_document",
    "rows",
]

# Of a file: 5,000 images of a few numbers each take one or two megabytes.
_MOST_BYTES: Final = 64 * 2**20

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
_Count = Annotated[int, Field(ge=0, lt=2**53)]
# An image changes a wealth by a factor of some thousands at most.
_Log = Annotated[float, Field(ge=-1e12, le=1e12)]


class BetsDocument(BaseModel):
    """How the bets of a test go: see :class:`twofold.drift.wealth.Wealth` for ``log_bets``.

    ``most`` is the largest logarithm of the wealth so far, ``course`` that after each recent image,
    ``warned_at`` the images that had been seen at the warning.
    """

    model_config = _STRICT

    log_bets: tuple[tuple[_Log, ...], ...]
    most: _Log
    warned_at: _Count | None
    course: tuple[_Log, ...]


class RankedBetsDocument(BetsDocument):
    """With the counts of :class:`twofold.drift.ranks.Ranks`."""

    counts: tuple[_Count, ...]


class MonitorDocument(BaseModel):
    """A monitor after some images; ``reference`` is the SHA-256 of what it compares with."""

    model_config = _STRICT

    format: Literal["twofold drift 2"]
    reference: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    false_warnings: Annotated[float, Field(gt=0, lt=1)]
    allowed: Annotated[float, Field(ge=0, lt=1)]
    seen: Annotated[int, Field(ge=1, lt=2**53)]
    recent: tuple[tuple[float, ...], ...]
    anomalies: RankedBetsDocument
    domain: BetsDocument

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Raise ValueError where the parts cannot be of one monitor."""
        n = len(self.recent)
        if not 1 <= n <= self.seen or len({len(row) for row in self.recent}) != 1:
            raise ValueError("the recent images are not those of one stream")
        for test in (self.anomalies, self.domain):
            if len(test.course) != n or (test.warned_at or 0) > self.seen:
                raise ValueError("the tests have seen other images")
        return self

    @classmethod
    def parsed(cls, text: bytes, name: str) -> Self:
        """Inverse of :meth:`text`.

        Args:
            text: of a file, say; anything at all.
            name: to call it in an error.

        Raises:
            ConfigError: it is no such document.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            reason = f"{where}: {first['msg']}" if where else first["msg"]
            raise ConfigError(f"{name}: not what drift keeps of a stream ({reason})") from error

    def text(self) -> bytes:
        """As JSON, to the last bit of each number."""
        return self.model_dump_json().encode()


def read_document(path: Path, name: str) -> bytes | None:
    """What a file keeps of a stream; None where there is no file.

    Args:
        path: of the file.
        name: to call it in an error.

    Raises:
        ConfigError: it is too large for that.
        OSError: it cannot be read.
    """
    if not path.exists():
        return None
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{name}: too large for what drift keeps")
    return content


def numbers_digest(reference: NDArray[np.float64]) -> str:
    """SHA-256 of the numbers of a fit, so that no stream goes on against those of another."""
    shape = ",".join(map(str, reference.shape)).encode()
    values = np.ascontiguousarray(reference, dtype="<f8")
    return hashlib.sha256(shape + b"\n" + values.tobytes()).hexdigest()


def rows(array: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """A matrix as a document holds it."""
    return tuple(map(tuple, array.tolist()))
