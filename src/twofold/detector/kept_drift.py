"""What drift is measured against, as arrays of a saved model and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.bundle import Bundle
from twofold.deferred import deferred
from twofold.encoders.encode import EncodedImages
from twofold.errors import BundleError

if TYPE_CHECKING:
    from twofold import densities, drift
    from twofold.drift import DriftReference
else:
    densities = deferred("twofold.densities")
    drift = deferred("twofold.drift")

__all__ = ["drift_arrays", "drift_reference", "read_drift"]

_PREFIX = "drift."
Array = NDArray[np.float64]


def drift_reference(
    source: EncodedImages, pool: EncodedImages | None, scores: Array
) -> DriftReference | None:
    """Of a fit; None without a target, or with a single source image.

    Args:
        source: with pooled vectors.
        pool: target images with pooled vectors.
        scores: float64 (n,), of these, out of sample.
    """
    if pool is None or len(source) < 2:
        return None
    known, new = (
        densities.normalised(images.rows("pooled"), densities.power_normalise)
        for images in (source, pool)
    )
    return drift.DriftReference.of(known, new, scores, pool.grouping())


def drift_arrays(reference: DriftReference | None) -> dict[str, NDArray[Any]]:
    """As float64 arrays of a bundle."""
    if reference is None:
        return {}
    return {_PREFIX + name: array for name, array in reference.state().items()}


def read_drift(bundle: Bundle, dim: int) -> DriftReference | None:
    """Inverse of :func:`drift_arrays`; None of a model without.

    Args:
        bundle: a model.
        dim: of whole-image vectors.

    Raises:
        BundleError: the arrays are not those of a reference of such vectors.
    """
    found = {
        name.removeprefix(_PREFIX): array
        for name, array in bundle.tensors.items()
        if name.startswith(_PREFIX)
    }
    if not found:
        return None
    try:
        return drift.DriftReference.from_state(found, dim)
    except (KeyError, ValueError) as error:
        raise BundleError(
            f"{bundle.path} holds a reference of drift that does not fit it"
        ) from error
