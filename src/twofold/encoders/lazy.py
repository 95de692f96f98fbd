"""Rows that are made, or read, when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LazyRows"]


class LazyRows(ABC):
    """Stands for an array in :class:`twofold.encoders.encoded.EncodedImages`."""

    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """The rows at a slice, indices or a mask, as an array."""

    @abstractmethod
    def select(self, rows: NDArray[np.integer]) -> LazyRows:
        """The given rows, not made yet."""
