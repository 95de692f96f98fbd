"""How far source and target differ as a whole: a classifier test and the MMD, both permuted.

Both p-values are of the hypothesis that source rows and target rows come from one distribution,
and both permute which row belongs to which domain, so they hold for unequal and for tiny samples.
The target's anomalies are part of it: a contaminated pool does differ from a clean source, and
enough images will show it. How much it differs, not the p-value, is therefore what to read first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.densities import leading_components
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.metrics import auroc

__all__ = ["Mmd", "TwoSample", "mmd_test", "two_sample_test"]

Array = NDArray[np.float64]

# Four a side can still be permuted in 70 ways, the fewest that allow a p-value below 0.05.
_LEAST = 4
# Larger samples are drawn from at random: 2000 a side give an AUROC to a hundredth, and the MMD's
# cost grows with the square.
_MOST_CLASSIFIED, _MOST_COMPARED = 2000, 500
_FOLDS = 5
# Whitened coordinates beyond 3 sd are cut off: one odd image must not decide a direction.
_CLIP = 3.0
# Sums in another order differ by rounding; such a permutation counts as a tie, and rows that differ
# by no more, relative to their length, as copies.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class TwoSample:
    """How well a linear classifier tells held-out images of the two domains apart.

    Attributes:
        accuracy: held-out balanced accuracy, in [0, 1]; 0.5 = not at all.
        auroc: held-out probability that a target image looks more like the target than a source
            image does, in [0, 1]; 0.5 = not at all. Chance can push both below 0.5.
        p_value: in [1 / (1 + permutations), 1].
    """

    accuracy: float
    auroc: float
    p_value: float


@dataclass(frozen=True)
class Mmd:
    """Distance of two distributions in a Gaussian kernel's feature space.

    Attributes:
        value: unbiased squared MMD, in [-2, 2]; about 0, at times below, where they are the same.
        p_value: in [1 / (1 + permutations), 1].
    """

    value: float
    p_value: float


def two_sample_test(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    permutations: int = 200,
    random_state: int,
) -> TwoSample:
    """Classifier two-sample test (Lopez-Paz & Oquab 2017) with a refitted permutation p-value.

    The classifier is Fisher's discriminant with the covariance of both domains together, which has
    the direction of the one with the covariance within: in whitened principal components it is the
    difference of the domains' means. Components are fitted to all rows, the held-out ones too,
    since they see no domain; only the means are cross-fitted. A rank-sum test on such scores would
    not be valid, for they share their training images; here every permutation of the rows goes
    through the cross-fitting again, and all of them are exchangeable under the hypothesis.

    It departs from the paper in that p-value and in the linear classifier, which is blind to a
    difference in spread alone; :func:`mmd_test` is not. A share e of anomalies in a target that
    is otherwise the source lifts the AUROC by at most e / 2, beyond chance. A shift confined to
    directions of little variance, outside the components, is missed.

    Args:
        source: (n, d) finite, n >= 4; at most 2000 rows, drawn at random, are used.
        target: (m, d) finite, m >= 4; as many rows at most.
        permutations: >= 1.
        random_state: seed of draw, folds and permutations.

    Returns:
        The figures. Cost O((n + m) d k) for k <= 32 components and O((n + m) k) per permutation.

    Raises:
        NotEnoughImagesError: fewer than four rows in a domain.
        ConfigError: fewer than one permutation.
    """
    rng = np.random.default_rng(random_state)
    sides = _sides(source, target, permutations, _MOST_CLASSIFIED, rng)
    n, m = len(sides[0]), len(sides[1])
    rows = _whitened(np.concatenate(sides), random_state)
    is_target = np.repeat([False, True], [n, m])
    fold = np.concatenate([rng.permutation(n), rng.permutation(m)]) % min(_FOLDS, n, m)
    order = np.lexsort((is_target, fold))
    rows, is_target, fold = rows[order], is_target[order], fold[order]
    scores = _cross_fitted(rows, is_target, fold)
    found = auroc(scores[~is_target], scores[is_target])
    reached = 0
    for _ in range(permutations):
        mixed = _cross_fitted(rng.permutation(rows), is_target, fold)
        reached += auroc(mixed[~is_target], mixed[is_target]) >= found - _ROUNDING
    right = (1.0 + np.sign(scores) * np.where(is_target, 1.0, -1.0)) / 2.0
    accuracy = (right[is_target].mean() + right[~is_target].mean()) / 2.0
    return TwoSample(float(accuracy), found, (1 + reached) / (1 + permutations))


def mmd_test(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    permutations: int = 200,
    random_state: int,
) -> Mmd:
    r"""Kernel two-sample test (Gretton et al. 2012, eq. 3) with a permutation p-value.

    .. math:: E\,k(s, s') + E\,k(t, t') - 2\,E\,k(s, t), \quad
              k(u, v) = \exp(-\|u - v\|^2 / 2 \sigma^2)

    with sigma^2 the median squared distance between distinct rows of both domains together (their
    section 8), or the mean where over half of all pairs are copies. The loss ``mmd_alignment``
    sums five kernels around the mean instead, so the two values are not comparable.

    Args:
        source: (n, d) finite, n >= 4; at most 500 rows, drawn at random, are used.
        target: (m, d) finite, m >= 4; as many rows at most.
        permutations: >= 1.
        random_state: seed of draw and permutations.

    Returns:
        The value and its p-value. Cost O((n + m)^2 (d + permutations)) time.

    Raises:
        NotEnoughImagesError: fewer than four rows in a domain.
        ConfigError: fewer than one permutation.
    """
    rng = np.random.default_rng(random_state)
    sides = _sides(source, target, permutations, _MOST_COMPARED, rng)
    n, m = len(sides[0]), len(sides[1])
    kernel = _median_kernel(np.concatenate(sides))
    # Column 0 is the truth, each other one a permutation; True marks the source.
    columns = np.empty((n + m, 1 + permutations))
    columns[:, 0] = np.arange(n + m) < n
    for column in range(1, 1 + permutations):
        columns[:, column] = rng.permutation(columns[:, 0])
    products = kernel @ columns
    within_first = np.einsum("ij,ij->j", columns, products)
    cross = products.sum(axis=0) - within_first
    within_second = kernel.sum() - within_first - 2.0 * cross
    values = within_first / (n * (n - 1)) + within_second / (m * (m - 1)) - 2.0 * cross / (n * m)
    reached = int((values[1:] >= values[0] - _ROUNDING).sum())
    return Mmd(float(values[0]), (1 + reached) / (1 + permutations))


def _sides(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    permutations: int,
    most: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Both domains as float64, thinned to at most ``most`` rows each."""
    if permutations < 1:
        raise ConfigError(f"permutations must be at least 1, not {permutations}")
    thinned = []
    for name, side in (("source", source), ("target", target)):
        if len(side) < _LEAST:
            raise NotEnoughImagesError(
                f"comparing the domains needs at least {_LEAST} {name} images, got {len(side)}"
            )
        rows = np.asarray(side, dtype=np.float64)
        if len(rows) > most:
            rows = rows[np.sort(rng.choice(len(rows), most, replace=False))]
        thinned.append(rows)
    return thinned[0], thinned[1]


