"""What several tests of the detector share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from twofold import Detector

Make = Callable[..., Detector]

Write = Callable[[Path, NDArray[Any]], list[Path]]

QUICK = {"training": {"epochs": 2, "min_steps": 10}}


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )
