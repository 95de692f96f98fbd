"""Images to compare a graph and its detector on, where nobody names any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.detector import Detector
from twofold.detector.references import picture_of
from twofold.errors import ImageError, ImageSourceError
from twofold.export.parity import LEAST_IMAGES
from twofold.images import ImageInput, find_images

__all__ = ["images_of"]

# Images of the fit that are compared: enough, and seconds of work.
_MOST = 256


def images_of(detector: Detector) -> tuple[ImageInput, str]:
    """Images, and which they are in words.

    Those of the fit's target where they still lie there; else the pictures that the model keeps of
    presumed normals, which are small; and noise as far as there are fewer than 64.
    """
    target = detector.fitted_on_.target
    if target is not None and detector.sight_.masks is None:
        try:
            found = find_images(target)
        except ImageSourceError:
            found = None
        if found is not None and len(found) >= LEAST_IMAGES:
            step = -(-len(found) // _MOST)
            return found.subset(range(0, len(found), step)), "images of the fit's target"
    pictures = _kept_pictures(detector)
    n_missing = max(LEAST_IMAGES - len(pictures), 0)
    words = [f"{len(pictures)} kept pictures of presumed normals"] if pictures else []
    words += [f"{n_missing} images of noise"] if n_missing else []
    return [*pictures, *_noise(n_missing, _size(detector))], " and ".join(words)


def _kept_pictures(detector: Detector) -> list[NDArray[np.uint8]]:
    """Those of both domains, at the size of the mask where there is one."""
    kept = detector.references_
    if kept is None:
        return []
    found, mask = [], detector.sight_.one_mask()
    for content in (*kept.source.pictures, *kept.target.pictures):
        try:
            picture = picture_of(content)
        except ImageError:
            continue
        size = picture.size if mask is None else (mask.shape[1], mask.shape[0])
        found.append(np.asarray(picture.resize(size)))
    return found


def _size(detector: Detector) -> tuple[int, int]:
    """Width and height of noise."""
    mask = detector.sight_.one_mask()
    height, width = (
        detector.method_.encoder.spec.preprocessing.shape if mask is None else mask.shape
    )
    return width, height


def _noise(n: int, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Images of noise that is smooth to different degrees, the same each time."""
    rng = np.random.default_rng(0)
    found = []
    for row in range(n):
        cells = 4 << row % 4
        grey = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        found.append(np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC)))
    return found
