"""Out-of-sample scores of the source, for methods fitted on the source and a few shots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from twofold.methods.base import FitData, Method, Reference, folds

__all__ = ["source_reference"]

# Each fold costs a whole fit, so there are as few as can be.
_FOLDS = 2


def source_reference(
    make: Callable[[], Method], data: FitData, random_state: int, k: int = _FOLDS
) -> Reference:
    """Scores of each source image by a fit on the other folds; everything else stays as it is.

    Args:
        make: a method that is not fitted, of the same encoder and configuration.
        data: what the method was fitted on.
        random_state: of the folds, and of each fit.
        k: number of folds.

    Raises:
        NotEnoughImagesError: a fold leaves too few images to fit on.
    """
    scores = np.empty(len(data.source))
    for fold in folds(len(data.source), k, random_state):
        other = make().fit(
            replace(data, source=data.source.subset(~fold)), random_state=random_state
        )
        scores[fold] = other.score(data.source.subset(fold))
    return Reference(scores, "source")
