"""Whether the source varies in the directions the target varies in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import NotEnoughImagesError

if TYPE_CHECKING:
    from scipy import linalg
else:
    linalg = deferred("scipy.linalg")

__all__ = ["Kinship", "kinship"]

Array = NDArray[np.float64]

# Directions compared: the leading ones, in which a few dozen images settle.
_MOST = 32
# Larger sets are thinned: the leading directions of two hundred images, a half, stand.
MOST_ROWS = 400
_LEAST_ROWS = 8
# The error of a standard deviation from 20 halves is a sixth of it.
_REPEATS = 20
# Both ends together leave out a tenth: each holds on its own with 95%.
_NORMAL_95 = 1.6448536269514722
# Kinship is a quotient. Where its denominator, what one half of the target explains of the other
# beyond chance, is below this share of what is explained or of what chance leaves unexplained, it
# is mostly noise: of uncorrelated images both shares vary by less than 0.1 with 60 images or more.
# On PACS the first is above 0.9.
_LEAST_OWN = 0.15
# Relative to the rows' length: the means of copies leave less by rounding, and it has directions.
_ROUNDING = 1e-9
# Relative to the largest: squares of lengths round at 1e-16.
_LEAST_SQUARE = 1e-12


@dataclass(frozen=True)
class Kinship:
    """How much of the target's variation the source's leading directions explain.

    Attributes:
        value: in [0, 1]: 0 for chance or less, 1 for the target's own images or more.
        low: lower end of a 90% interval, in [0, value].
        high: its upper end, in [value, 1]. 0 to 1 where nothing can be said.
    """

    value: float
    low: float
    high: float


_UNKNOWN = Kinship(0.0, 0.0, 1.0)


def kinship(
    source: NDArray[np.floating], target: NDArray[np.floating], *, random_state: int
) -> Kinship:
    """How much of the target's variation the source's leading directions explain.

    One half of the target is explained (share of its variance) by the leading directions of
    source images, of as many images of the other half, and of those source images with each column
    shuffled by itself, which keeps every variance and no correlation. The result is the first on
    the scale from the last, 0, to the second, 1, as a quotient of means over 20 random halves.
    Since source and target lend equally many images, few of them lower both alike. A shift of the
    mean does not matter.

    The halves are those of the delete-half jackknife (Shao & Tu 1995), whose spread over halves
    is the standard error on all images; the interval takes the quotient to first order.

    It tells that two sets show the same kind of thing, not that they do not: photographs and
    sketches of one thing may vary in different ways, too.

    Args:
        source: (m, d) finite, m >= 8; at most 400 rows, drawn at random, are used.
        target: (n, d) finite, n >= 8, most of them normal; at most 400 rows.
        random_state: of draws, halves and shuffles.

    Returns:
        The value with a 90% interval. Unknown, (0, 0, 1), where the source holds nothing but
        copies, or the target has no directions of its own that stand out from chance, as where it
        holds nothing but copies or has no more dimensions than there are directions to compare.
        Cost O((m + n)^2 d).

    Raises:
        NotEnoughImagesError: fewer than eight images on a side.
    """
    rng = np.random.default_rng(random_state)
    known, pool = (
        _thinned(rows, name, rng) for rows, name in ((source, "source"), (target, "target"))
    )
    if not _centred(known).any():
        return _UNKNOWN
    explained = np.array([_once(known, pool, rng) for _ in range(_REPEATS)])
    lent, chance, most = explained.mean(axis=0)
    if most - chance <= max(_LEAST_OWN * min(most, 1.0 - chance), _ROUNDING):
        return _UNKNOWN
    value = (lent - chance) / (most - chance)
    above, own = explained[:, 0] - explained[:, 1], explained[:, 2] - explained[:, 1]
    error = float((above - value * own).std(ddof=1) / (most - chance))
    low, value, high = np.clip(
        [value - _NORMAL_95 * error, value, value + _NORMAL_95 * error], 0.0, 1.0
    )
    return Kinship(float(value), float(low), float(high))


def _once(known: Array, pool: Array, rng: np.random.Generator) -> tuple[float, float, float]:
    """Shares of one half's variance: by the source, by a shuffled source, by the other half."""
    order = rng.permutation(len(pool))
    held_out, rest = pool[order[: len(pool) // 2]], order[len(pool) // 2 :]
    count = min(len(rest), max(len(known) // 2, _LEAST_ROWS // 2))
    lent = known[rng.choice(len(known), count, replace=False)]
    k = min(_MOST, count // 2)
    bases = (_centred(lent), _centred(rng.permuted(lent, axis=0)), _centred(pool[rest[:count]]))
    by_source, by_chance, by_own = (_explained(_centred(held_out), basis, k) for basis in bases)
    return by_source, by_chance, by_own


def _thinned(rows: NDArray[np.floating], name: str, rng: np.random.Generator) -> Array:
    values = np.asarray(rows, dtype=np.float64)
    if len(values) < _LEAST_ROWS:
        raise NotEnoughImagesError(
            f"comparing variations needs at least {_LEAST_ROWS} {name} images, got {len(values)}"
        )
    if len(values) > MOST_ROWS:
        values = values[rng.choice(len(values), MOST_ROWS, replace=False)]
    return values


def _centred(rows: Array) -> Array:
    """Deviations from the mean; none where they are rounding, as those of copies are."""
    apart = np.asarray(rows - rows.mean(axis=0), dtype=np.float64)
    spread, length = (float(np.linalg.norm(part)) for part in (apart, rows))
    return np.zeros_like(apart) if spread <= _ROUNDING * length else apart


def _explained(rows: Array, basis: Array, k: int) -> float:
    """Share of the variance of rows (n, d) inside the k leading directions of other rows (m, d).

    Fewer directions where those vary in fewer; 0 where nothing varies.
    """
    total, size = float(np.square(rows).sum()), float(np.abs(basis).max())
    if total <= 0 or size <= 0:
        return 0.0
    # The directions are scale-free; squares of tiny numbers are not.
    basis = basis / size
    n = len(basis)
    squares, vectors = linalg.eigh(
        basis @ basis.T, subset_by_index=[max(n - k, 0), n - 1], check_finite=False
    )
    kept = squares > _LEAST_SQUARE * squares[-1]
    inside = (rows @ basis.T) @ (vectors[:, kept] / np.sqrt(squares[kept]))
    return float(np.square(inside).sum()) / total
