"""At which size patches are seen: that of the images, as far as an encoder and a bound allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.encoders.encoder import Encoder
from twofold.encoders.sides import Side
from twofold.images import same_shape
from twofold.methods.auto.config import LEAST_SIDE, MOST_SIDE, STEP, AutoConfig, Effort

__all__ = ["chosen_size", "native_size", "places_agree"]

# Of a hundred images ten may be of another shape, as many as may be anomalies; a source or pool of
# two kinds has more of each.
_OF_ONE_SHAPE = 0.9
_BOUNDS: dict[Effort, int] = {"fast": 0, "balanced": 1024, "thorough": 2048}

Sizes = Sequence[tuple[int, int]]


def native_size(sizes: Sizes, encoder: Encoder, effort: Effort | None = None) -> Side | None:
    """The size at which images lose least.

    Args:
        sizes: width and height of each image.
        encoder: that will see them.
        effort: bounds the longer side; None does not.

    Returns:
        The median of the longer sides, rounded up to a multiple of 32, with the median aspect
        ratio; None, the encoder's own, where that is no larger, or the encoder takes one size only.
    """
    own = encoder.spec.preprocessing.size
    longest = float(np.median(np.max(np.asarray(sizes), axis=1)))
    bound = MOST_SIDE if effort is None else _BOUNDS[effort]
    side = min(-(-round(longest) // STEP) * STEP, bound)
    return _rectangle(side, sizes) if encoder.spec.any_size and side > own else None


def chosen_size(config: AutoConfig, sizes: Sizes | None, encoder: Encoder) -> Side | None:
    """The size that options name, for images of these sizes.

    Aspect ratios are kept where places are not told apart: a square that is the same for all
    images keeps places together, and a bank of patches knows no places.

    Args:
        config: with ``image_size`` as the user gave it.
        sizes: width and height of each image; None where nobody knows them.
        encoder: that will see them.
    """
    free, given = config.places == "none", config.image_size
    if given is None or isinstance(given, tuple) or config.locality == "global":
        return given if isinstance(given, tuple) else None
    if isinstance(given, int):
        return _rectangle(given, sizes) if free and sizes and encoder.spec.any_size else given
    if sizes is None or (given == "auto" and (not free or config.effort == "fast")):
        return None
    side = native_size(sizes, encoder, config.effort if given == "auto" else None)
    return side if free or side is None or isinstance(side, int) else max(side)


def places_agree(*sets: Sizes) -> bool:
    """Whether what lies at a place in one image lies there in the others, as far as shapes tell.

    All images are brought to one square. That moves places where images have several shapes; one
    shape in several sizes does not.

    Args:
        sets: width and height of each image of each set.

    Returns:
        Whether nine tenths of every set have the median shape of the last one.
    """
    ratios = [np.array([width / height for width, height in sizes]) for sizes in sets]
    usual = float(np.median(ratios[-1]))
    alike = [np.mean([same_shape(ratio, usual) for ratio in own]) for own in ratios]
    return bool(min(alike) >= _OF_ONE_SHAPE)


def _rectangle(longer: int, sizes: Sizes) -> Side:
    """Width and height with the median aspect ratio of the images; one number for a square."""
    array = np.asarray(sizes, dtype=np.float64)
    ratio = float(np.exp(np.median(np.log(array[:, 0] / array[:, 1]))))
    shorter = round(longer * min(ratio, 1.0 / ratio) / STEP) * STEP
    shorter = min(max(shorter, LEAST_SIDE), longer)
    if shorter == longer:
        return longer
    return (longer, shorter) if ratio > 1 else (shorter, longer)
