"""Hand-made patch features: places that differ, images that vary, and a flaw at a known place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.support import toy

from twofold.encoders.encode import EncodedImages
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config

Patches = NDArray[np.float32]
NAME = "patches@3"
SIDE = 4


def patches(n: int, seed: int = 0, shift: float = 0.0, ways: int | None = None) -> Patches:
    """(n, DIM, SIDE, SIDE): a mean of each place, a few directions of variation, noise.

    ``ways`` draws other directions.
    """
    shape = (toy.DIM, SIDE, SIDE)
    world, rng = np.random.default_rng(99), np.random.default_rng([seed, 3])
    mean = world.normal(0, 2, shape) + shift * world.normal(size=(toy.DIM, 1, 1))
    directions = world if ways is None else np.random.default_rng(ways)
    loadings = directions.normal(0, 0.4, (3, *shape))
    common = np.tensordot(rng.normal(size=(n, 3)), loadings, axes=1)
    return np.asarray(mean + common + rng.normal(0, 0.3, (n, *shape)), dtype=np.float32)


def flawed(n: int, place: tuple[int, int], seed: int = 1, size: float = 1.5) -> Patches:
    """Likewise with something else at one place."""
    values = patches(n, seed)
    direction = np.random.default_rng(5).normal(size=toy.DIM)
    values[:, :, place[0], place[1]] += (size * direction).astype(np.float32)
    return values


def with_twins(n: int) -> Patches:
    """The first eight of n images are one image, each with a flaw at another place."""
    values = patches(n)
    for image in range(8):
        values[image] = flawed(1, divmod(2 * image, SIDE), seed=9)[0]
    return values


def images(values: Patches, **others: Any) -> EncodedImages:
    return toy.from_arrays(**{NAME: values}, **others)


def fitting(name: str, source: Patches, pool: Patches | None, seed: int = 0, **options: Any) -> Any:
    """The fit of a registered method to patches; ``Any``, as tests look inside."""
    method = METHODS.load(name)
    config = parse_config(method, options)
    target = None if pool is None else images(pool)
    data = FitData(source=images(source), target_pool=target)
    return method(toy.encoder(), config).fit(data, random_state=seed)


def fit(name: str, source: Patches, pool: Patches | None, seed: int = 0, **options: Any) -> Any:
    """Likewise the fitted model alone."""
    return fitting(name, source, pool, seed, **options).model


def hottest(maps: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The place of each map's largest value."""
    flat = maps.reshape(len(maps), -1).argmax(axis=1)
    return [divmod(int(place), maps.shape[2]) for place in flat]
