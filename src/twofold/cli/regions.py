"""``score --regions``: where the anomalies are, as boxes in a file."""

from __future__ import annotations

import json
from pathlib import Path

from twofold.detector import Detector
from twofold.detector.maps import ImageMap, require_maps
from twofold.detector.regions import (
    ImageRegions,
    check_region_rate,
    coco,
    image_regions,
    regions_csv,
)
from twofold.files import write_whole

__all__ = ["RegionWriter"]


class RegionWriter:
    """Gathers the regions of each image, called with its map, and writes them at the end.

    Args:
        detector: fitted, with maps.
        path: of the file; COCO JSON if it ends in ``.json``, else CSV.
        rate: false regions a normal image; None takes the detector's false-alarm rate.

    Raises:
        ConfigError: the method has no maps, or no such rate.
    """

    def __init__(self, detector: Detector, path: Path, rate: float | None) -> None:
        require_maps(detector.method_)
        self._path = path
        self._scale = detector.method_.region_scale()
        self.rate = detector.false_alarm_rate if rate is None else check_region_rate(rate)
        self.found: list[ImageRegions] = []

    @property
    def note(self) -> str | None:
        """What a user should hear of the rate."""
        if self._scale.supports(self.rate):
            return None
        return (
            f"{self._scale.n_images} images are too few for {self.rate:g} false regions an image: "
            "the largest region of a normal image is the threshold"
        )

    def __call__(self, item: ImageMap) -> None:
        """Keep the regions of one image."""
        self.found.append(image_regions(item, self._scale, self.rate))

    def write(self) -> None:
        """Write the file."""
        as_json = self._path.suffix.lower() == ".json"
        text = json.dumps(coco(self.found), indent=1) if as_json else regions_csv(self.found)
        write_whole(self._path, text.encode())
