"""Bets against "as many images lie inside as at the fit": the wealth bounds false warnings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Wealth", "alternatives", "kept_for_later"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Shares of images outside that are betted on, from the most that the fit allows to all of them, on
# a logarithmic scale: the nearest is never off by more than a sixth of it.
_ALTERNATIVES = 4
# Images that are taken into account together; an (images, regions, alternatives) array of float64.
_AT_A_TIME = 256


def alternatives(least: Array) -> Array:
    """Shares of images inside that are betted on, float64 (r, a), each below the least share.

    Args:
        least: float64 (r,), in (0, 1).
    """
    powers = np.arange(_ALTERNATIVES, 0, -1) / (_ALTERNATIVES + 1)
    return np.asarray(1.0 - (1.0 - least[:, None]) ** powers)


def kept_for_later(seen: NDArray[np.integer]) -> Array:
    """What of the first wealth is not betted yet after so many images, float64 as ``seen``.

    A change may come at any time, so that bets start with every image. 1 / (1 + log(1 + t)) falls
    so slowly that a change after ten thousand images is noticed nearly as soon as one after a
    hundred.

    Args:
        seen: int, images so far, >= 0.
    """
    return np.asarray(1.0 / (1.0 + np.log1p(seen)))


@dataclass(frozen=True, eq=False)
class Wealth:
    """A test martingale for regions that images must not leave (Ville 1939).

    Whoever bets on each image by the likelihood ratio of a smaller share inside against the least
    one multiplies the wealth by 1 in expectation, or less, as long as the share is no smaller. The
    weighted mean over regions, alternatives and starts is such a wealth as well. So the probability
    that it ever reaches 1 / alpha is at most alpha, however often one looks (Ville's inequality;
    Shafer 2021, Ramdas et al. 2023).

    Attributes:
        log_bets: float64 (r, a), logarithm of what the bets that have started are worth.
        seen: images so far.
    """

    log_bets: Array
    seen: int = 0

    @classmethod
    def at_start(cls, n_regions: int) -> Wealth:
        """Before the first image."""
        return cls(np.full((n_regions, _ALTERNATIVES), -np.inf))

    def after(self, inside: Mask, least: Array, parts: Array) -> tuple[Wealth, Array]:
        """The wealth after more images, and its logarithm after each of them.

        Args:
            inside: bool (t, r), t >= 0.
            least: float64 (r,), share of images inside.
            parts: float64 (r,), of the first wealth that is betted on each region; they add to 1.

        Returns:
            The new wealth; float64 (t,). Cost O(t r).
        """
        wealth, logs = self, [np.empty(0)]
        for start in range(0, len(inside), _AT_A_TIME):
            wealth, found = wealth._after(inside[start : start + _AT_A_TIME], least, parts)
            logs.append(found)
        return wealth, np.concatenate(logs)

    def _after(self, inside: Mask, least: Array, parts: Array) -> tuple[Wealth, Array]:
        share, at_least = alternatives(least), least[:, None]
        gains = np.where(
            inside[:, :, None],
            np.log(share / at_least),
            np.log((1.0 - share) / (1.0 - at_least)),
        )
        total = np.cumsum(gains, axis=0)
        kept = kept_for_later(np.arange(self.seen, self.seen + len(inside) + 1))
        # A bet that starts with image t has what all bets gain from image t on.
        started = np.log(-np.diff(kept))[:, None, None] - (total - gains)
        bets = total + np.logaddexp(self.log_bets, np.logaddexp.accumulate(started, axis=0))
        each = bets + np.log(parts / _ALTERNATIVES)[:, None]
        mean = np.logaddexp.reduce(each.reshape(len(inside), -1), axis=1)
        return Wealth(bets[-1], self.seen + len(inside)), np.logaddexp(mean, np.log(kept[1:]))

    def by_region(self) -> Array:
        """Logarithm of what the bets on each region are worth, float64 (r,)."""
        found: Array = np.logaddexp.reduce(self.log_bets, axis=1)
        return np.asarray(found - np.log(self.log_bets.shape[1]))
