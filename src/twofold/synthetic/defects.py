"""Local defects painted on an image of a normal object, with the mask of what was painted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import ConfigError
from twofold.synthetic._checks import Pixels, check_image
from twofold.synthetic.outlines import curve, rectangle, star

if TYPE_CHECKING:
    from scipy import ndimage
else:
    ndimage = deferred("scipy.ndimage")

__all__ = ["CONTRAST", "DEFECTS", "VISIBLE", "Defective", "add_defect"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CONTRAST: Final = 12.0
"""Least mean absolute grey change inside a mask, in levels; grey is the mean of the channels.

About 5% of the range: on a plain surface seen without effort.
"""
VISIBLE: Final = 4.0
"""Least absolute grey change of each single pixel of a mask, in levels.

Below it an edge is not seen, and the pixel would be labelled anomalous for nothing.
"""
# Above a half the defect is the image and its surroundings are the exception.
_MOST_AREA: Final = 0.5
_SOURCES: Final = 20  # places tried for a patch before its contrast is raised


@dataclass(frozen=True, eq=False)
class Defective:
    """An image with one defect.

    Attributes:
        image: uint8 (h, w, 3), bit-identical to the original where ``mask`` is False.
        mask: bool (h, w), True at each pixel that was changed.
        kind: one of ``DEFECTS``.
    """

    image: Pixels
    mask: Mask
    kind: str


def add_defect(
    image: Pixels,
    kind: str,
    rng: np.random.Generator,
    *,
    area: tuple[float, float] = (0.005, 0.03),
    donor: Pixels | None = None,
) -> Defective:
    """Paint one defect of a random place, size and shape on a copy of ``image``.

    The share of changed pixels is drawn log-uniformly from ``area`` and met to the pixel: the mask
    has max(1, round(share h w)) of them. Inside the mask each pixel's grey changes by ``VISIBLE``
    levels or more and the mean change is ``CONTRAST`` or more. Where a kind cannot be seen by
    itself, as on a flat image a patch of it or a missing part, the painted part is darkened (or
    lightened, if it lies on dark ground) until it can: no image makes a kind impossible.

    Args:
        image: uint8 (h, w, 3), sides of 16 px or more; left alone.
        kind: one of ``DEFECTS``.
        rng: of every draw; the same state gives the same defect.
        area: least and greatest share of the image, 0 < least <= greatest <= 0.5.
        donor: image of at least the same height and width to cut patches from; ``cut_paste`` only.

    Raises:
        ConfigError: an unknown kind, an impossible area, a donor too small or for another kind.
        UsageError: an image or donor of another type or shape.
    """
    _check(image, kind, area, donor)
    share = math.exp(rng.uniform(math.log(area[0]), math.log(area[1])))
    pixels = max(1, round(share * image.shape[0] * image.shape[1]))
    outline, paint = _KINDS[kind]
    depths = outline((image.shape[0], image.shape[1]), pixels, rng)
    mask = depths < 1
    painted = paint(image, depths, rng) if donor is None else _pasted(donor, image, mask, rng)
    if (image == image[..., :1]).all():
        painted = np.repeat(painted.mean(axis=-1, keepdims=True), 3, axis=-1)
    changed = image.copy()
    changed[mask] = _each_visible(image[mask], _raised(image[mask], painted[mask]))
    return Defective(changed, mask, kind)


def _check(image: Pixels, kind: str, area: tuple[float, float], donor: Pixels | None) -> None:
    if kind not in DEFECTS:
        raise ConfigError(f"kind: unknown defect {kind!r}; known: {', '.join(DEFECTS)}")
    if not 0 < area[0] <= area[1] <= _MOST_AREA:
        raise ConfigError(f"area: wanted 0 < least <= greatest <= {_MOST_AREA}, got {area}")
    check_image(image)
    if donor is None:
        return
    check_image(donor, "donor")
    if kind != "cut_paste":
        raise ConfigError(f"donor: {kind!r} takes none; only 'cut_paste' does")
    if donor.shape[0] < image.shape[0] or donor.shape[1] < image.shape[1]:
        raise ConfigError(
            f"donor: smaller than the image, {donor.shape[:2]} < {image.shape[:2]}; enlarge it"
        )


def _grey(pixels: Pixels | Array) -> Array:
    """Mean of the channels, (..., 3) to (...), 0..255."""
    return np.asarray(pixels.mean(axis=-1, dtype=np.float64))


def _rounded(pixels: Array) -> Pixels:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _raised(before: Pixels, painted: Array) -> Pixels:
    """``painted`` (n, 3), mixed with black or white until its mean change is ``CONTRAST``.

    The end farther from the ground is 127.5 levels or more away from it on average, so that some
    mixture always has the contrast.
    """
    ground = _grey(before)
    end = 0.0 if ground.mean() >= 127.5 else 255.0
    for share in np.linspace(0, 1, 41):
        mixed = _rounded(painted + share * (end - painted))
        if np.abs(_grey(mixed) - ground).mean() >= CONTRAST:
            break
    return mixed


def _each_visible(before: Pixels, after: Pixels) -> Pixels:
    """``after`` (n, 3), its pixels of almost unchanged grey moved ``VISIBLE`` from ``before``.

    They move towards black or white, whichever is farther, which keeps their hue. Rounding costs
    at most half a level, hence one level in reserve.
    """
    grey = _grey(before)
    way = np.where(grey >= 127.5, 0.0, 255.0) - grey
    end = np.where(way < 0, 0.0, 255.0)[:, None]
    moved = before + (end - before) * ((VISIBLE + 1) / np.abs(way))[:, None]
    unseen = np.abs(_grey(after) - grey) < VISIBLE
    return np.where(unseen[:, None], _rounded(moved), after)


def _sign(ground: float, rng: np.random.Generator) -> float:
    """1 for lighter, -1 for darker; random where there is room for both."""
    if not 64 <= ground <= 191:
        return 1.0 if ground < 64 else -1.0
    return float(rng.choice([-1.0, 1.0]))


def _scratched(image: Pixels, depths: Array, rng: np.random.Generator) -> Array:
    """Darker or lighter by 30 to 90 levels on the line's middle, by half of that on its rim."""
    change = rng.uniform(30, 90) * _sign(float(_grey(image)[depths < 1].mean()), rng)
    return image + change * (1 - 0.5 * np.clip(depths, 0, 1) ** 2)[..., None]


