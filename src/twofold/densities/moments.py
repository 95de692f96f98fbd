"""Moments of sets of rows, of which those of a union, or of what is left, follow without the rows.

A set is counted in parts, in any order and on any machine, and the parts are merged: what has to be
kept does not grow with the number of rows. The update of mean and covariance is that of Chan, Golub
& LeVeque (1979, "Updating formulae and a pairwise algorithm for computing sample variances"); third
and fourth moments of the rows' lengths follow the same way (Pebay 2008). Sums of squares around
zero would be simpler, and lose the digits of rows that lie far from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments", "merged"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """What a set of rows contributes to a fit. All sums are around the set's own mean.

    With z a row less the mean. Leading axes, such as one of places, are several sets of equally
    many rows.

    Attributes:
        n: rows.
        mean: float64 (..., d); 0 of an empty set.
        second: float64 (..., d, d), sum of z z'.
        third: float64 (..., d), sum of |z|^2 z.
        fourth: float64 (...,), sum of |z|^4.
    """

    n: int
    mean: Array
    second: Array
    third: Array
    fourth: Array

    @classmethod
    def of(cls, rows: Array) -> Moments:
        """Of rows (n, d); O(n d^2) time, a copy of the rows in memory."""
        n, d = rows.shape
        if not n:
            return cls(0, np.zeros(d), np.zeros((d, d)), np.zeros(d), np.zeros(()))
        mean = rows.mean(axis=0)
        z = rows - mean
        q = np.einsum("nd,nd->n", z, z)
        return cls(n, mean, z.T @ z, q @ z, np.asarray(np.square(q).sum()))

    @property
    def squares(self) -> Array:
        """Sum of |z|^2, float64 (...,)."""
        return np.asarray(np.einsum("...ii->...", self.second))

    def at(self, sets: slice) -> Moments:
        """Those of some of several sets; the arrays are parts of these."""
        return Moments(
            self.n, self.mean[sets], self.second[sets], self.third[sets], self.fourth[sets]
        )

    def around(self, point: Array) -> tuple[Array, Array, Array]:
        """Second, third and fourth sums around another point, (..., d), instead of the mean."""
        step = self.mean - point
        square = np.square(step).sum(axis=-1)
        along = np.matmul(self.second, step[..., None])[..., 0]
        squares = self.squares
        second = self.second + self.n * step[..., :, None] * step[..., None, :]
        third = self.third + 2.0 * along + (squares + self.n * square)[..., None] * step
        fourth = (
            self.fourth
            + 4.0 * ((along + self.third) * step).sum(axis=-1)
            + 2.0 * squares * square
            + self.n * np.square(square)
        )
        return second, third, np.asarray(fourth)

    def merged(self, other: Moments) -> Moments:
        """Of both sets together, of which no row is in both."""
        if not self.n or not other.n:
            return self if self.n else other
        n = self.n + other.n
        mean = self.mean + (other.mean - self.mean) * (other.n / n)
        mine, theirs = self.around(mean), other.around(mean)
        return Moments(n, mean, *(one + two for one, two in zip(mine, theirs, strict=True)))

    def without(self, part: Moments) -> Moments:
        """Of the rows that are not in a part of the set.

        Digits are lost where the part varies much more than what is left.
        """
        n = self.n - part.n
        if not part.n:
            return self
        if not n:
            zeros = (np.zeros_like(a) for a in (self.mean, self.second, self.third, self.fourth))
            return Moments(0, *zeros)
        mean = self.mean + (self.mean - part.mean) * (part.n / n)
        whole, taken = self.around(mean), part.around(mean)
        second, third, fourth = (one - two for one, two in zip(whole, taken, strict=True))
        return Moments(n, mean, second, third, np.maximum(fourth, 0.0))


def merged(parts: Iterable[Moments]) -> Moments:
    """Of all rows of disjoint sets, at least one; but for rounding in any order."""
    return reduce(Moments.merged, parts)
