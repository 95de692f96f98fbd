"""Models of patches as PyTorch modules, in float32: the same numbers as part of a graph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.densities.modules import constant
from twofold.eyes.bank import FreeBank
from twofold.eyes.gaussians import TOP_PLACES, PatchGaussians

__all__ = ["BankSquares", "Nearest", "NearestRows", "PlaceSquares", "TopMean", "as_rows"]

Mask = NDArray[np.bool_]


def as_rows(patches: Tensor) -> Tensor:
    """Patches (n, c, g, h) as rows (n, g * h, c)."""
    return patches.flatten(2).transpose(1, 2)


class PlaceSquares(nn.Module):
    """Squared distances of patches by place, (n, c, g, h) -> (n, g * h).

    See :meth:`twofold.eyes.PatchGaussians.squared_distances`.
    """

    def __init__(self, model: PatchGaussians) -> None:
        super().__init__()
        self.register_buffer("mean", constant(model.mean[:, None]))
        # Transposed, so that a row of patches comes first in the product.
        self.register_buffer("whitening", constant(model.whitening.transpose(0, 2, 1)))

    mean: Tensor
    whitening: Tensor

    def forward(self, patches: Tensor) -> Tensor:
        """See the class."""
        places = as_rows(patches).transpose(0, 1)
        return ((places - self.mean) @ self.whitening).square().sum(dim=2).T


class Nearest(NamedTuple):
    """The nearest row of each patch.

    Attributes:
        rows: int64 (n, p), which it is.
        squares: (n, p), squared distance to it.
    """

    rows: Tensor
    squares: Tensor


class NearestRows(nn.Module):
    """Exact nearest neighbours among a few thousand rows (k, c), of patches (n, p, c).

    Found by the expansion of the square; the distance is that of the difference, as in
    :func:`twofold.eyes.neighbours.nearest_squares`. Memory ``4 n p k`` bytes.
    """

    def __init__(self, rows: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("rows", constant(rows))
        self.register_buffer("halves", constant(0.5 * np.square(rows, dtype=np.float64).sum(1)))

    rows: Tensor
    halves: Tensor

    def forward(self, patches: Tensor) -> Nearest:
        """See the class."""
        nearest = (self.halves - patches @ self.rows.T).argmin(dim=2)
        return Nearest(nearest, (patches - self.rows[nearest]).square().sum(dim=2))


class BankSquares(nn.Module):
    """Squared whitened distance of each patch to its nearest row, (n, c, g, h) -> (n, g * h).

    See :meth:`twofold.eyes.FreeBank.squared_distances`.
    """

    def __init__(self, model: FreeBank) -> None:
        super().__init__()
        self.register_buffer("mean", constant(model.mean))
        self.register_buffer("whitening", constant(model.whitening))
        self.nearest = NearestRows(model.rows)

    mean: Tensor
    whitening: Tensor

    def forward(self, patches: Tensor) -> Tensor:
        """See the class."""
        found: Nearest = self.nearest((as_rows(patches) - self.mean) @ self.whitening)
        return found.squares


class TopMean(nn.Module):
    """Mean of each row's largest values, (n, p) -> (n,); see :func:`twofold.eyes.top_mean`.

    Args:
        n_places: of a row.
        places: how many are averaged, at most.
        looked_at: bool (p,), patches that count, the others being at 0; None for all.
    """

    def __init__(
        self, n_places: int, places: int = TOP_PLACES, looked_at: Mask | None = None
    ) -> None:
        super().__init__()
        self._largest = min(places, n_places)
        shown = n_places if looked_at is None else int(looked_at.sum())
        self._count = min(self._largest, shown)

    def forward(self, distances: Tensor) -> Tensor:
        """See the class."""
        return distances.topk(self._largest, dim=1).values.sum(dim=1) / self._count
