"""The smallest flaw that a detector sees, by flaws painted on presumed normals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import UsageError

if TYPE_CHECKING:
    from scipy import special
else:
    special = deferred("scipy.special")

__all__ = ["VisibleFlaws", "visible_flaws"]

Array = NDArray[np.float64]

# Of the interval, two-sided.
_LEVEL = 0.95
_SURE = 0.9
_RARE = 0.5


@dataclass(frozen=True)
class VisibleFlaws:
    """How many made-up flaws of each size would be called anomalous at the stated rate.

    Painted flaws are not real ones: spots, scratches, parts missing, patches from elsewhere, in
    random places and of random contrast. They say what size is worth looking for with this camera
    and this encoder, not how many real anomalies are found.

    Attributes:
        false_alarm_rate: of the threshold they were judged by.
        n_images: presumed normals that flaws of each size were painted on, one a size.
        shares: of an image's area, ascending.
        sides: of a square as large, in pixels of a median image.
        flagged: share of the flaws called anomalous.
        low: lower end of the 95% interval (Clopper & Pearson 1934).
        high: upper end.
    """

    false_alarm_rate: float
    n_images: int
    shares: tuple[float, ...]
    sides: tuple[float, ...]
    flagged: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def sentence(self) -> str:
        """What it says, in one sentence."""
        sure = _first_sure(self.flagged)
        if sure is None:
            best = int(np.argmax(self.flagged))
            return f"made-up flaws of no size are flagged in 9 of 10 cases; {self._cases(best)}"
        text = (
            f"made-up flaws of {_square(self.sides[sure])} and more are flagged in 9 of 10 cases "
            "or more"
        )
        rare = [place for place in range(sure) if self.flagged[place] < _RARE]
        return f"{text}; {self._cases(rare[-1])}" if rare else text

    def _cases(self, place: int) -> str:
        """Of how many flaws of one size."""
        found = round(self.flagged[place] * self.n_images)
        return f"those of {_square(self.sides[place])} in {found} of {self.n_images}"


def visible_flaws(
    scores: Array, threshold: float, *, shares: Array, sides: Array, false_alarm_rate: float
) -> VisibleFlaws:
    """Count what lies above a threshold.

    Args:
        scores: float64 (s, h), one flaw of each of s sizes on each of h images, by a model that has
            not seen these images.
        threshold: of the same model.
        shares: float64 (s,), of an image's area, ascending.
        sides: float64 (s,), in pixels.
        false_alarm_rate: of the threshold.

    Raises:
        UsageError: no flaws, or shapes that do not belong together.
    """
    if scores.ndim != 2 or not scores.size or not len(scores) == len(shares) == len(sides):
        raise UsageError(f"scores {scores.shape} for {len(shares)} and {len(sides)} sizes")
    n = scores.shape[1]
    found = (scores > threshold).sum(axis=1)
    tail = (1.0 - _LEVEL) / 2.0
    low = np.where(found > 0, special.betaincinv(np.maximum(found, 1), n - found + 1, tail), 0.0)
    high = np.where(
        found < n, special.betaincinv(found + 1, np.maximum(n - found, 1), 1.0 - tail), 1.0
    )
    return VisibleFlaws(
        false_alarm_rate=false_alarm_rate,
        n_images=n,
        shares=_floats(shares),
        sides=_floats(sides),
        flagged=_floats(found / n),
        low=_floats(low),
        high=_floats(high),
    )


def _first_sure(flagged: tuple[float, ...]) -> int | None:
    """The first size from which on all are flagged in nine of ten cases."""
    sure = [share >= _SURE for share in flagged]
    return next((place for place in range(len(sure)) if all(sure[place:])), None)


def _floats(values: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _square(side: float) -> str:
    return f"{max(1, round(side))} x {max(1, round(side))} px"
