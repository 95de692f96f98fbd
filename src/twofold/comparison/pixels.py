"""Small images for networks that work on pixels, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import interpolate

from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.encoders.pixels import encode_pixels
from twofold.training import forward_all

__all__ = [
    "Accelerator",
    "as_inputs",
    "as_pixels",
    "device_of",
    "encode_made",
    "portions",
    "resized",
    "run_network",
    "small_images",
]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Accelerator = Literal["auto", "cpu", "cuda"]

# Images held at a time at full size, 150 KB each at 224 pixels; a multiple of the forward batch.
PORTION = 512


def device_of(accelerator: Accelerator) -> torch.device:
    """Where to train; ``auto`` is CUDA if there is one, else the CPU."""
    if accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    return torch.device("cuda")


def portions(n: int) -> Iterator[slice]:
    """Consecutive slices of at most some hundred rows."""
    return (slice(start, min(start + PORTION, n)) for start in range(0, n, PORTION))


def resized(pixels: NDArray[np.generic], side: int) -> Pixels:
    """Images at another side, bilinear with antialiasing; each by itself.

    Args:
        pixels: uint8 values (n, s, s, 3).
        side: wanted.

    Returns:
        uint8 (n, side, side, 3).
    """
    values = np.ascontiguousarray(pixels, dtype=np.uint8)
    if values.shape[1] == side or not len(values):
        return values.reshape(len(values), side, side, 3)
    tensor = torch.from_numpy(values).permute(0, 3, 1, 2)
    small = interpolate(tensor, size=(side, side), mode="bilinear", antialias=True)
    return np.ascontiguousarray(small.permute(0, 2, 3, 1).numpy())


def small_images(images: EncodedImages, side: int) -> Pixels:
    """All images at a small side; their full size is held for a portion at a time.

    Args:
        images: with the output ``pixels``.
        side: wanted.

    Returns:
        uint8 (n, side, side, 3).
    """
    pixels = images["pixels"]
    return np.concatenate([resized(pixels[rows], side) for rows in portions(len(images))])


def as_inputs(pixels: Pixels) -> Floats:
    """(n, s, s, 3) in 0..255 -> (n, 3, s, s) in [-1, 1], the range of a Tanh."""
    values = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def as_pixels(values: NDArray[np.floating]) -> Pixels:
    """Inverse of :func:`as_inputs`, rounded and cut to 0..255."""
    levels = np.clip(np.rint((np.asarray(values) + 1) * 127.5), 0, 255)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1).astype(np.uint8))


def run_network(network: nn.Module, pixels: Pixels) -> Pixels:
    """Images through a network of images, none of them depending on the others.

    Args:
        network: (n, 3, s, s) in [-1, 1] -> the same.
        pixels: uint8 (n, s, s, 3), n >= 1.

    Returns:
        uint8 (n, s, s, 3).
    """
    made = [
        as_pixels(forward_all(network, as_inputs(pixels[rows]))) for rows in portions(len(pixels))
    ]
    return np.concatenate(made)


def encode_made(
    encoder: Encoder, n: int, make: Callable[[slice], Pixels], output: str = "pooled"
) -> Floats:
    """One output of the frozen encoder for n images that are made a portion at a time.

    Args:
        encoder: the network.
        n: number of images, >= 1.
        make: rows -> uint8 (len, s, s, 3), of any side; they are brought to the encoder's.
        output: of the encoder.

    Returns:
        float32 (n, ...).
    """
    side = encoder.spec.preprocessing.size
    return np.concatenate(
        [encode_pixels(encoder, resized(make(rows), side), output) for rows in portions(n)]
    )
