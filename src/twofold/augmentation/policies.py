"""Images made from images: views of a normal, and pseudo-anomalies without its semantics.

Everything takes and gives uint8 RGB of one square size, and draws from the generator it is given.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from twofold.errors import ConfigError

__all__ = ["PUBLISHED_SIDE", "Policy", "Style", "augment", "patch_pseudo_anomaly", "restyle"]

Pixels = NDArray[np.uint8]
Policy = Literal["msra", "moco"]
Style = Literal["grey", "jitter", "posterise", "blur", "edges"]

PUBLISHED_SIDE = 224
"""Published sizes are those of inputs of 224 pixels; other inputs get them in proportion."""


def augment(image: Pixels, policy: Policy, generator: np.random.Generator) -> Pixels:
    """A random view of a normal image that is still normal.

    ``msra`` enlarges by 256/224, crops, flips and turns by up to 30 degrees (Reiss & Hoshen's
    neighbours in few-shot adaptation). ``moco`` is MoCo v2's: a crop of 20-100% of the area, colour
    jitter, grey, blur and flip.

    Args:
        image: uint8 (s, s, 3).
        policy: see above.
        generator: of every draw.

    Returns:
        uint8 (s, s, 3), a new array.

    Raises:
        ConfigError: unknown policy, or an image of another shape or type.
    """
    _check(image)
    if policy not in ("msra", "moco"):
        raise ConfigError(f"unknown augmentation {policy!r}: choose msra or moco")
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    view = (_msra if policy == "msra" else _moco)(tensor, generator)
    if generator.random() < 0.5:
        view = tv.horizontal_flip(view)
    return np.ascontiguousarray(view.permute(1, 2, 0).numpy())


def _msra(image: Tensor, generator: np.random.Generator) -> Tensor:
    side = image.shape[-1]
    larger = round(side * 256 / PUBLISHED_SIDE)
    image = tv.resize(image, [larger, larger], antialias=True)
    top, left = generator.integers(0, larger - side + 1, 2)
    image = tv.crop(image, int(top), int(left), side, side)
    turned: Tensor = tv.rotate(image, float(generator.uniform(-30, 30)), InterpolationMode.BILINEAR)
    return turned


def _moco(image: Tensor, generator: np.random.Generator) -> Tensor:
    side = image.shape[-1]
    image = tv.resized_crop(image, *random_crop(side, generator), [side, side], antialias=True)
    if generator.random() < 0.8:
        image = _jitter(image, generator)
    if generator.random() < 0.2:
        image = tv.rgb_to_grayscale(image, num_output_channels=3)
    if generator.random() < 0.5:
        # A tenth of the side, odd, as in the published transform.
        kernel = 2 * (side // 20) + 1
        image = tv.gaussian_blur(image, [kernel, kernel], [float(generator.uniform(0.1, 2.0))])
    return image


def random_crop(side: int, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height, width of 20-100% of the area, its sides as 3 to 4 at most."""
    area = generator.uniform(0.2, 1.0)
    ratio = math.exp(generator.uniform(math.log(3 / 4), math.log(4 / 3)))
    height = min(side, max(1, round(side * math.sqrt(area / ratio))))
    width = min(side, max(1, round(side * math.sqrt(area * ratio))))
    top = int(generator.integers(0, side - height + 1))
    return top, int(generator.integers(0, side - width + 1)), height, width


def _jitter(image: Tensor, generator: np.random.Generator) -> Tensor:
    """Brightness, contrast, saturation by up to 40% and hue by up to a tenth, in random order."""
    factors = generator.uniform(0.6, 1.4, 3)
    hue = float(generator.uniform(-0.1, 0.1))
    steps = (
        lambda x: tv.adjust_brightness(x, float(factors[0])),
        lambda x: tv.adjust_contrast(x, float(factors[1])),
        lambda x: tv.adjust_saturation(x, float(factors[2])),
        lambda x: tv.adjust_hue(x, hue),
    )
    for index in generator.permutation(len(steps)):
        image = steps[index](image)
    return image


