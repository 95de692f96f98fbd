"""What marks taught a detector, as arrays of a saved model and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.bundle import Bundle
from twofold.deferred import deferred
from twofold.errors import BundleError

if TYPE_CHECKING:
    from twofold import marks
    from twofold.marks import Correction
else:
    marks = deferred("twofold.marks")

__all__ = ["correction_arrays", "read_correction"]

_PREFIX = "correction."
_NUMBERS = ("center", "spread", "slope", "intercept", "without")
_VECTORS = ("mean", "direction", "views")


def correction_arrays(correction: Correction | None) -> dict[str, NDArray[Any]]:
    """As float64 arrays of a bundle: the numbers in one, and the vectors."""
    if correction is None:
        return {}
    numbers = np.array([getattr(correction, name) for name in _NUMBERS])
    vectors = {_PREFIX + name: getattr(correction, name) for name in _VECTORS}
    return {f"{_PREFIX}numbers": numbers} | vectors


def read_correction(bundle: Bundle, dim: int, n_views: int) -> Correction | None:
    """Inverse of :func:`correction_arrays`; None of a model without.

    Args:
        bundle: a model.
        dim: of whole-image vectors.
        n_views: of the method.

    Raises:
        BundleError: the arrays are not those of a correction of such vectors.
    """
    found = {name: array for name, array in bundle.tensors.items() if name.startswith(_PREFIX)}
    if not found:
        return None
    shapes = {f"{_PREFIX}numbers": (len(_NUMBERS),)} | {_PREFIX + n: (dim,) for n in _VECTORS}
    shapes[f"{_PREFIX}views"] = (n_views,)
    sound = found.keys() == shapes.keys() and all(
        array.dtype == np.float64 and array.shape == shapes[name] for name, array in found.items()
    )
    numbers = dict(
        zip(_NUMBERS, found.get(f"{_PREFIX}numbers", np.empty(0)).tolist(), strict=False)
    )
    if not sound or numbers["spread"] <= 0:
        raise BundleError(f"{bundle.path} holds a correction by marks that does not fit it")
    given: dict[str, Any] = {name: found[_PREFIX + name] for name in _VECTORS} | numbers
    return marks.Correction(**given)
