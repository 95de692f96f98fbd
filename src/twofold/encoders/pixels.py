"""Images before the encoder: resized to its input, in bulk or on demand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.encoders.encoded import LazyRows
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.outputs import EngineKind, batch_of
from twofold.encoders.resizing import resize
from twofold.encoders.settings import n_streams
from twofold.encoders.spec import Preprocessing
from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet

__all__ = [
    "LAZY_OUTPUTS",
    "LazyInputs",
    "LazyPixels",
    "encode_pixels",
    "on_demand",
    "preprocess",
]

LAZY_OUTPUTS = ("pixels", "split:all")
"""Outputs that are made when their rows are asked for.

An image's pixels take 150 KB at 224 pixels and its inputs 600 KB: kept for a large dataset they
would fill the memory, while a network that trains whole takes longer over an image than decoding.
"""


def preprocess(
    images: Sequence[Image.Image], preprocessing: Preprocessing, out: NDArray[np.uint8]
) -> None:
    """Resize whole images to the encoder's input, with antialiasing.

    The filter is PyTorch's for uint8 images, which agrees with Pillow's to two grey levels. The
    more images of one size share a call, the less time each of them takes.

    Args:
        images: RGB.
        preprocessing: of the encoder.
        out: (n >= len(images), height, width, 3) uint8; row i receives image i.
    """
    height, width = preprocessing.shape
    sizes = [image.size for image in images]
    for size in set(sizes):
        rows = [row for row, other in enumerate(sizes) if other == size]
        if size == (width, height):
            for row in rows:
                out[row] = np.asarray(images[row])
            continue
        pixels = np.stack([np.asarray(images[row]) for row in rows])
        out[rows] = resize(pixels, (height, width), preprocessing.interpolation)


class LazyPixels(LazyRows):
    """Resized images, uint8 (n, s, s, 3), decoded when they are asked for.

    Args:
        images: all of which could be decoded.
        preprocessing: of the encoder.

    Raises:
        ImageSourceError: on reading a row whose file has changed or gone.
    """

    def __init__(self, images: ImageSet, preprocessing: Preprocessing) -> None:
        self._images, self._preprocessing = images, preprocessing
        self.shape: tuple[int, ...] = (len(images), *preprocessing.shape, 3)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        chosen = np.arange(len(self))[rows]
        pixels = np.empty((len(chosen), *self.shape[1:]), dtype=np.uint8)

        def fill(place: int) -> None:
            image = self._decoded(int(chosen[place]))
            preprocess([image], self._preprocessing, out=pixels[place : place + 1])

        with ThreadPoolExecutor(n_streams()) as pool:
            list(pool.map(fill, range(len(chosen))))
        return pixels

    def select(self, rows: NDArray[np.integer]) -> LazyPixels:
        """The images at ``rows``, still not decoded."""
        return type(self)(self._images.subset(rows), self._preprocessing)

    def _decoded(self, index: int) -> Image.Image:
        try:
            return self._images.load(index).decode(self._preprocessing.least_side)
        except ImageError as error:
            raise ImageSourceError(f"{self._images.names[index]}: {error}") from error


class LazyInputs(LazyPixels):
    """A network's inputs, float32 (n, 3, s, s): normalised pixels."""

    def __init__(self, images: ImageSet, preprocessing: Preprocessing) -> None:
        super().__init__(images, preprocessing)
        n = len(images)
        self._pixels = LazyPixels(images, preprocessing)
        self.shape = (n, 3, *preprocessing.shape)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        mean, std = (
            np.array(values, dtype=np.float32)
            for values in (self._preprocessing.mean, self._preprocessing.std)
        )
        return np.ascontiguousarray(((self._pixels[rows] - mean) / std).transpose(0, 3, 1, 2))


def on_demand(
    outputs: Iterable[str], images: ImageSet, preprocessing: Preprocessing
) -> dict[str, Any]:
    """Those of the outputs that are not stored; whoever reads their rows gets arrays.

    Args:
        outputs: names; the others than :data:`LAZY_OUTPUTS` are passed over.
        images: all of which could be decoded.
        preprocessing: of the encoder.
    """
    kinds = {"pixels": LazyPixels, "split:all": LazyInputs}
    return {name: kinds[name](images, preprocessing) for name in outputs if name in kinds}


def encode_pixels(
    encoder: Encoder, pixels: NDArray[np.uint8], output: str, engine: EngineKind = "auto"
) -> NDArray[np.float32]:
    """One output of the frozen encoder for images that exist only in memory.

    Args:
        encoder: the network.
        pixels: uint8 (n, s, s, 3) at the encoder's input size, n >= 1.
        output: see :func:`twofold.encoders.engine.output_names`.
        engine: see :func:`twofold.encoders.engine.make_engine`.

    Returns:
        float32 (n, ...).
    """
    run = make_engine(encoder, (output,), engine)
    batch = batch_of(encoder.spec.preprocessing.shape)
    starts = range(0, len(pixels), batch)
    return np.concatenate([run(pixels[start : start + batch])[0] for start in starts])
