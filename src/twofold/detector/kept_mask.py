"""The mask of a fit in a model folder."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.bundle import Bundle
from twofold.detector.looking import Sight
from twofold.errors import BundleError
from twofold.images import Mask, Masks

__all__ = ["MaskKind", "mask_arrays", "mask_kind", "read_sight"]

MaskKind = Literal["kept", "by name"]
"""One mask, in the arrays; or masks that went by the names of images, which are not kept."""

_BITS, _SHAPE = "mask.bits", "mask.shape"


def mask_kind(sight: Sight) -> MaskKind | None:
    """What a model says of the masks it was fitted with."""
    if sight.one_mask() is not None:
        return "kept"
    return "by name" if sight.by_name else None


def mask_arrays(sight: Sight) -> dict[str, NDArray[Any]]:
    """The one mask as arrays: eight pixels a byte, row by row, and height and width."""
    mask = sight.one_mask()
    if mask is None:
        return {}
    return {_BITS: np.packbits(mask), _SHAPE: np.array(mask.shape, dtype=np.int64)}


def read_sight(bundle: Bundle, bit_depth: int | None, kind: MaskKind | None) -> Sight:
    """Inverse of :func:`mask_arrays`.

    Raises:
        BundleError: the arrays are no mask of an image, or are there without being announced.
    """
    bits, shape = bundle.tensors.get(_BITS), bundle.tensors.get(_SHAPE)
    if kind != "kept":
        if bits is not None or shape is not None:
            raise BundleError(f"{bundle.path} holds a mask that its detector.json does not name")
        return Sight(bit_depth, None, kind == "by name")
    if bits is None or shape is None or not _belong(bits, shape):
        raise BundleError(f"{bundle.path} holds no mask of an image")
    height, width = (int(side) for side in shape)
    looked_at = np.unpackbits(bits, count=height * width).reshape(height, width).astype(np.bool_)
    if not looked_at.any():
        raise BundleError(f"{bundle.path} holds a mask that leaves nothing to look at")
    return Sight(bit_depth, Masks(Mask("of the model", looked_at)))


def _belong(bits: NDArray[Any], shape: NDArray[Any]) -> bool:
    if shape.shape != (2,) or shape.dtype != np.int64 or bits.dtype != np.uint8 or bits.ndim != 1:
        return False
    height, width = (int(side) for side in shape)
    if min(height, width) < 1 or height * width > (Image.MAX_IMAGE_PIXELS or height * width):
        return False
    return len(bits) == -(-height * width // 8)
