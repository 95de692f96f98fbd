"""Vectors of images for detectors of tables: twofold's frozen encoder, its pooled output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import load_encoder
from twofold.images import ImageSet


class Embedder:
    """The default encoder, loaded once; nothing is kept between calls."""

    def __init__(self) -> None:
        self._frozen = FrozenEncoder(load_encoder(), ("pooled",))

    def __call__(self, paths: Sequence[str]) -> NDArray[np.float64]:
        """Vectors of image files, float64 (n, 1280); an unusable image is an error."""
        images = ImageSet.from_paths(paths)
        return np.asarray(self._frozen.encode(images, strict=True)["pooled"], dtype=np.float64)
