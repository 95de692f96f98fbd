"""Whether the source varies in the directions the target varies in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svd

from twofold.errors import NotEnoughImagesError

__all__ = ["kinship"]

Array = NDArray[np.float64]

# Directions compared: the leading ones, in which a few dozen images settle.
_MOST = 32
# Larger sets are thinned: the leading directions of a thousand images stand.
_MOST_ROWS = 1000
_LEAST_ROWS = 8
# Where a half explains less than this beyond chance, be it of what it explains or of what chance
# leaves to explain, the quotient is one of noise: without any correlation both vary by less than
# 0.1 with 60 images or more. On PACS the former is above 0.9.
_LEAST_OWN = 0.15
# Relative to the rows' length: the means of copies leave less by rounding, and it has directions.
_ROUNDING = 1e-9


def kinship(
    source: NDArray[np.floating], target: NDArray[np.floating], *, random_state: int
) -> float:
    """How much of the target's variation the source's leading directions explain.

    One half of the target is explained (share of its variance) by the leading directions of the
    source, of the other half, and of a source whose columns were shuffled each by itself, which
    keeps every variance and no correlation. The result is the first on the scale from the last, 0,
    to the second, 1, cut off at both: few images leave all three uncertain. A shift of the mean
    does not matter.

    It tells that two sets show the same kind of thing, not that they do not: photographs and
    sketches of one thing may vary in different ways, too. Between PACS's photographs and its other
    domains it is 0.4 to 0.9 (art paintings), 0.1 to 0.9 (cartoons) and 0.05 to 0.2 (sketches) for
    one class, and for different classes 0.1 to 0.6, 0.1 to 0.3 and 0.03 to 0.1.

    Args:
        source: (m, d) finite, m >= 8.
        target: (n, d) finite, n >= 8, presumed normals.
        random_state: of halves and shuffles.

    Returns:
        In [0, 1]: 0 for chance or less, 1 for the target's own half or more. 0 where the target
        has no directions of its own that stand out from chance, as where it holds nothing but
        copies or has no more dimensions than there are directions to compare.

    Raises:
        NotEnoughImagesError: fewer than eight images on a side.
    """
    rng = np.random.default_rng(random_state)
    near, far = (
        _thinned(rows, name, rng) for rows, name in ((source, "source"), (target, "target"))
    )
    halves = np.array_split(rng.permutation(len(far)), 2)
    held_out, own = (_centred(far[rows]) for rows in halves)
    k = min(_MOST, len(near) // 2, len(own) // 2)
    shuffled = rng.permuted(near, axis=0)
    lent, chance, most = (
        _explained(held_out, rows, k) for rows in (_centred(near), _centred(shuffled), own)
    )
    if most - chance <= max(_LEAST_OWN * min(most, 1.0 - chance), _ROUNDING):
        return 0.0
    return float(np.clip((lent - chance) / (most - chance), 0.0, 1.0))


def _thinned(rows: NDArray[np.floating], name: str, rng: np.random.Generator) -> Array:
    values = np.asarray(rows, dtype=np.float64)
    if len(values) < _LEAST_ROWS:
        raise NotEnoughImagesError(
            f"comparing variations needs at least {_LEAST_ROWS} {name} images, got {len(values)}"
        )
    if len(values) > _MOST_ROWS:
        values = values[rng.choice(len(values), _MOST_ROWS, replace=False)]
    return values


def _centred(rows: Array) -> Array:
    """Deviations from the mean; none where they are rounding, as those of copies are."""
    apart = np.asarray(rows - rows.mean(axis=0), dtype=np.float64)
    spread, length = (float(np.linalg.norm(part)) for part in (apart, rows))
    return np.zeros_like(apart) if spread <= _ROUNDING * length else apart


def _explained(rows: Array, basis: Array, k: int) -> float:
    """Share of the variance of rows (n, d) inside the k leading directions of other rows.

    Fewer directions where those vary in fewer; 0 where nothing varies.
    """
    total = float(np.square(rows).sum())
    if total <= 0:
        return 0.0
    _, lengths, directions = svd(basis, full_matrices=False, check_finite=False)
    k = min(k, int((lengths > _ROUNDING * lengths[0]).sum()))
    return float(np.square(rows @ directions[:k].T).sum()) / total
