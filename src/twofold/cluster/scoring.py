"""Scores of a fitted detector as the work of many processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twofold.bundle import model_digest
from twofold.cluster.work import Looked
from twofold.deferred import deferred
from twofold.errors import BundleError
from twofold.files import file_sha256
from twofold.images import ImageSet

if TYPE_CHECKING:
    from twofold import detector as detectors
else:
    detectors = deferred("twofold.detector")

__all__ = ["ScoreJob"]

_TYPES: Final = {
    "image": "string",
    "score": "double",
    "percentile": "double",
    "p_value": "double",
    "anomalous": "int8",
    "problem": "string",
}


@dataclass(frozen=True)
class ScoreJob:
    """Score images with a saved detector, as :meth:`twofold.Detector.score` does.

    Attributes:
        model: its folder, under a name that all processes find.
        model_sha256: of the model; see :meth:`of`.
        weights: a local file with the encoder's weights, where the model has none.
        mask: picture or folder of pictures of what to look at, instead of the model's.
        mask_sha256: of that; None without.
        false_alarm_rate: decide at this rate instead of the model's.
        strict: fail on the first image that cannot be used.
    """

    model: str
    model_sha256: str
    weights: str | None = None
    mask: str | None = None
    mask_sha256: str | None = None
    false_alarm_rate: float | None = None
    strict: bool = False
    kind: str = "scores"

    @classmethod
    def of(
        cls,
        model: str,
        *,
        weights: str | None = None,
        mask: str | None = None,
        false_alarm_rate: float | None = None,
        strict: bool = False,
    ) -> ScoreJob:
        """A job with the model as it is now.

        Raises:
            BundleError: there is no such model.
            OSError: the mask cannot be read.
        """
        digest = None if mask is None else _digest_of(Path(mask))
        return cls(model, model_digest(model), weights, mask, digest, false_alarm_rate, strict)

    def identity(self) -> Mapping[str, Any]:
        """The model's content, the rate and the mask."""
        return {
            "model": self.model_sha256,
            "mask": self.mask_sha256,
            "false_alarm_rate": self.false_alarm_rate,
        }

    def columns(self) -> Mapping[str, str]:
        """Those of :data:`twofold.detector.scores.ROW_FIELDS`, and where the row comes from."""
        return {**_TYPES, "row": "int64", "shard": "int32"}

    def open(self) -> Callable[[ImageSet], Looked]:
        """Load the detector and make it ready.

        Raises:
            TwofoldError: the model cannot be used, or is another than that of the plan.
        """
        if model_digest(self.model) != self.model_sha256:
            raise BundleError(f"{self.model}: has been replaced since this work was begun")
        detector = detectors.Detector.load(self.model, weights=self.weights)
        detector.strict, detector.cached = self.strict, False
        if self.mask is not None:
            detector.set_mask(self.mask)
        detector.warm_up()

        def look(images: ImageSet) -> Looked:
            found = detector.score(images, false_alarm_rate=self.false_alarm_rate)
            return Looked(found.to_arrow(), int((found.anomalous == 1).sum()), found.notes)

        return look


def _digest_of(path: Path) -> str:
    """Of a picture, or of the pictures in a folder."""
    if not path.is_dir():
        return file_sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{file.relative_to(path)} {file_sha256(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