def restyle(image: Pixels, style: Style, generator: np.random.Generator) -> Pixels:
    """The same scene as another domain might show it; places stay where they are.

    ``grey`` drops colour, ``jitter`` changes brightness, contrast, saturation and hue,
    ``posterise`` keeps 3 bits of each channel, ``blur`` is Gaussian with a sigma of a hundredth of
    the side, and ``edges`` is the inverted strength of the grey image's gradient: dark on white.

    Args:
        image: uint8 (s, s, 3), s >= 2.
        style: see above.
        generator: of ``jitter``, the only random style: the same state changes every image alike.

    Returns:
        uint8 (s, s, 3), a new array.

    Raises:
        ConfigError: unknown style, or an image of another shape or type.
    """
    _check(image)
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    if style == "grey":
        tensor = tv.rgb_to_grayscale(tensor, num_output_channels=3)
    elif style == "jitter":
        tensor = _jitter(tensor, generator)
    elif style == "posterise":
        tensor = tv.posterize(tensor, bits=3)
    elif style == "blur":
        sigma = len(image) / 100
        tensor = tv.gaussian_blur(tensor, [2 * math.ceil(3 * sigma) + 1] * 2, [sigma] * 2)
    elif style == "edges":
        tensor = _edges(tensor)
    else:
        raise ConfigError(f"unknown style {style!r}: choose one of {', '.join(get_args(Style))}")
    return np.ascontiguousarray(tensor.permute(1, 2, 0).numpy())


def _edges(image: Tensor) -> Tensor:
    grey = tv.rgb_to_grayscale(image).float()[0]
    down, across = torch.gradient(grey)
    # A full step between two values spreads over two pixels, so doubling reaches black.
    strength = (2 * torch.hypot(down, across)).clamp(0, 255)
    return (255 - strength).round().to(torch.uint8).expand(3, -1, -1)


def patch_pseudo_anomaly(
    image: Pixels, generator: np.random.Generator, sides: tuple[int, int] = (16, 72)
) -> Pixels:
    """The image's texture without its shape: a grid of patches cut from anywhere in it.

    The patch-based non-semantic negatives of Ge et al. 2021 ("Robust contrastive learning using
    negative samples with diminished semantics"): draw one side d, fill a grid with d x d crops at
    independent uniform places, keep its top-left part.

    Args:
        image: uint8 (s, s, 3).
        generator: of every draw.
        sides: least and largest d for s = 224, scaled to other s.

    Returns:
        uint8 (s, s, 3), a new array that holds no value the image does not.

    Raises:
        ConfigError: impossible sides, or an image of another shape or type.
    """
    _check(image)
    if not 1 <= sides[0] <= sides[1] <= PUBLISHED_SIDE:
        raise ConfigError(f"patch sides must be ascending within 1..{PUBLISHED_SIDE}, not {sides}")
    side = len(image)
    least, most = (max(1, round(d * side / PUBLISHED_SIDE)) for d in sides)
    d = int(generator.integers(least, most + 1))
    n = side // d + 1
    corners = generator.integers(0, side - d + 1, (n, n, 2))
    grid = np.empty((n * d, n * d, 3), dtype=np.uint8)
    for row, column in np.ndindex(n, n):
        top, left = corners[row, column]
        patch = image[top : top + d, left : left + d]
        grid[row * d : (row + 1) * d, column * d : (column + 1) * d] = patch
    return np.ascontiguousarray(grid[:side, :side])


def _check(image: Pixels) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ConfigError(f"an image must be uint8 (s, s, 3), not {image.dtype} {image.shape}")
    if image.shape[0] != image.shape[1] or not image.shape[0]:
        raise ConfigError(f"an image must be square, not {image.shape[0]} x {image.shape[1]}")
