"""Anomaly maps at the size of their images, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError, ImageError
from twofold.images import ImageSet, Problem
from twofold.method_table import METHODS
from twofold.methods import Method

__all__ = ["ImageMap", "draw_overlay", "heat_layer", "map_images", "reduced", "require_maps"]

Map = NDArray[np.float32]

# Of a pure colour, so that the picture stays visible below it.
_OPACITY = 0.65


@dataclass(frozen=True)
class ImageMap:
    """The anomaly map of one image, or why there is none.

    Attributes:
        row: among the images as given.
        name: of the image.
        image: as decoded, RGB, nothing left out; None where it is unusable.
        grid: float64 (g, g), the map as the method makes it, larger = more anomalous; None where
            the image is unusable.
        problem: why it is unusable.
    """

    row: int
    name: str
    image: Image.Image | None = None
    grid: NDArray[np.float64] | None = None
    problem: Problem | None = None

    @cached_property
    def values(self) -> Map | None:
        """The map at the image's own size, float32 (h, w), made when first asked for."""
        if self.image is None or self.grid is None:
            return None
        return _resized(self.grid, self.image.size)

    def picture(self, low: float, high: float, side: int) -> Image.Image:
        """The image with its map in colour, no larger than a side.

        Args:
            low: see :func:`draw_overlay`.
            high: likewise.
            side: longest, in pixels.

        Raises:
            ImageError: the image is unusable.
        """
        if self.image is None or self.grid is None:
            raise ImageError("" if self.problem is None else self.problem.reason)
        small = reduced(self.image, side)
        return draw_overlay(small, _resized(self.grid, small.size), low, high)


def require_maps(method: Method) -> None:
    """Refuse a method that cannot say where an anomaly is.

    Raises:
        ConfigError: naming the methods that can.
    """
    if method.config.has_maps():
        return
    able = [name for name in METHODS.ids() if METHODS.load(name).Config().has_maps()]
    hint = " (or its option locality=both)" if method.id in able else ""
    raise ConfigError(
        f"method {method.id} with these options has no anomaly maps: fit with "
        f"{', '.join(able)}{hint}"
    )


def map_images(
    method: Method, images: ImageSet, rows: NDArray[np.int64], encoded: EncodedImages
) -> Iterator[ImageMap]:
    """The map of each image at its own size, in order; one decoded image in memory at a time.

    Args:
        method: fitted, with maps.
        images: as found.
        rows: int64 (n,), which of them were encoded.
        encoded: those, with the method's outputs; unusable ones are among its problems.
    """
    grids, whole = method.anomaly_map(encoded), images.masked(None)
    places = {int(row): index for index, row in enumerate(encoded.kept)}
    problems = {problem.path: problem for problem in encoded.problems}
    for offset, row in enumerate(rows):
        name = images.names[row]
        if offset not in places:
            yield ImageMap(int(row), name, problem=problems[name])
            continue
        try:
            image = whole.load(int(row)).decode()
        except ImageError as error:  # it has changed or gone since it was encoded
            yield ImageMap(int(row), name, problem=Problem(name, str(error)))
            continue
        yield ImageMap(int(row), name, image, grids[places[offset]])


def _resized(grid: NDArray[np.float64], size: tuple[int, int]) -> Map:
    """(g, g) -> float32 (h, w); the whole image was squeezed into the square, so this undoes it."""
    width, height = size
    rows = _interpolated(np.asarray(grid, dtype=np.float32), height)
    return np.ascontiguousarray(_interpolated(rows.T, width).T)


def _interpolated(values: Map, n: int) -> Map:
    """(g, k) -> (n, k), linearly between the centres of cells, flat beyond the outermost."""
    places = np.clip((np.arange(n) + 0.5) * (len(values) / n) - 0.5, 0.0, len(values) - 1.0)
    before = places.astype(np.intp)
    share = (places - before).astype(np.float32)[:, None]
    after = np.minimum(before + 1, len(values) - 1)
    return np.asarray((1.0 - share) * values[before] + share * values[after])


def reduced(image: Image.Image, side: int) -> Image.Image:
    """A copy, RGB, no longer than a side; the shape stays."""
    small = image.convert("RGB")
    if small is image:
        small = image.copy()
    small.thumbnail((side, side))
    return small


def draw_overlay(image: Image.Image, values: Map, low: float, high: float) -> Image.Image:
    """The image with its map in colour, the same colours for every image of a detector.

    Args:
        image: RGB.
        values: float32 (h, w) of the same size.
        low: up to here nothing is coloured; yellow begins.
        high: from here on fully red.

    Returns:
        RGB, the size of the image.
    """
    colour, opacity = _colours(values, low, high)
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    mixed = (1.0 - opacity) * pixels + opacity * colour
    return Image.fromarray(np.asarray(np.rint(mixed), dtype=np.uint8))


def heat_layer(values: Map, low: float, high: float) -> Image.Image:
    """The colours of :func:`draw_overlay` alone, to be laid over the image: RGBA, (h, w)."""
    colour, opacity = _colours(values, low, high)
    layer = np.concatenate([colour, 255.0 * opacity], axis=2)
    return Image.fromarray(np.asarray(np.rint(layer), dtype=np.uint8))


def _colours(values: Map, low: float, high: float) -> tuple[Map, Map]:
    """Colours (h, w, 3), 0 to 255, and how far they cover what is below, (h, w, 1), 0 to 1."""
    heat = np.clip((values - low) / (high - low), 0.0, 1.0)[..., None]
    colour = np.concatenate([np.full_like(heat, 255.0), 255.0 * (1.0 - heat), 0.0 * heat], axis=2)
    return colour, _OPACITY * np.sqrt(heat)
