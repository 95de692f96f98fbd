"""Patches at one size of the image, and the score that several sizes make together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Scale
from twofold.encoders.encode import EncodedImages
from twofold.eyes import FreeBank, PatchGaussians
from twofold.methods.arrays import prefixed, under
from twofold.methods.views.local_view import local_scores
from twofold.methods.views.pooling import ImageScore, Pooling

__all__ = ["SIZES", "AtSize", "joined"]

Array = NDArray[np.float64]

SIZES = ("local", "local-1", "local-2", "local-3")
"""Names of the sizes, finest first, in saved models and diagnostics."""


@dataclass(frozen=True)
class AtSize:
    """Patches as images of one size show them.

    Attributes:
        model: what scores patches.
        pooling: how they make up a score.
        scale: of these scores on the pool, out of sample.
        owners: int64 (k,), the group that each row of a bank is of; None without a bank, and of a
            model that was loaded.
    """

    model: PatchGaussians | FreeBank
    pooling: Pooling
    scale: Scale
    owners: NDArray[np.int64] | None = None

    def scores(self, images: EncodedImages, output: str) -> Array:
        """Of images with the output that the model is of, float64 (n,)."""
        patches, looked_at = images.rows(output), images.looked_at(output)
        return local_scores(self.model, self.pooling, patches, looked_at)

    def without(self, groups: NDArray[np.int64]) -> AtSize:
        """The same without a bank's rows of some groups; of a Gaussian nothing can be taken off."""
        assert isinstance(self.model, FreeBank)
        assert self.owners is not None
        return replace(self, model=self.model.only(~np.isin(self.owners, groups)))

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Everything that scores need."""
        arrays = prefixed(f"{prefix}.", self.model.state())
        arrays[f"{prefix}.scale"] = self.scale.to_array()
        if self.pooling.kind == "size":
            arrays[f"{prefix}.windows"] = self.pooling.to_array()
        return arrays

    @classmethod
    def from_state(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        prefix: str,
        channels: int,
        *,
        free: bool,
        image_score: ImageScore,
    ) -> AtSize:
        """Inverse of :meth:`state`.

        Raises:
            ValueError, KeyError: they are not those of such patches.
        """
        own = under(arrays, f"{prefix}.")
        kind = FreeBank if free else PatchGaussians
        scale = Scale.from_array(own["scale"])
        windowed = image_score == "size"
        pooling = Pooling.from_array(own["windows"]) if windowed else Pooling(image_score)
        return cls(kind.from_state(own, channels), pooling, scale)


def joined(scores: Sequence[Array], scales: Sequence[Scale]) -> Array:
    """Scores of several sizes as one, float64 (n,), none negative.

    An image is as odd as at the size at which it is oddest: each size's scores are brought to the
    scale that they have on the pool, and the largest counts. The scores of one size stay as they
    are.

    Args:
        scores: float64 (n,) for each size.
        scales: of each.
    """
    if len(scores) == 1:
        return scores[0]
    found = [scale.standardise(own) for own, scale in zip(scores, scales, strict=True)]
    # Back from logarithms, on which all scores of patches are judged.
    return np.asarray(np.exp(np.max(found, axis=0)))
