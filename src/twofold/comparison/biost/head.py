"""The one-class heads behind BiOST's translations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twofold.comparison.forest import Forest, grow
from twofold.densities import unit_rows

__all__ = ["Center", "Head", "OneClass", "fit_head", "head_from_state"]

Array = NDArray[np.float64]
OneClass = Literal["center", "forest"]


@dataclass(frozen=True)
class Center:
    """Squared distance to the mean of L2-normalised rows.

    Attributes:
        mean: (d,).
    """

    mean: Array

    def scores(self, rows: NDArray[np.floating]) -> Array:
        """float64 (n,) in [0, 4] for rows (n, d) of length 1."""
        deviations = np.asarray(rows, dtype=np.float64) - self.mean
        return np.asarray(np.einsum("ij,ij->i", deviations, deviations), dtype=np.float64)

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays it consists of."""
        return {"center": self.mean}


Head = Center | Forest


def fit_head(features: NDArray[np.floating], kind: OneClass, trees: int, seed: int) -> Head:
    """Fit a head to normal features (n, d), which it is given L2-normalised."""
    rows = unit_rows(features)
    return Center(rows.mean(axis=0)) if kind == "center" else grow(rows, trees, seed)


def head_from_state(state: dict[str, NDArray[Any]], kind: OneClass, trees: int, dim: int) -> Head:
    """Inverse of a head's ``state``.

    Raises:
        KeyError: an array is missing.
        ValueError: one is of another shape.
    """
    if kind == "forest":
        return Forest.from_state(state, trees, dim)
    if state["center"].shape != (dim,):
        raise ValueError(f"center has shape {state['center'].shape}")
    return Center(state["center"])
