"""The design of a set of marks as a JSON file, so that marking can go on another day."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twofold.errors import ImageError, UsageError
from twofold.files import write_whole
from twofold.images.reading import display_name, read_file
from twofold.marks.design import Design
from twofold.spreadsheet import printable

__all__ = ["DesignDocument", "DesignImage", "design_path"]

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(gt=0, lt=1)]
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DesignImage(BaseModel):
    """One image of the set.

    Attributes:
        path: its name as the user gave it, in printable form; its name in the file of marks.
        score: under the model.
        sha256: of its file's bytes.
        stratum: of the design.
    """

    model_config = _STRICT

    path: Annotated[str, Field(min_length=1)]
    score: float
    sha256: Digest
    stratum: Annotated[int, Field(ge=0)]


class DesignDocument(BaseModel):
    """Everything that a set of marks was drawn from.

    Attributes:
        schema_version: of this file.
        model: SHA-256 that identifies the model.
        threshold: an image is flagged if it scores above it.
        false_alarm_rate: that the threshold was asked for.
        random_state: of the draw.
        strata: names of the strata, from the lowest scores up.
        images: in the order of the scored folder.
        order: a permutation of their places: the order in which they are asked for.
    """

    model_config = _STRICT

    schema_version: Literal[1] = 1
    model: Digest
    threshold: float
    false_alarm_rate: Share
    random_state: Annotated[int, Field(ge=0)]
    strata: Annotated[list[str], Field(min_length=1, max_length=100)]
    images: Annotated[list[DesignImage], Field(min_length=1)]
    order: list[int]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        n = len(self.images)
        if sorted(self.order) != list(range(n)):
            raise ValueError(f"order is no permutation of the {n} images")
        if max(image.stratum for image in self.images) >= len(self.strata):
            raise ValueError("an image is in a stratum that has no name")
        if len({image.path for image in self.images}) < n:
            raise ValueError("two images have the same path")
        return self

    @classmethod
    def of(
        cls,
        design: Design,
        paths: list[str],
        scores: NDArray[np.floating],
        digests: list[str],
        *,
        model: str,
        threshold: float,
        false_alarm_rate: float,
        random_state: int,
    ) -> DesignDocument:
        """The document of a design of :func:`twofold.marks.draw_design`.

        Args:
            design: as drawn.
            paths: of the images, as the user gave them, (n,), each once.
            scores: of the images, (n,), finite.
            digests: SHA-256 of the files, (n,), 64 hexadecimal digits each.
            model: SHA-256 that identifies the model.
            threshold: that the design was drawn for.
            false_alarm_rate: that the threshold was asked for.
            random_state: that the design was drawn with.

        Raises:
            UsageError: what of these is impossible.
        """
        try:
            images = [
                DesignImage(
                    path=printable(path), score=float(score), sha256=digest, stratum=int(stratum)
                )
                for path, score, digest, stratum in zip(
                    paths, scores, digests, design.strata, strict=True
                )
            ]
            return cls(
                model=model,
                threshold=float(threshold),
                false_alarm_rate=float(false_alarm_rate),
                random_state=int(random_state),
                strata=list(design.names),
                images=images,
                order=design.order.tolist(),
            )
        except ValidationError as error:
            raise UsageError(f"the images cannot be marked: {_reason(error)}") from error

    @classmethod
    def read(cls, path: Path) -> DesignDocument:
        """A design from its file.

        Raises:
            UsageError: it cannot be read, is damaged or of another schema.
        """
        shown = display_name(str(path))
        try:
            return cls.model_validate_json(read_file(str(path)))
        except ImageError as error:
            raise UsageError(f"{shown}: {error}") from error
        except ValidationError as error:
            raise UsageError(f"{shown}: not a design of marks: {_reason(error)}") from error

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_whole(path, self.model_dump_json(indent=1).encode())

    @property
    def design(self) -> Design:
        """The design in arrays."""
        return Design(
            strata=np.array([image.stratum for image in self.images], dtype=np.int64),
            order=np.array(self.order, dtype=np.int64),
            names=tuple(self.strata),
        )

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores of the images, float64 (n,)."""
        return np.array([image.score for image in self.images], dtype=np.float64)


def design_path(marks: Path) -> Path:
    """Where the design of a file of marks lies: ``marks.design.json`` beside ``marks.csv``."""
    return marks.with_name(f"{marks.stem}.design.json")


def _reason(error: ValidationError) -> str:
    """The first of the faults, in one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
