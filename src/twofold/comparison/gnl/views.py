"""GNL's training data: the frozen teacher's maps of each image and of its other versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.augmentation.augmix import augmix
from twofold.comparison.gnl.teacher import Teacher, grey
from twofold.losses import gnl_loss
from twofold.training import Step, as_batch

__all__ = ["GnlObjective", "Views", "encode_views"]

Maps = tuple[NDArray[np.float32], ...]

# Images per pass; the activations of early layers take a few MB each.
_BLOCK = 8


@dataclass(frozen=True)
class Views:
    """Teacher maps, one float32 array (n, c_l, h_l, w_l) per level, the finest first.

    An image takes ``4 (2 + augmix_views) sum_l c_l h_l w_l`` bytes: with one AugMix version at 224
    pixels 1.5 MB for EfficientNet-Lite0 and 17 MB for ResNet-50 (strides 4, 8, 16).

    Attributes:
        original: of the images.
        mixed: of their AugMix versions, one entry per version.
        grey: of the images without colour.
    """

    original: Maps
    mixed: tuple[Maps, ...]
    grey: Maps

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """(c, h, w) of each level."""
        return [level.shape[1:] for level in self.original]

    def __len__(self) -> int:
        return len(self.original[0])


def encode_views(
    teacher: Teacher,
    pixels: NDArray[np.generic],
    n_mixed: int,
    random_state: int,
    progress: Callable[[int, int], None],
) -> Views:
    """Make and encode every version of every image, once.

    Args:
        teacher: frozen.
        pixels: uint8 values (n, s, s, 3), possibly made on demand; read a few rows at a time.
        n_mixed: AugMix versions of each image.
        random_state: of AugMix.
        progress: called with (images done, images in all).
    """
    generator = np.random.default_rng(random_state)
    n = len(pixels)
    found: list[list[NDArray[np.float32]]] = []
    for start in range(0, n, _BLOCK):
        images = pixels[start : start + _BLOCK].astype(np.uint8)
        rows = slice(start, start + len(images))
        plain = teacher.inputs(images)
        versions = [plain, grey(plain)]
        for _ in range(n_mixed):
            mixed = np.stack([augmix(image, generator) for image in images])
            versions.append(teacher.inputs(mixed))
        encoded = [teacher.maps(version) for version in versions]
        if not found:
            found = [[_room(n, level) for level in maps] for maps in encoded]
        for arrays, maps in zip(found, encoded, strict=True):
            for array, level in zip(arrays, maps, strict=True):
                array[rows] = level.numpy()
        progress(rows.stop, n)
    original, colourless, *mixed_maps = (tuple(arrays) for arrays in found)
    return Views(original, tuple(mixed_maps), colourless)


def _room(n: int, level: Tensor) -> NDArray[np.float32]:
    return np.empty((n, *level.shape[1:]), dtype=np.float32)


class GnlObjective:
    """The loss of one step: each image once per epoch, in a fresh order.

    The three versions pass through the student one after the other, as in the release, so that its
    normalisation sees each version by itself while training.

    Args:
        views: of the source.
        batch: images per step, or all of them where there are fewer.
        weights: of the three losses.
        generator: of the order, and of which AugMix version is taken.
    """

    def __init__(
        self,
        views: Views,
        batch: int,
        weights: tuple[float, float, float],
        generator: torch.Generator,
    ) -> None:
        self._views, self._batch, self._weights = views, min(batch, len(views)), weights
        self._generator = generator
        self._waiting: NDArray[np.intp] = np.empty(0, dtype=np.intp)

    def __call__(self, module: nn.Module, step: Step) -> Tensor:
        """See :data:`twofold.training.StepLoss`."""
        if step.starts_epoch:
            order = torch.randperm(len(self._views), generator=self._generator)
            self._waiting = order.numpy()
        rows, self._waiting = np.split(self._waiting, [self._batch])
        which = int(torch.randint(len(self._views.mixed), (), generator=self._generator))
        device = next(module.parameters()).device
        original, mixed, colourless = (
            tuple(as_batch(level[rows], device) for level in maps)
            for maps in (self._views.original, self._views.mixed[which], self._views.grey)
        )
        seen = module(original)
        others = [module(mixed), module(colourless)]
        return gnl_loss(original, seen, others, self._weights)
