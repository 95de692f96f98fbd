"""Images before the encoder, for methods that alter them, and their way through it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages, LazyRows, preprocess, workers
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import BATCH, EngineKind, make_engine
from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet, Problem

__all__ = ["LazyInputs", "encode_pixels", "load_pixels"]


def load_pixels(encoder: Encoder, images: ImageSet, *, strict: bool = False) -> EncodedImages:
    """Decode and resize images as the encoder would, and stop there.

    Args:
        encoder: whose preprocessing to follow.
        images: few; each takes s * s * 12 bytes.
        strict: fail on an unusable image instead of listing it.

    Returns:
        One output, ``pixels``: float32 (n, s, s, 3), whole values 0..255.

    Raises:
        ImageSourceError: an unusable image, under ``strict``.
    """
    size = encoder.spec.preprocessing.size
    kept, digests, rows, problems = [], [], [], []
    for index, name in enumerate(images.names):
        try:
            loaded = images.load(index)
            decoded = loaded.decode(2 * size)
        except ImageError as error:
            if strict:
                raise ImageSourceError(f"{name}: {error}") from error
            problems.append(Problem(name, str(error)))
            continue
        row = np.empty((1, size, size, 3), dtype=np.uint8)
        preprocess([decoded], encoder.spec.preprocessing, out=row)
        kept.append(index)
        digests.append(loaded.digest)
        rows.append(row[0])
    pixels = np.stack(rows).astype(np.float32) if rows else np.empty((0, size, size, 3), np.float32)
    return EncodedImages(
        names=tuple(images.names[index] for index in kept),
        digests=tuple(digests),
        arrays={"pixels": pixels},
        kept=np.array(kept, dtype=np.int64),
        problems=tuple(problems),
    )


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
    padded = np.zeros((-(-len(pixels) // BATCH) * BATCH, *pixels.shape[1:]), dtype=np.uint8)
    padded[: len(pixels)] = pixels
    blocks = [run(padded[start : start + BATCH])[0] for start in range(0, len(padded), BATCH)]
    return np.concatenate(blocks)[: len(pixels)]


class LazyInputs(LazyRows):
    """A network's inputs (``split:all``), decoded when they are asked for.

    As float32 they take 600 KB an image at 224 pixels: training a whole network on a large
    dataset reads files again each epoch instead.

    Args:
        encoder: whose preprocessing to follow.
        images: all of which can be decoded.
    """

    def __init__(self, encoder: Encoder, images: ImageSet) -> None:
        self._encoder, self._images = encoder, images
        size = encoder.spec.preprocessing.size
        self.shape = (len(images), 3, size, size)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        """The inputs at ``rows`` (a slice, indices or a mask), float32 (k, 3, s, s)."""
        chosen = self._images.subset(np.arange(len(self))[rows])
        with ThreadPoolExecutor(workers()) as pool:
            parts = list(pool.map(lambda i: self._pixels(chosen.subset([i])), range(len(chosen))))
        preprocessing = self._encoder.spec.preprocessing
        pixels = np.stack(parts) if parts else np.empty((0, *self.shape[2:], 3), np.float32)
        mean, std = (np.array(v, np.float32) for v in (preprocessing.mean, preprocessing.std))
        return np.ascontiguousarray(((pixels - mean) / std).transpose(0, 3, 1, 2))

    def _pixels(self, image: ImageSet) -> NDArray[np.float32]:
        pixels: NDArray[np.float32] = load_pixels(self._encoder, image, strict=True)["pixels"][0]
        return pixels

    def select(self, rows: NDArray[np.integer]) -> LazyInputs:
        """The inputs at ``rows``, still not decoded."""
        return LazyInputs(self._encoder, self._images.subset(rows))
