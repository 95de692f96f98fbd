"""Rows of a set of images: random folds, the one that comes first, and their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError

__all__ = ["FOLDS", "check_labels", "first_by_name", "folds"]


# Leave 80% of the images to each fit: close to the final one. Fits that take long have fewer.
FOLDS = 5


def folds(
    n: int, k: int, random_state: int, labels: NDArray[np.int64] | None = None
) -> list[NDArray[np.bool_]]:
    """A random partition of n rows into at most k folds of nearly equal size, as masks.

    With labels (n,), each fold gets its share of each.
    """
    order = np.random.default_rng(random_state).permutation(n)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    return [np.isin(np.arange(n), order[i::k]) for i in range(min(k, n))]


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