def _stained(image: Pixels, depths: Array, rng: np.random.Generator) -> Array:
    """Darker or lighter by 25 to 80 levels, tinted; a third of that on the rim."""
    change = rng.uniform(25, 80) * _sign(float(_grey(image)[depths < 1].mean()), rng)
    tint = rng.uniform(0.4, 1.6, 3)
    outward = np.clip((depths - 0.4) / 0.6, 0, 1)
    strength = 1 - 2 / 3 * outward**2 * (3 - 2 * outward)
    return np.asarray(image + change * strength[..., None] * (tint / tint.mean()))


def _filled(image: Pixels, depths: Array, rng: np.random.Generator) -> Array:
    """The smoothed surroundings: a mean over pixels outside the mask, weighted by nearness.

    Three box filters in a row stand for a Gaussian. Pixels farther inside than they reach take
    the mean of the whole outside.
    """
    del rng
    mask = depths < 1
    known = np.where(mask[..., None], 0.0, np.dstack([image, np.ones_like(mask)]))
    far = known.sum(axis=(0, 1)) / known[..., 3].sum()
    size = 2 * math.ceil(math.sqrt(mask.sum()) / 2) + 1
    for _ in range(3):
        known = ndimage.uniform_filter(known, size=(size, size, 1), mode="constant")
    known += 1e-6 * far
    return np.asarray(known[..., :3] / known[..., 3:])


def _cut_from_itself(image: Pixels, depths: Array, rng: np.random.Generator) -> Array:
    return _pasted(image, image, depths < 1, rng)


def _pasted(source: Pixels, image: Pixels, mask: Mask, rng: np.random.Generator) -> Array:
    """``image`` with the masked pixels taken from elsewhere in ``source``, (h, w, 3).

    Of the places drawn, the first with enough contrast, or else the one with the most.
    """
    rows, columns = np.nonzero(mask)
    down = -rows.min(), source.shape[0] - rows.max()
    right = -columns.min(), source.shape[1] - columns.max()
    ground = _grey(image[mask])
    best, most = image[mask], -1.0
    for _ in range(_SOURCES):
        patch = source[rows + rng.integers(*down), columns + rng.integers(*right)]
        contrast = float(np.abs(_grey(patch) - ground).mean())
        if contrast > most:
            best, most = patch, contrast
        if most >= CONTRAST:
            break
    painted = image.astype(np.float64)
    painted[mask] = best
    return painted


_Outline = Callable[[tuple[int, int], int, np.random.Generator], Array]
_Paint = Callable[[Pixels, Array, np.random.Generator], Array]
_KINDS: Final[dict[str, tuple[_Outline, _Paint]]] = {
    "cut_paste": (rectangle, _cut_from_itself),
    "scratch": (curve, _scratched),
    "blob": (star, _stained),
    "missing": (star, _filled),
}
DEFECTS: Final = tuple(_KINDS)
"""The kinds of defects; on an image without colours they have none either.

``cut_paste``: a patch from elsewhere in the image, or anywhere in a donor, inside a turned
rectangle (CutPaste, Li et al. 2021, with the angles of its scars; the patch itself is not turned).
``scratch``: a thin curved line, darker or lighter. ``blob``: a stain with a soft rim, darker or
lighter and tinted. ``missing``: a part filled with the smoothed surroundings, its texture gone.
"""
