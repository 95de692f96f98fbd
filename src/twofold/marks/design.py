"""Which images of a scored folder to ask about, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.marks._checks import checked_scores

__all__ = ["STRATA", "Design", "draw_design"]

STRATA = (
    "far below the threshold",
    "below the threshold",
    "just below the threshold",
    "above the threshold",
)
"""Names of the strata of :func:`draw_design`, from the lowest scores up."""


@dataclass(frozen=True, eq=False)
class Design:
    """Stratified sampling design of one set of scored images.

    Attributes:
        strata: int64 (n,), the stratum of each image, 0 = lowest scores.
        order: int64 (n,), a permutation: the images in the order in which they are asked for.
        names: of the strata, in words.
    """

    strata: NDArray[np.int64]
    order: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of images in each stratum, int64."""
        return np.bincount(self.strata, minlength=len(self.names)).astype(np.int64)


def draw_design(scores: NDArray[np.floating], threshold: float, random_state: int) -> Design:
    """Draw the order in which a person is asked about the images.

    The images above the threshold are one stratum: of them the precision and the false alarms are
    found. Those below it, among which the missed anomalies hide, are cut into three by their rank
    from the top, in equal steps of its square root; each of the four strata gets as many marks. So
    the marks lie the thinner the lower the scores, and never so thin that many misses could hide
    unseen. The reason for the steps: were the share of anomalies to fall as 1 / rank, its spread
    sqrt(share) would add up to as much in each stratum, which with equal numbers of marks gives the
    least variance of the number of misses (Neyman 1934; Dalenius & Hodges 1959). Only the width of
    the intervals rests on that, not that they hold. Ranks instead of scores: the design is the same
    on any scale of the scores. Other numbers of strata and proportions are compared in
    docs/marks.md.

    Args:
        scores: float (n,), larger is more anomalous; not NaN.
        threshold: images that score above it are flagged; not NaN.
        random_state: of the permutations within the strata, 0 or more.

    Returns:
        A design of which every prefix, given how many images it has of each stratum, is a simple
        random sample of it without replacement. Strata may be empty; once all images of one have
        been asked for, the others go on in their proportions.

    Raises:
        UsageError: no image, a score or the threshold is NaN, or scores are not one-dimensional.
    """
    values = checked_scores(scores, threshold)
    strata = _strata(values, threshold)
    shuffled = np.random.default_rng(random_state).permutation(len(values))
    return Design(strata, _interleaved(shuffled, strata), STRATA)


def _strata(scores: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """Stratum of each image; equal scores are never parted."""
    n, above = len(scores), int((scores > threshold).sum())
    # From the top, 1 = highest; equal scores share the best of their ranks.
    rank = 1 + n - np.searchsorted(np.sort(scores), scores, side="right")
    roots = np.linspace(np.sqrt(above), np.sqrt(n), len(STRATA))
    # A rank at a border, but for rounding, is of the upper stratum.
    below = np.searchsorted(roots[1:-1] ** 2 + 1e-9, rank, side="left")
    return np.where(scores > threshold, len(STRATA) - 1, len(STRATA) - 2 - below)


def _interleaved(images: NDArray[np.int64], strata: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge the images of the strata, each in its given order, one of each in turn.

    From the top stratum down, so that the first mark may well be an anomaly.
    """
    turn = np.zeros(len(images), dtype=np.int64)
    of = strata[images]
    for stratum in np.unique(of):
        rows = np.flatnonzero(of == stratum)
        turn[rows] = np.arange(len(rows))
    return images[np.lexsort((-of, turn))]
