"""Made-up embeddings of any number of images, with the shapes of an encoder's outputs, on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.disk_rows import RowSink
from twofold.encoders.encode import EncodedImages

__all__ = ["SHAPES", "made_images"]

Floats = NDArray[np.float32]

SHAPES: dict[str, tuple[int, ...]] = {
    "pooled": (1280,),
    "pooled-1": (1280,),
    "patches@3": (152, 14, 14),
}
"""Outputs of the default encoder, one image each."""
# Directions in which images vary together.
_PATTERNS = 24
# Numbers from which each image's own noise is a stretch: drawing them anew would take longer than
# some of the fits.
_NOISE = 2**23


def made_images(
    n: int, outputs: Mapping[str, tuple[int, ...]], *, seed: int, anomalous: float = 0.0
) -> EncodedImages:
    """Images of which nothing is there but their embeddings, made one by one.

    Each output is what all images have in common, a few patterns by random amounts, and noise; its
    negative numbers are 0, as behind a ReLU. They go the way of a real encoder's rows: beyond a
    bound to a temporary file.

    Args:
        n: images.
        outputs: their shapes by name.
        seed: of what single images are like; what they have in common is the same for all seeds.
        anomalous: share of images with a pattern of their own, in [0, 1].
    """
    common, own = np.random.default_rng(0), np.random.default_rng(seed + 1)
    noise = common.standard_normal(_NOISE).astype(np.float32)
    arrays: dict[str, Any] = {}
    for name, shape in outputs.items():
        size = int(np.prod(shape))
        mean = (1.0 + common.random(size)).astype(np.float32)
        # Each pattern half as strong as that eight places before it.
        strengths = 0.5 * 2.0 ** (-np.arange(_PATTERNS) / 8.0)
        patterns = common.standard_normal((_PATTERNS, size)) * strengths[:, None]
        patterns = patterns.astype(np.float32)
        sink = RowSink(n)
        for _ in range(n):
            row = mean + own.standard_normal(_PATTERNS).astype(np.float32) @ patterns
            start = int(own.integers(_NOISE - size))
            row += np.float32(0.5) * noise[start : start + size]
            if own.random() < anomalous:
                row[: size // 8] += 2.0
            sink.append(np.maximum(row, 0.0).reshape(shape))
        arrays[name] = sink.rows()
    names = tuple(f"{seed}-{row}" for row in range(n))
    return EncodedImages(names, names, arrays, np.arange(n))
