"""``score --maps``: pictures of where the anomalies are."""

from __future__ import annotations

import io
import re
from pathlib import Path

from twofold.detector import Detector
from twofold.detector.maps import ImageMap, draw_overlay, require_maps
from twofold.errors import UsageError
from twofold.files import write_whole
from twofold.images import Problem

__all__ = ["MapWriter"]

_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


class MapWriter:
    """Writes one PNG per image, its anomaly map over it, in colours that mean the same in all.

    Called with each image's map as it is made.

    Args:
        detector: fitted, with maps.
        folder: made if it is not there; pictures are called by their image's row and name.

    Raises:
        UsageError: the folder cannot be made.
        ConfigError: the method has no maps.
    """

    def __init__(self, detector: Detector, folder: Path) -> None:
        require_maps(detector.method_)
        self._low, self._high = detector.method_.map_range()
        self._folder = folder
        self.gone: list[Problem] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--maps {folder}: {error.strerror}") from error

    def __call__(self, item: ImageMap) -> None:
        """Write one picture; an image that is unusable or has gone has none."""
        if item.image is None or item.values is None:
            if item.problem is not None:
                self.gone.append(item.problem)
            return
        # Only the last part of a name, and only plain characters: nothing leaves the folder.
        stem = _STRANGE.sub("_", Path(item.name.replace("\\", "/")).stem) or "image"
        picture = io.BytesIO()
        draw_overlay(item.image, item.values, self._low, self._high).save(picture, "PNG")
        write_whole(self._folder / f"{item.row:06d}_{stem[:80]}.png", picture.getvalue())
