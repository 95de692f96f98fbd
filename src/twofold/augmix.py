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
    severity: float = 3.0,
    width: int = 3,
    depth: int | None = None,
) -> Pixels:
    """A convex mixture of an image with ``width`` chains of random operations on it.

    Weights of the chains are drawn from Dirichlet(1), that of the mixture against the image from
    Beta(1, 1); each operation draws its severity uniformly from 0 to ``severity``.

    Args:
        image: uint8 (h, w, 3).
        generator: of every draw.
        severity: greatest severity, in (0, 10].
        width: number of chains.
        depth: operations in a chain; None draws 1 to 3 for each.

    Returns:
        uint8 (h, w, 3), a new array.

    Raises:
        ConfigError: an image of another shape or type, or an impossible option.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ConfigError(f"expected a uint8 (h, w, 3) image, got {image.dtype} {image.shape}")
    if not 0 < severity <= 10 or width < 1 or (depth is not None and depth < 1):
        raise ConfigError(
            "augmix needs a severity in (0, 10] and at least one chain of one operation"
        )
    weights = generator.dirichlet(np.ones(width))
    share = generator.beta(1.0, 1.0)
    mixed = np.zeros(image.shape)
    for weight in weights:
        mixed += weight * _chain(image, generator, severity, depth)
    blend = (1 - share) * image + share * mixed
    return np.rint(blend).clip(0, 255).astype(np.uint8)


def _chain(
    image: Pixels, generator: np.random.Generator, severity: float, depth: int | None
) -> NDArray[np.float64]:
    changed = Image.fromarray(image)
    names = list(OPERATIONS)
    for _ in range(int(generator.integers(1, 4)) if depth is None else depth):
        name = names[int(generator.integers(len(names)))]
        changed = OPERATIONS[name](changed, float(generator.uniform(0, severity)))
    return np.asarray(changed, dtype=np.float64)
