"""What the target was like when a detector was fitted to it, as a few numbers of each image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.densities import evenly
from twofold.drift.directions import leading_directions

__all__ = ["DriftReference"]

Array = NDArray[np.float64]

# With as many independent images a share is known to a percent or so; more would only take room.
_MOST = 5000


@dataclass(frozen=True, eq=False)
class DriftReference:
    """Directions to look along, and where the images of the target lay.

    Attributes:
        directions: float64 (k, d), unit vectors.
        values: float64 (n, 1 + k), of independent images of the target: the score, out of sample,
            and the place along each direction.
    """

    directions: Array
    values: Array

    @classmethod
    def of(
        cls,
        source: NDArray[np.floating],
        target: NDArray[np.floating],
        scores: Array,
        groups: NDArray[np.integer],
    ) -> DriftReference:
        """From the images of a fit.

        Directions are those of the source: the target's images would vary more along directions
        that were chosen by themselves than new images do.

        Args:
            source: (m, d), vectors of source images, m >= 2; an array or rows on disk.
            target: (n, d), of target images, likewise.
            scores: float64 (n,), of the same, out of sample.
            groups: int (n,), equal for images that are no independent draws; the first of each
                stands for its group.
        """
        directions = leading_directions(source[evenly(len(source), _MOST)])
        _, first = np.unique(groups, return_index=True)
        rows = np.sort(first)[evenly(len(first), _MOST)]
        found = cls(directions, np.empty((0, 1 + len(directions))))
        return cls(directions, found.numbers(scores[rows], target[rows]))

    def numbers(self, scores: Array, vectors: NDArray[np.floating]) -> Array:
        """What drift looks at in each image, float64 (t, 1 + k).

        Args:
            scores: float64 (t,).
            vectors: (t, d).
        """
        along = np.asarray(vectors, dtype=np.float64) @ self.directions.T
        return np.column_stack([scores, along])

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything it consists of."""
        return {"directions": self.directions, "values": self.values}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]], dim: int) -> DriftReference:
        """Inverse of :meth:`state`.

        Raises:
            ValueError, KeyError: the arrays are not those of vectors of ``dim`` numbers.
        """
        directions, values = state["directions"], state["values"]
        if directions.ndim != 2 or directions.shape[1] != dim or values.ndim != 2:
            raise ValueError("the reference of drift has other shapes")
        if values.shape[1] != 1 + len(directions):
            raise ValueError("the reference of drift has other numbers than directions")
        for array in (directions, values):
            if array.dtype != np.float64 or not np.isfinite(array).all():
                raise ValueError("the reference of drift holds finite float64 numbers")
        return cls(directions, values)
