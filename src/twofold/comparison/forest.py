"""An isolation forest that is saved as the rows it was grown on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from twofold.densities import in_blocks

__all__ = ["Forest", "grow"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Forest:
    """A fitted forest; growing it again from the same rows gives the same trees, bit by bit.

    So rows, seed and number of trees are its whole state, and no file that runs code is needed.
    Another version of scikit-learn may grow other trees from them.

    Attributes:
        rows: float32 (n, d) it was grown on.
        trees: their number.
        seed: of the growing, in [0, 2^32).
        model: the grown forest.
    """

    rows: NDArray[np.float32]
    trees: int
    seed: int
    model: Any

    def scores(self, rows: NDArray[np.floating]) -> Array:
        """Anomaly scores in (0, 1], float64 (n,): 2^(-depth / expected depth), Liu et al. 2008.

        Args:
            rows: (n, d); a row's score does not depend on the others.
        """
        return in_blocks(
            lambda block: np.asarray(-self.model.score_samples(block.astype(np.float32))),
            np.asarray(rows, dtype=np.float64),
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays from which :meth:`from_state` grows the same forest."""
        return {
            "rows": self.rows,
            "shape": np.array(self.rows.shape, dtype=np.int64),
            "seed": np.array(self.seed, dtype=np.int64),
        }

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]], trees: int, dim: int) -> Forest:
        """Inverse of :meth:`state`.

        Args:
            state: the arrays, and no others.
            trees: number of trees, from the configuration.
            dim: length of the rows the caller will score.

        Raises:
            ValueError: the arrays do not belong together.
            KeyError: one is missing.
        """
        rows, shape = state["rows"], state["shape"]
        if rows.dtype != np.float32 or tuple(shape) != rows.shape or rows.shape[1:] != (dim,):
            raise ValueError(f"rows of a forest have shape {rows.shape} and type {rows.dtype}")
        return grow(rows, trees, int(state["seed"]))


def grow(rows: NDArray[np.floating], trees: int, seed: int) -> Forest:
    """Fit an isolation forest (Liu et al. 2008) as scikit-learn has it, on at most 256 rows a tree.

    Args:
        rows: (n, d) finite, n >= 1.
        trees: their number.
        seed: of the random splits, >= 0.
    """
    known = np.ascontiguousarray(rows, dtype=np.float32)
    seed %= 2**32
    # contamination="auto" sets a decision that is not used; the old 0 is an error by now.
    model = IsolationForest(n_estimators=trees, contamination="auto", random_state=seed)
    return Forest(known, trees, seed, model.fit(known))
