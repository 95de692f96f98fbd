"""``score --maps``: pictures of where the anomalies are."""

from __future__ import annotations

import io
import re
from pathlib import Path

from twofold.detector import Detector
from twofold.detector.maps import draw_overlay
from twofold.errors import UsageError
from twofold.files import write_whole
from twofold.images import ImageInput

__all__ = ["write_maps"]

_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


def write_maps(detector: Detector, images: ImageInput, folder: Path) -> int:
    """One PNG per usable image, its anomaly map over it in colours that mean the same in all.

    Args:
        detector: fitted, with maps.
        images: as for ``score``.
        folder: made if it is not there; pictures are called by their image's row and name.

    Returns:
        The number of pictures.

    Raises:
        UsageError: the folder cannot be made.
        ConfigError: the method has no maps.
    """
    found = detector.maps(images)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--maps {folder}: {error.strerror}") from error
    low, high = detector.method_.map_range()
    written = 0
    for item in found:
        if item.image is None or item.values is None:
            continue
        # Only the last part of a name, and only plain characters: nothing leaves the folder.
        stem = _STRANGE.sub("_", Path(item.name.replace("\\", "/")).stem) or "image"
        picture = io.BytesIO()
        draw_overlay(item.image, item.values, low, high).save(picture, "PNG")
        write_whole(folder / f"{item.row:06d}_{stem[:80]}.png", picture.getvalue())
        written += 1
    return written
