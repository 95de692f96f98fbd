"""Multi-spectral pooling: a map's products with a few bases of the 2-D cosine transform."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["FREQUENCIES", "SpectralWeights", "dct_bases", "spectral_coefficients"]

FREQUENCIES = tuple(
    zip(
        (0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 2, 3),
        (0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 2, 5),
        strict=True,
    )
)
"""(u, v): horizontal and vertical frequency of MsRA's 16 bases, for maps of 7 x 7.

They are the ``top16`` of FcaNet (Qin et al. 2021) with the last two pairs swapped. FcaNet indexes
the first list by height, MsRA by width.
"""

_SIDE = 7
_HIGHEST = 6


def dct_bases(height: int, width: int) -> Tensor:
    """MsRA's bases on a map of any size.

    ``B[i, j] = b_v(i) b_u(j)`` with ``b_q(i) = cos(pi q (i + 1/2) / n) / sqrt(n)``, times
    ``sqrt(2)`` for q > 0. The frequencies, which are those of 7 x 7, are multiplied by n // 7 as in
    FcaNet. That would be 0 on a side below 7; there they shrink to q (n - 1) / 6, rounded (our
    choice: 0 stays the mean and 6 the highest frequency, while some bases coincide).

    Args:
        height: of the map, >= 1.
        width: of the maps, in places.

    Returns:
        float32 (16, height, width), each of unit length; orthonormal for sides of at least 7.
        Basis 0 is constant: its product with a map is ``sqrt(height width)`` times the mean.
    """
    return torch.from_numpy(_bases(height, width).astype(np.float32))


@lru_cache(maxsize=8)
def _bases(height: int, width: int) -> NDArray[np.float64]:
    rows, columns = _waves(height), _waves(width)
    return np.stack([np.outer(rows[v], columns[u]) for u, v in FREQUENCIES])


def _waves(n: int) -> NDArray[np.float64]:
    """b_q on n places for q = 0..6, (7, n)."""
    given = np.arange(_HIGHEST + 1)
    scaled = given * (n // _SIDE) if n >= _SIDE else np.rint(given * (n - 1) / _HIGHEST)
    waves = np.cos(np.pi * np.outer(scaled, np.arange(n) + 0.5) / n) / np.sqrt(n)
    waves[scaled > 0] *= np.sqrt(2)
    return np.asarray(waves, dtype=np.float64)


def spectral_coefficients(maps: Tensor) -> Tensor:
    """Products of every channel with every basis.

    Args:
        maps: (n, c, h, w).

    Returns:
        (n, 16, c).
    """
    bases = dct_bases(*maps.shape[2:]).to(maps)
    return torch.einsum("nchw,khw->nkc", maps, bases)


class SpectralWeights(nn.Module):
    """The 16 coefficients of a channel as one number: ``f_0 + sum_i sigmoid(a_i) f_i``.

    Args:
        generator: draws the 15 a_i from N(0, 1); None where they are loaded afterwards.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        shape = (len(FREQUENCIES) - 1,)
        start = torch.zeros(shape) if generator is None else torch.randn(shape, generator=generator)
        self.logits = nn.Parameter(start)

    def forward(self, coefficients: Tensor) -> Tensor:
        """(n, 16, c) -> (n, c)."""
        weights = torch.sigmoid(self.logits)
        return coefficients[:, 0] + torch.einsum("nkc,k->nc", coefficients[:, 1:], weights)
