"""How differently two detectors rank the same images, and which images stand at the ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import ConfigError, NotEnoughImagesError

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = deferred("scipy.stats")

__all__ = ["RankAgreement", "extremes", "rank_agreement"]

# The share of a pool that someone might look through first.
_TOP = 0.1


@dataclass(frozen=True)
class RankAgreement:
    """Agreement of two rankings; 1 in the first three is none.

    Attributes:
        kendall: tau-b, in [-1, 1]: pairs in the same order less pairs in opposite order. 0 where
            either detector gives all images the same score.
        spearman: correlation of the ranks, in [-1, 1]; 0 where either
            gives all images the same score.
        top_overlap: share of one detector's highest 10% that is in the other's, in [0, 1].
        chance_overlap: what unrelated rankings reach on average, in (0, 1].
    """

    kendall: float
    spearman: float
    top_overlap: float
    chance_overlap: float


def rank_agreement(scores_a: NDArray[np.floating], scores_b: NDArray[np.floating]) -> RankAgreement:
    """Compare two detectors' scores of one pool by rank, so their scales do not matter.

    Args:
        scores_a: (n,), larger = more anomalous. Images with NaN in either are left out.
        scores_b: (n,) of the same images in the same order.

    Returns:
        Kendall's tau-b (Kendall 1945), Spearman's rho and the overlap of the top tenths, rounded up
        to whole images; of equal scores the earlier image ranks higher. Cost O(n log n).

    Raises:
        ConfigError: the two have different lengths.
        NotEnoughImagesError: fewer than two images with both scores.
    """
    first = np.asarray(scores_a, dtype=np.float64)
    second = np.asarray(scores_b, dtype=np.float64)
    if first.shape != second.shape:
        raise ConfigError(f"two rankings of one pool: got {len(first)} and {len(second)} scores")
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    n = len(first)
    if n < 2:
        raise NotEnoughImagesError(f"comparing two rankings needs at least 2 images, got {n}")
    # 0.1 * 30 is a little more than 3 in binary.
    top = math.ceil(_TOP * n - 1e-9)
    tau, rho = 0.0, 0.0
    if (first != first[0]).any() and (second != second[0]).any():
        tau = float(stats.kendalltau(first, second).statistic)
        rho = float(stats.spearmanr(first, second).statistic)
    shared = np.intersect1d(_descending(first)[:top], _descending(second)[:top])
    return RankAgreement(tau, rho, len(shared) / top, top / n)


def extremes(
    scores: NDArray[np.floating], names: Sequence[str], k: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the k images most like the presumed normals, and of the k least like them.

    Args:
        scores: (n,), larger = more anomalous; images with NaN are left out.
        names: (n,).
        k: >= 1; all images where there are fewer, which are then in both.

    Returns:
        ``(most_like, least_like)``, each with its most extreme image first; equal scores keep the
        order given. Cost O(n log n).

    Raises:
        ConfigError: k < 1, or a name missing or left over.
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1, not {k}")
    if len(scores) != len(names):
        raise ConfigError(f"one name for each score: got {len(names)} for {len(scores)}")
    values = np.asarray(scores, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    lowest = known[np.argsort(values[known], kind="stable")[:k]]
    highest = known[_descending(values[known])[:k]]
    return tuple(names[i] for i in lowest), tuple(names[i] for i in highest)


def _descending(values: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.argsort(-values, kind="stable")
