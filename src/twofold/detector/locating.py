"""Where in images a fitted detector finds something odd: maps and regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.detector.looking import Looking
from twofold.detector.maps import ImageMap, map_images, require_maps
from twofold.errors import ImageSourceError
from twofold.images import ImageInput, ImageSet

if TYPE_CHECKING:
    from twofold.detector import regions as boxes
    from twofold.detector.regions import ImageRegions
else:
    boxes = deferred("twofold.detector.regions")

__all__ = ["Locating"]

Map = NDArray[np.float32]


class Locating(Looking):
    """Maps and regions of a detector.

    Attributes:
        false_alarm_rate: stated.
    """

    false_alarm_rate: float

    def anomaly_map(self, images: ImageInput) -> Map | list[Map]:
        """Where the anomalies are: one map per image at the image's own size.

        In spreads of normal patches above their median, larger = more anomalous, never clamped:
        the same scale for all images and places.

        Returns:
            float32 (n, h, w) where all images have one size, otherwise a list of (h, w).

        Raises:
            ConfigError: the method has no maps (`auto` with locality=global has none).
            ImageSourceError: an image is unusable.
        """
        maps: list[Map] = []
        for found in self.maps(images):
            if found.values is None:
                assert found.problem is not None
                raise ImageSourceError(f"{found.name}: {found.problem.reason}")
            maps.append(found.values)
        if len({values.shape for values in maps}) == 1:
            return np.stack(maps)
        return maps

    def maps(self, images: ImageInput) -> Iterator[ImageMap]:
        """Like :meth:`anomaly_map` one at a time, with the image; unusable ones say why."""
        self._require_fitted()
        require_maps(self.method_)
        return self._maps(self._find(images))

    def regions(
        self, images: ImageInput, *, region_rate: float | None = None
    ) -> Iterator[ImageRegions]:
        """Boxes of what is odd in each image, in its own pixels; unusable ones say why.

        Args:
            images: to look at.
            region_rate: false regions a normal image that are called anomalous, on average; None
                takes the detector's false-alarm rate.

        Raises:
            NotFittedError: before ``fit``.
            ConfigError: the method has no maps, or the rate is not positive.
        """
        self._require_fitted()
        require_maps(self.method_)
        rate = boxes.check_region_rate(
            self.false_alarm_rate if region_rate is None else region_rate
        )
        scale = self.method_.region_scale()
        return (boxes.image_regions(item, scale, rate) for item in self._maps(self._find(images)))

    def _maps(self, found: ImageSet) -> Iterator[ImageMap]:
        for rows, encoded in self._reader(self.method_).chunks(found):
            yield from map_images(self.method_, found, rows, encoded)
