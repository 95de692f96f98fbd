"""Views and pseudo-anomalies of a few images, and how a batch draws from them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator

from twofold.augmentation.policies import (
    PUBLISHED_SIDE,
    Policy,
    augment,
    patch_pseudo_anomaly,
)

__all__ = ["PatchSides", "draw_views", "pseudo_anomalies", "views_of"]

Pixels = NDArray[np.uint8]


def _ascending(pair: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= pair[0] <= pair[1] <= PUBLISHED_SIDE:
        raise ValueError(f"give two ascending numbers within 1..{PUBLISHED_SIDE}")
    return pair


PatchSides = Annotated[tuple[int, int], AfterValidator(_ascending)]
"""Least and greatest side of a patch, in pixels of an image of 224."""


def views_of(
    images: NDArray[np.generic], views: int, policy: Policy, generator: np.random.Generator
) -> Pixels:
    """Random views, those of an image one after another.

    Args:
        images: uint8 values (n, s, s, 3), n >= 1.
        views: of each image, >= 1.
        policy: see :func:`twofold.augmentation.augment`.
        generator: of every draw.

    Returns:
        uint8 (n * views, s, s, 3).
    """
    pixels = images.astype(np.uint8)
    return np.stack([augment(image, policy, generator) for image in pixels for _ in range(views)])


def draw_views(n: int, views: int, quota: int, generator: torch.Generator) -> NDArray[np.intp]:
    """Rows of :func:`views_of` for one batch: every image as often as every other, up to one.

    Args:
        n: images, >= 1.
        views: of each image, >= 1; any of them, by chance.
        quota: rows, without an image twice where there are enough images.
        generator: of every draw.
    """
    passes = [torch.randperm(n, generator=generator) for _ in range(-(-quota // n))]
    rows = torch.cat(passes)[:quota]
    if views > 1:
        rows = rows * views + torch.randint(views, (quota,), generator=generator)
    return rows.numpy().astype(np.intp)


def pseudo_anomalies(
    images: NDArray[np.generic], sides: tuple[int, int], generator: np.random.Generator
) -> Pixels:
    """A patch-based pseudo-anomaly of each image.

    Args:
        images: uint8 values (n, s, s, 3), n >= 1.
        sides: see :func:`twofold.augmentation.patch_pseudo_anomaly`.
        generator: of every draw.

    Returns:
        uint8 (n, s, s, 3).
    """
    pixels = images.astype(np.uint8)
    return np.stack([patch_pseudo_anomaly(image, generator, sides) for image in pixels])
