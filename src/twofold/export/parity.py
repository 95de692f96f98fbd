"""Whether an exported graph says what the detector says, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.detector import Detector
from twofold.detector.portions import Portion
from twofold.encoders.pixels import preprocess
from twofold.encoders.sides import AtSide
from twofold.errors import ExportError
from twofold.export.graph import input_of
from twofold.export.runtimes import Run
from twofold.images import ImageInput, ImageSet

__all__ = ["LEAST_IMAGES", "MOST_DIFFERENCE", "Parity", "measure_parity", "spread_of"]

Array = NDArray[np.float64]

LEAST_IMAGES = 64
"""Images below which a report says little: one that differs in a hundred could be missed."""
MOST_DIFFERENCE = 1e-4
"""Of scores, relative; float32 and another order of sums leave about 1e-6."""


@dataclass(frozen=True)
class Parity:
    """How far a graph and a detector differ.

    Attributes:
        n_images: that both have scored.
        score_difference: the largest one, relative to the score or to the spread of normal scores,
            whichever is larger: scores of `auto` may be about 0.
        median_difference: likewise.
        n_decisions: images that both call the same.
        map_difference: the largest one of a place, in spreads of normal places; None without maps.
        tolerance: that ``score_difference`` keeps.
    """

    n_images: int
    score_difference: float
    median_difference: float
    n_decisions: int
    map_difference: float | None
    tolerance: float = MOST_DIFFERENCE


def spread_of(detector: Detector) -> float:
    """The spread of normal scores: of the quartiles of those that the threshold is read off."""
    low, high = np.quantile(detector.calibration_.scores, [0.25, 0.75])
    return float(high - low) / 1.349


def measure_parity(
    detector: Detector,
    sides: tuple[AtSide, ...],
    run: Run,
    images: ImageInput,
) -> Parity:
    """Score images twice.

    Args:
        detector: whose scores count.
        sides: sizes that the graph sees images at.
        run: the graph.
        images: to be scored, at least one of them usable.

    Raises:
        ExportError: no image can be used, or the two differ by more than they may.
    """
    least = [side.preprocessing.least_side for side in sides]
    scores: list[tuple[float, float]] = []
    maps: list[float] = []

    def look(found: ImageSet, portion: Portion) -> None:
        for place, row in enumerate(portion.rows):
            decoded = found.load(int(row)).decode_each(least)
            inputs = {}
            for side, image in zip(sides, decoded, strict=True):
                pixels = np.empty((1, *side.shape, 3), dtype=np.uint8)
                preprocess([image], side.preprocessing, out=pixels)
                inputs[input_of(side)] = pixels
            said = run(inputs)
            scores.append((float(portion.scores[place]), float(said["score"][0])))
            if portion.grids is not None:
                maps.append(float(np.abs(portion.grids[place] - said["map"][0]).max()))

    detector.examine(images, look)
    if not scores:
        raise ExportError("none of the images for the comparison can be used")
    found = _compared(np.array(scores), maps, detector.threshold_.value, spread_of(detector))
    _check(found)
    return found


def _compared(scores: Array, maps: list[float], threshold: float, spread: float) -> Parity:
    """From scores (n, 2) of the detector and the graph."""
    own, other = scores.T
    apart = np.abs(other - own) / np.maximum(np.abs(own), spread)
    # A score nearer to the threshold than the tolerance may fall on either side of it.
    near = np.abs(own - threshold) <= MOST_DIFFERENCE * max(abs(threshold), spread)
    same = ((own > threshold) == (other > threshold)) | near
    return Parity(
        n_images=len(own),
        score_difference=float(apart.max()),
        median_difference=float(np.median(apart)),
        n_decisions=int(same.sum()),
        map_difference=max(maps) if maps else None,
    )


def _check(parity: Parity) -> None:
    if parity.n_decisions < parity.n_images or not parity.score_difference <= parity.tolerance:
        raise ExportError(
            f"the exported graph differs from the detector: scores by up to "
            f"{parity.score_difference:.2g} (at most {parity.tolerance:g}), "
            f"{parity.n_images - parity.n_decisions} of {parity.n_images} decisions; nothing is "
            "written: try the other format, and report this with the encoder and method"
        )
