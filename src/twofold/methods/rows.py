"""Rows of a set of images: random folds, the one that comes first, and their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError

__all__ = ["FOLDS", "HALVES", "check_labels", "first_by_name", "folds"]


# Leave 90% of the images to each fit: close to the final one, whose scores of new images are a
# little lower (on solar cells, 5% asked, 3.3% realised; with five folds 2.2%). Fits that take long
# have fewer.
FOLDS = 10
# Each fold costs a training run, so there are as few as can be.
HALVES = 2


def folds(
    groups: NDArray[np.integer], k: int, random_state: int, labels: NDArray[np.int64] | None = None
) -> list[NDArray[np.bool_]]:
    """A random partition into at most k folds of nearly equal size, as masks (n,).

    Images of one group stay together: a fit that has seen a copy of an image has seen the image.
    Where that would leave fewer than half of the images to a fit, they are taken one by one.

    Args:
        groups: int (n,), see :meth:`twofold.encoders.encode.EncodedImages.grouping`.
        k: >= 2.
        random_state: of the partition.
        labels: int (n,); each fold gets its share of each.
    """
    n = len(groups)
    _, start, place = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(place)
    if len(sizes) < 2 or sizes.max() > n // 2:
        start, place, sizes = np.arange(n), np.arange(n), np.ones(n, dtype=np.intp)
    # By first appearance, whatever the groups are called.
    by_row = np.argsort(start, kind="stable")
    order = by_row[np.random.default_rng(random_state).permutation(len(start))]
    if labels is not None:
        order = order[np.argsort(labels[start[order]], kind="stable")]
    filled = np.zeros(min(k, len(start)), dtype=np.intp)
    fold = np.empty(len(start), dtype=np.intp)
    for group in order:
        fold[group] = int(filled.argmin())
        filled[fold[group]] += sizes[group]
    return [fold[place] == i for i in range(len(filled))]


def first_by_name(images: EncodedImages) -> EncodedImages:
    """The one image whose name sorts first: a ``source_reference`` that no random state changes."""
    return images.subset(np.array([min(range(len(images)), key=lambda row: images.names[row])]))


def check_labels(labels: NDArray[np.int64], n: int) -> None:
    """Refuse what is not one label for each image of a pool.

    Raises:
        ConfigError: it is not.
    """
    if labels.shape != (n,) or not np.isin(labels, (0, 1)).all():
        raise ConfigError(f"target_labels must hold one 0 or 1 for each of the {n} pool images")