def _whitened(rows: Array, random_state: int) -> Array:
    components = leading_components(rows, random_state=random_state)
    spread = components.std(axis=0)
    return np.clip(components / np.where(spread > 0, spread, 1.0), -_CLIP, _CLIP)


def _cross_fitted(rows: Array, is_target: NDArray[np.bool_], fold: NDArray[np.intp]) -> Array:
    """Discriminant score of each row, from the means of the other folds' rows; 0 is undecided.

    Args:
        rows: (n, k) whitened.
        is_target: (n,).
        fold: (n,) from 0, ascending, source before target within each; all of these present.
    """
    # No matrix product: a thread pool costs more than it gives in products this small.
    starts = np.flatnonzero(np.diff(2 * fold + is_target, prepend=-1))
    sums = np.add.reduceat(rows, starts, axis=0).reshape(-1, 2, rows.shape[1])
    counts = np.diff(starts, append=len(rows)).reshape(-1, 2, 1)
    means = (sums.sum(axis=0) - sums) / (counts.sum(axis=0) - counts)
    direction, middle = means[:, 1] - means[:, 0], means.mean(axis=1)
    scores = np.einsum("ij,ij->i", rows - middle[fold], direction[fold])
    return np.asarray(scores, dtype=np.float64)


def _median_kernel(rows: Array) -> Array:
    """Gaussian kernel at the median distance, with a zero diagonal."""
    centred = rows - rows.mean(axis=0)
    lengths = np.einsum("ij,ij->i", centred, centred)
    # The product form is much the faster; centred in float64, its rounding is harmless here.
    sums = lengths[:, None] + lengths
    squared = sums - 2.0 * (centred @ centred.T)
    # Exactly 0 between copies: a median of rounding would be the bandwidth.
    squared[squared <= _ROUNDING * sums] = 0.0
    pairs = squared[np.triu_indices(len(rows), 1)]
    scale = float(np.median(pairs)) or float(pairs.mean()) or 1.0
    kernel = np.exp(-squared / (2.0 * scale))
    np.fill_diagonal(kernel, 0.0)
    return np.asarray(kernel, dtype=np.float64)
