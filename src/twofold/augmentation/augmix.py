"""AugMix (Hendrycks et al. 2020): an image mixed with chains of changes to its colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from twofold.errors import ConfigError

__all__ = ["OPERATIONS", "augmix"]

Pixels = NDArray[np.uint8]
Operation = Callable[[Image.Image, float], Image.Image]

_LEAST_SEVERITY = 0.1


def _posterise(image: Image.Image, severity: float) -> Image.Image:
    return ImageOps.posterize(image, 4 - int(severity * 4 / 10))


def _solarise(image: Image.Image, severity: float) -> Image.Image:
    return ImageOps.solarize(image, 256 - int(severity * 256 / 10))


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda image, severity: kind(image).enhance(severity * 1.8 / 10 + 0.1)


OPERATIONS: dict[str, Operation] = {
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalise": lambda image, _: ImageOps.equalize(image),
    "posterise": _posterise,
    "solarise": _solarise,
    "colour": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "brightness": _enhance(ImageEnhance.Brightness),
    "sharpness": _enhance(ImageEnhance.Sharpness),
}
"""What a chain is made of: colours only, no geometry, so that places stay comparable.

Each takes a severity in 0..10; the levels it stands for are those of AugMix's released code.
"""


def augmix(
    image: Pixels,
    generator: np.random.Generator,
    *,
    severity: int = 3,
    width: int = 3,
    depth: int | None = None,
) -> Pixels:
    """A convex mixture of an image with ``width`` chains of random operations on it.

    Weights of the chains are drawn from Dirichlet(1), that of the mixture against the image from
    Beta(1, 1). As in the release of GNL (Cao et al. 2023) the image draws one whole number s from
    0..``severity`` and one depth, and each operation its severity between 0.1 and s. s = 0 is not
    "no change": colour, contrast, brightness and sharpness fall to a tenth there.

    Args:
        image: uint8 (h, w, 3).
        generator: of every draw.
        severity: greatest s, 1..10.
        width: number of chains.
        depth: operations in a chain; None draws 1 to 3, the same for all chains of the image.

    Returns:
        uint8 (h, w, 3), a new array.

    Raises:
        ConfigError: an image of another shape or type, or an impossible option.
    """
    _check(image)
    if not 1 <= severity <= 10 or width < 1 or (depth is not None and depth < 1):
        raise ConfigError(
            "augmix needs a severity in 1..10 and at least one chain of one operation"
        )
    drawn = int(generator.integers(0, severity + 1))
    weights = generator.dirichlet(np.ones(width))
    share = generator.beta(1.0, 1.0)
    length = int(generator.integers(1, 4)) if depth is None else depth
    mixed = np.zeros(image.shape)
    for weight in weights:
        mixed += weight * _chain(image, generator, drawn, length)
    blend = (1 - share) * image + share * mixed
    return np.rint(blend).clip(0, 255).astype(np.uint8)


def _check(image: Pixels) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ConfigError(f"expected a uint8 (h, w, 3) image, got {image.dtype} {image.shape}")


def _chain(
    image: Pixels, generator: np.random.Generator, severity: int, depth: int
) -> NDArray[np.float64]:
    changed = Image.fromarray(image)
    names = list(OPERATIONS)
    low, high = sorted((_LEAST_SEVERITY, float(severity)))
    for _ in range(depth):
        name = names[int(generator.integers(len(names)))]
        changed = OPERATIONS[name](changed, float(generator.uniform(low, high)))
    return np.asarray(changed, dtype=np.float64)
