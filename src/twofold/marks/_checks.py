"""Checks of what callers hand to the functions of this package."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError

__all__ = ["checked_marks", "checked_scores", "checked_strata"]


def checked_scores(scores: NDArray[np.floating], threshold: float) -> NDArray[np.float64]:
    """Scores as float64 (n,).

    Raises:
        UsageError: no image, NaN, or not one-dimensional.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise UsageError(f"scores must be one number an image, not an array of {values.shape}")
    if np.isnan(values).any() or np.isnan(threshold):
        raise UsageError("scores and threshold must be numbers: some are NaN")
    return values


def checked_strata(strata: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """Strata as int64 (n,).

    Raises:
        UsageError: another length, not whole numbers, or negative.
    """
    values = np.asarray(strata)
    if values.shape != (n,) or values.dtype.kind not in "iu" or (values < 0).any():
        raise UsageError(f"strata must be {n} whole numbers from 0 up, one an image")
    return values.astype(np.int64)


def checked_marks(marks: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """Marks as float64 (n,): 1 = anomalous, 0 = normal, NaN = not marked.

    Raises:
        UsageError: another length or another value.
    """
    values = np.asarray(marks, dtype=np.float64)
    if values.shape != (n,):
        raise UsageError(f"marks must be {n} numbers, one an image, not {values.shape}")
    if not np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
        raise UsageError("a mark is 1 (anomalous), 0 (normal) or NaN (not marked)")
    return values
