"""What a method may be fitted on, and what a threshold is read off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.thresholds import Origin, ScoreScale

__all__ = ["FitData", "Need", "Reference"]

Need = Literal[
    "target_pool", "target_shots", "source_anomalies", "target_labels", "source_reference"
]
"""What a method may consume besides the source normals, which all of them get."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FitData:
    """Everything a method can be fitted on; what it did not declare must stay None.

    Attributes:
        source: normal images of the source.
        target_pool: unlabelled images of the target.
        target_shots: a few target images known to be normal.
        source_anomalies: source images known to be anomalous.
        target_labels: int (n_pool,), 1 = anomalous, for the rows of ``target_pool``.
        source_reference: one source normal kept for test time.
        target_selection: the rows of ``target_pool`` as the encoder sees them that
            :meth:`Method.selection_encoder` names.
    """

    source: EncodedImages
    target_pool: EncodedImages | None = None
    target_shots: EncodedImages | None = None
    source_anomalies: EncodedImages | None = None
    target_labels: NDArray[np.int64] | None = None
    source_reference: EncodedImages | None = None
    target_selection: EncodedImages | None = None


@dataclass(frozen=True)
class Reference:
    """Out-of-sample scores from which a threshold is read off.

    Attributes:
        scores: float64 (n,), each from a fit that did not see the image it scores, nor any other of
            its group.
        origin: ``target`` (the pool, its anomalies included) or ``source`` (normals only).
        groups: int64 (n,), see :meth:`twofold.encoders.encode.EncodedImages.grouping`.
        scale: on which scores of normals are close to symmetric; ``log`` for positive distances.
    """

    scores: Array
    origin: Origin
    groups: NDArray[np.int64]
    scale: ScoreScale = "linear"
