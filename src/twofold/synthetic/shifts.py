"""Domain shifts: the same object under another exposure, focus, white balance or framing.

A shift is a fixed function of the image, without any chance, so that all images of a made-up
domain are shifted alike. A strength of 0 changes nothing, 1 is a shift that nobody overlooks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.deferred import deferred
from twofold.errors import ConfigError, UsageError
from twofold.synthetic._checks import LEAST_SIDE, Pixels, check_image

if TYPE_CHECKING:
    from scipy import ndimage, special
else:
    ndimage = deferred("scipy.ndimage")
    special = deferred("scipy.special")

__all__ = ["SHIFTS", "shift_image", "shift_mask"]

Mask = NDArray[np.bool_]


def shift_image(image: Pixels, kind: str, strength: float) -> Pixels:
    """Return ``image`` as another domain shows it.

    ``grey_level`` darkens: gamma 1 + s, exposure 1 - 0.3 s. ``blur`` is a Gaussian of 0.02 s of the
    shorter side. ``colour`` takes away half s of the saturation and casts the rest warm: red
    1 + 0.3 s, blue 1 - 0.3 s. ``crop`` shows the middle 1 - 0.5 s of each side, enlarged to the
    old size; its masks go through :func:`shift_mask`.

    Args:
        image: uint8 (h, w, 3), sides of 16 px or more; left alone.
        kind: one of ``SHIFTS``.
        strength: s, 0 (identity) to 1.

    Returns:
        uint8 (h, w, 3), always a new array.

    Raises:
        ConfigError: an unknown kind or a strength out of range.
        UsageError: an image of another type or shape.
    """
    _check(kind, strength)
    check_image(image)
    return image.copy() if strength == 0 else _SHIFTS[kind](image, strength)


def shift_mask(mask: Mask, kind: str, strength: float) -> Mask:
    """Return the mask that belongs to the shifted image: cropped by ``crop``, else a copy.

    A defect outside the crop is lost, so the result may be empty.

    Args:
        mask: bool (h, w), sides of 16 px or more; left alone.
        kind: one of ``SHIFTS``.
        strength: 0 (identity) to 1, that of the image.

    Returns:
        bool (h, w), always a new array.

    Raises:
        ConfigError: an unknown kind or a strength out of range.
        UsageError: a mask of another type or shape.
    """
    _check(kind, strength)
    if mask.dtype != np.bool_ or mask.ndim != 2 or min(mask.shape) < LEAST_SIDE:
        wanted = f"bool (h, w), sides {LEAST_SIDE} px or more"
        raise UsageError(f"mask: wanted {wanted}, got {mask.dtype} {mask.shape}")
    if kind != "crop" or strength == 0:
        return mask.copy()
    bytes_ = mask.astype(np.uint8)
    return _resized(bytes_, strength, Image.Resampling.NEAREST).astype(np.bool_)


def _check(kind: str, strength: float) -> None:
    if kind not in SHIFTS:
        raise ConfigError(f"kind: unknown shift {kind!r}; known: {', '.join(SHIFTS)}")
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength: wanted 0 to 1, got {strength}")


def _rounded(pixels: NDArray[np.float64]) -> Pixels:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _grey_level(image: Pixels, strength: float) -> Pixels:
    levels = 255 * (1 - 0.3 * strength) * (np.arange(256) / 255) ** (1 + strength)
    return _rounded(levels)[image]


def _blur(image: Pixels, strength: float) -> Pixels:
    sigma = 0.02 * strength * min(image.shape[:2])
    reach = math.ceil(4 * sigma) + 1
    # The Gaussian's share of each pixel, not its value in the middle: that would be no blur at all
    # below a third of a pixel.
    taps = np.diff(special.ndtr((np.arange(-reach, reach + 2) - 0.5) / sigma))
    down = ndimage.convolve1d(image.astype(np.float64), taps, axis=0, mode="reflect")
    return _rounded(np.asarray(ndimage.convolve1d(down, taps, axis=1, mode="reflect")))


def _colour(image: Pixels, strength: float) -> Pixels:
    grey = image.mean(axis=-1, keepdims=True, dtype=np.float64)
    paler = grey + (1 - 0.5 * strength) * (image - grey)
    return _rounded(paler * np.array([1 + 0.3 * strength, 1, 1 - 0.3 * strength]))


def _crop(image: Pixels, strength: float) -> Pixels:
    return _resized(image, strength, Image.Resampling.BILINEAR)


def _resized(pixels: Pixels, strength: float, resample: Image.Resampling) -> Pixels:
    """The middle 1 - 0.5 s of each side, in the old size; the box may cut through pixels."""
    height, width = pixels.shape[:2]
    off = 0.25 * strength
    box = (off * width, off * height, (1 - off) * width, (1 - off) * height)
    return np.array(Image.fromarray(pixels).resize((width, height), resample, box=box))


_SHIFTS: Final[dict[str, Callable[[Pixels, float], Pixels]]] = {
    "grey_level": _grey_level,
    "blur": _blur,
    "colour": _colour,
    "crop": _crop,
}
SHIFTS: Final = tuple(_SHIFTS)
"""The kinds of shifts."""
