"""Which images of a scored folder to ask about, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.marks._checks import checked_scores

__all__ = ["STRATA", "Design", "draw_design"]

STRATA = ("far below the threshold", "near below the threshold", "near above", "top scores")
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

    Args:
        scores: float (n,), larger is more anomalous; not NaN.
        threshold: images that score above it are flagged; not NaN.
        random_state: of the permutations within the strata.

    Returns:
        A design whose every prefix is a simple random sample within each stratum.

    Raises:
        UsageError: no image, a score or the threshold is NaN, or scores are not one-dimensional.
    """
    values = checked_scores(scores, threshold)
    strata = _strata(values, threshold)
    generator = np.random.default_rng(random_state)
    shuffled = generator.permutation(len(values))
    order = _interleaved(shuffled, strata[shuffled], np.ones(len(STRATA)))
    return Design(strata, order, STRATA)


def _strata(scores: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """Stratum of each image: each side of the threshold is cut once, by rank."""
    n, above = len(scores), int((scores > threshold).sum())
    strata = np.where(scores > threshold, 2, 0).astype(np.int64)
    # Rank from the top, 1 = highest; tied images share the best of their ranks.
    ordered = np.sort(scores)
    rank = 1 + n - np.searchsorted(ordered, scores, side="right")
    middle = (np.sqrt(above) + np.sqrt(n)) / 2
    strata[(strata == 2) & (np.sqrt(rank) <= np.sqrt(above) / 2)] = 3
    strata[(strata == 0) & (np.sqrt(rank) <= middle)] = 1
    return strata


def _interleaved(
    images: NDArray[np.int64], strata: NDArray[np.int64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Merge the images of the strata, each in its given order, in fixed proportions."""
    place = np.zeros(len(images))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        place[rows] = (np.arange(len(rows)) + 0.5) / shares[stratum]
    return images[np.argsort(place, kind="stable")]
