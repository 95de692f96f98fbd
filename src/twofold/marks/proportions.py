"""Exact intervals of one share, and how many marks prove that a share is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twofold.deferred import deferred
from twofold.errors import UsageError
from twofold.thresholds import check_rate

if TYPE_CHECKING:
    from scipy import special, stats
else:
    special = deferred("scipy.special")
    stats = deferred("scipy.stats")

__all__ = ["clopper_pearson", "finite_interval", "marks_needed"]

# Of a rate near the least float no number of marks is enough; beyond this nobody marks.
_MOST_MARKS = 2**40


def clopper_pearson(found: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a share from independent draws (Clopper & Pearson 1934).

    Args:
        found: draws that have the property.
        n: draws.
        level: at least this share of such intervals holds the true share.

    Returns:
        Lower and upper end, in [0, 1]; (0, 1) without a draw.

    Raises:
        UsageError: more found than drawn, or fewer than none.
        ConfigError: the level is not strictly between 0 and 1.
    """
    _check(found, n, level)
    side = (1 - level) / 2
    low = 0.0 if found == 0 else float(special.betaincinv(found, n - found + 1, side))
    high = 1.0 if found == n else float(special.betaincinv(found + 1, n - found, 1 - side))
    return low, high


def finite_interval(found: int, n: int, size: int, *, level: float = 0.95) -> tuple[int, int]:
    """Exact interval of how many of a finite set have a property, from draws without replacement.

    Those numbers that neither of two hypergeometric tests refuses, each at half of the error
    (Buonaccorsi 1987). Narrower than :func:`clopper_pearson` by what is already known.

    Args:
        found: drawn images that have the property.
        n: images drawn.
        size: images in the set.
        level: at least this share of such intervals holds the true number.

    Returns:
        Least and largest number, both within what the draws leave possible.

    Raises:
        UsageError: more found than drawn, more drawn than there are, or fewer than none.
        ConfigError: the level is not strictly between 0 and 1.
    """
    _check(found, n, level)
    if n > size:
        raise UsageError(f"{n} images cannot be drawn from {size}")
    side = (1 - level) / 2
    possible = np.arange(found, size - (n - found) + 1)
    kept = (stats.hypergeom.sf(found - 1, size, possible, n) > side) & (
        stats.hypergeom.cdf(found, size, possible, n) > side
    )
    return int(possible[kept][0]), int(possible[kept][-1])


def marks_needed(max_rate: float, confidence: float = 0.95, *, misses: int = 0) -> int:
    """Fewest marks that prove a rate of at most ``max_rate``, of which ``misses`` may be misses.

    So many independent draws that, were the rate ``max_rate``, no more than ``misses`` misses
    would be seen with probability 1 - ``confidence`` at most: without a miss the least n with
    (1 - ``max_rate``)^n <= 1 - ``confidence``. For 2% missed with 95%, these are 149 marked
    anomalies; with one miss 236.

    Args:
        max_rate: the rate to prove, in (0, 1).
        confidence: in (0, 1).
        misses: allowed, 0 or more.

    Raises:
        ConfigError: a rate or confidence that is not strictly between 0 and 1.
        UsageError: a negative number of misses, or no number of marks that can be made is enough.
    """
    check_rate(max_rate, "max_rate")
    check_rate(confidence, "confidence")
    if misses < 0:
        raise UsageError(f"misses must be 0 or more, not {misses}")

    def proves(n: int) -> bool:
        # Rounding must not ask for one mark more, as where 0.5^2 is to be at most 1 - 0.75.
        return bool(stats.binom.cdf(misses, n, max_rate) <= (1 - confidence) * (1 + 1e-9))

    high = misses + 1
    while not proves(high):
        high *= 2
        if high > _MOST_MARKS:
            raise UsageError(f"no number of marks proves a rate of at most {max_rate:g}")
    low = misses
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high


def _check(found: int, n: int, level: float) -> None:
    check_rate(level, "level")
    if not 0 <= found <= n:
        raise UsageError(f"{found} of {n} drawn images is not possible")
