"""The images of a review by number, and what the browser gets of each."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twofold.errors import ImageError
from twofold.images import ImageSet, LoadedImage
from twofold.web.pictures import (
    SCREEN_SIDE,
    Picture,
    map_picture,
    original_picture,
    screen_picture,
)

if TYPE_CHECKING:
    from twofold.detector import Detector

__all__ = ["Gallery"]


class Gallery:
    """Pictures of the images of a review; an image is named by its number and by nothing else.

    Safe to call from several threads at once.

    Args:
        images: of the review, in its order of numbers.
        sha256: of each image's content when it was scored.
        detector: makes the maps; None where there are none.
    """

    def __init__(
        self, images: ImageSet, sha256: Sequence[str], detector: Detector | None = None
    ) -> None:
        self._images, self._sha256 = images, sha256
        self._detector = detector if detector and detector.method_.config.has_maps() else None
        self._one_map = threading.Lock()  # more at once would slow the answer to a mark

    @property
    def has_maps(self) -> bool:
        """Whether there are heat maps."""
        return self._detector is not None

    def screen(self, number: int) -> Picture:
        """An image as large as a screen shows it.

        Raises:
            ImageError: it cannot be read, or is not the one that was scored.
        """
        loaded, header = self._load(number), self._images.header(number)
        assert header is not None  # only data sets have none
        return screen_picture(loaded.decode(min_side=SCREEN_SIDE), (header.width, header.height))

    def original(self, number: int) -> Picture:
        """An image with its own pixels; raises as :meth:`screen`."""
        return original_picture(self._load(number).decode())

    def heat_map(self, number: int) -> Picture:
        """The colours to be laid over an image; raises as :meth:`screen`.

        Raises:
            ImageError: also where there are no maps.
        """
        if self._detector is None:
            raise ImageError("this model has no heat maps")
        self._load(number)
        with self._one_map:
            (item,) = self._detector.maps(self._images.subset([number]))
        if item.image is None or item.grid is None:
            raise ImageError("cannot be read" if item.problem is None else item.problem.reason)
        return map_picture(item.image.size, item.grid, *self._detector.method_.map_range())

    def content(self, number: int) -> bytes:
        """The file's bytes as they are; raises as :meth:`screen`."""
        return self._load(number).content

    def _load(self, number: int) -> LoadedImage:
        loaded = self._images.load(number)
        if hashlib.sha256(loaded.content).hexdigest() != self._sha256[number]:
            raise ImageError("the file has changed since it was scored")
        return loaded
