"""Patches without places: a bank of normal patches, of a contaminated pool and of the source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.densities import central, n_central
from twofold.errors import CollapseError, NotEnoughImagesError
from twofold.eyes.coreset import greedy_centers
from twofold.eyes.gaussians import only_looked_at, top_mean
from twofold.eyes.neighbours import nearest_squares

__all__ = ["BankFit", "FreeBank", "fit_bank"]

Floats = NDArray[np.float32]
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Rows of a bank. Greedily chosen, 500 rows rank boards with flaws nearly as well as 2,000 (AUROC
# 99.7 and 99.8, mean of three oddest places), and 8,000 drawn at random worse (98.2).
_ROWS = 2000
# Patches that the rows are chosen from, of either domain: 60 images give 1,000 each. The greedy
# choice reads all of them once for every row.
_DRAWN = 60_000
# Directions in which patches vary less than a hundredth of the mean variance are not stretched
# further: there a network's channels are all but dead, and what varies is rounding.
_LEAST_VARIANCE = 0.01


@dataclass(frozen=True)
class FreeBank:
    """Normal patches, wherever in an image they were; what is far from all of them is odd.

    Attributes:
        mean: float32 (c,), of the target's patches.
        whitening: float32 (c, c), makes the variance of patches the same in all directions.
        rows: float32 (k, c), distinct, whitened.
    """

    mean: Floats
    whitening: Floats
    rows: Floats

    def squared_distances(
        self, patches: NDArray[np.floating], looked_at: Mask | None = None
    ) -> Array:
        """Squared whitened distance of each patch to its nearest row, float64 (n, g * h).

        Args:
            patches: (n, c, g, h), an array or rows on disk. Cost O(n g h k c).
            looked_at: bool (n, g * h), patches that count; the others are at 0.
        """
        found = np.empty((len(patches), math.prod(patches.shape[2:])))
        for row, image in zip(found, _images(patches), strict=True):
            row[:] = nearest_squares(self.whiten(image), self.rows)
        return only_looked_at(found, looked_at)

    def only(self, rows: Mask) -> FreeBank:
        """The bank of some of the rows, bool (k,); the whole one where there are none."""
        return FreeBank(self.mean, self.whitening, self.rows[rows]) if rows.any() else self

    def whiten(self, patches: Floats) -> Floats:
        """Patches (p, c) as the rows are."""
        return np.ascontiguousarray((patches - self.mean) @ self.whitening, dtype=np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything it consists of."""
        return {"mean": self.mean, "whitening": self.whitening, "rows": self.rows}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]], channels: int) -> FreeBank:
        """Inverse of :meth:`state`.

        Raises:
            ValueError: the shapes or types do not belong together, or a number is not finite.
        """
        mean, whitening, rows = (state[name] for name in ("mean", "whitening", "rows"))
        shapes = (mean.shape, whitening.shape, rows.shape[1:])
        if shapes != ((channels,), (channels, channels), (channels,)) or not len(rows):
            raise ValueError(f"a bank of shapes {mean.shape}, {whitening.shape}, {rows.shape}")
        for array in (mean, whitening, rows):
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError("a bank holds finite float32 numbers")
        return cls(mean, whitening, rows)


@dataclass(frozen=True)
class BankFit:
    """A bank as it was fitted.

    Attributes:
        model: what scores patches.
        kept: the presumed normals of the pool, bool (n,).
        distances: float64 (n, g * g), of the pool's patches to rows of other groups.
        owners: int64 (k,), the group that each row of the model is of; -1 for the source.
    """

    model: FreeBank
    kept: Mask
    distances: Array
    owners: NDArray[np.int64]


def fit_bank(
    source: NDArray[np.floating] | None,
    pool: NDArray[np.floating],
    groups: NDArray[np.integer],
    *,
    trim: float,
    random_state: int,
    source_looked_at: Mask | None = None,
    looked_at: Mask | None = None,
    known: Mask | None = None,
) -> BankFit:
    """Fit to the source's patches and those of the pool's most normal images.

    1. Patches are drawn at random from source and pool, whitened by the pool's covariance; each
       domain is centred on its own mean, so that a shift of the mean costs nothing.
    2. A greedy coreset of both (Roth et al. 2022, algorithm 1; the largest distance of a drawn
       patch to its nearest row is at most twice the least possible, Gonzalez 1985).
    3. Each image of the pool is scored by the rows that are not of its own group; the share
       ``trim`` of the oddest images is left out, and 1 and 2 are done again without them. So an
       anomaly explains itself only where another group has it too.

    Args:
        source: (m, c, g, g) of normals, m >= 1; None leaves it out.
        pool: (n, c, g, g), n >= 2.
        groups: int (n,), equal for images that are no independent draws.
        trim: share of the pool left out, in [0, 0.5].
        random_state: of the draws.
        source_looked_at: bool (m, g * g), patches of the source that count; None for all.
        looked_at: bool (n, g * g), the same of the pool. The others are not drawn, and are at 0.
        known: images of the pool that are known to be normal, bool (n,): none of them is left out.

    Raises:
        NotEnoughImagesError: fewer than two images of the pool.
        CollapseError: all patches of the pool are the same.
    """
    n = len(pool)
    if n < 2:
        raise NotEnoughImagesError(f"a bank of patches needs at least 2 target images, got {n}")
    kept = np.ones(n, dtype=np.bool_)
    shown = (source_looked_at, looked_at)
    model, owners = _build(source, pool, groups, kept, random_state, shown)
    distances = only_looked_at(_of_others(model, owners, pool, groups), looked_at)
    count = n_central(n, trim)
    if count < n:
        kept = central(top_mean(distances, looked_at=looked_at), count, known)
        model, owners = _build(source, pool, groups, kept, random_state, shown)
        distances = only_looked_at(_of_others(model, owners, pool, groups), looked_at)
    return BankFit(model, kept, distances, owners)


def _build(
    source: NDArray[np.floating] | None,
    pool: NDArray[np.floating],
    groups: NDArray[np.integer],
    kept: Mask,
    random_state: int,
    shown: tuple[Mask | None, Mask | None],
) -> tuple[FreeBank, NDArray[np.int64]]:
    """A bank, and the group that each row is of; -1 for the source.

    ``shown`` are the patches of source and pool that count.
    """
    rng = np.random.default_rng(random_state)
    own, images = _drawn(pool, np.flatnonzero(kept), rng, shown[1])
    mean = own.mean(axis=0, dtype=np.float64)
    # In place: in float64 these patches take most of the memory of a fit.
    own -= mean
    whitening = _whitening(own)
    rows, owners = (own @ whitening).astype(np.float32), groups[images].astype(np.int64)
    del own
    if source is not None:
        lent, _ = _drawn(source, np.arange(len(source)), rng, shown[0])
        lent -= lent.mean(axis=0, dtype=np.float64)
        rows = np.concatenate([rows, (lent @ whitening).astype(np.float32)])
        owners = np.concatenate([owners, np.full(len(lent), -1)])
        del lent
    chosen = greedy_centers(rows, _ROWS, rng)
    model = FreeBank(mean.astype(np.float32), whitening.astype(np.float32), rows[chosen])
    return model, owners[chosen]


def _drawn(
    patches: NDArray[np.floating],
    images: NDArray[np.intp],
    rng: np.random.Generator,
    looked_at: Mask | None = None,
) -> tuple[Array, NDArray[np.intp]]:
    """Patches of some images, as many of each, float64 (r, c), and the image of each."""
    places = patches.shape[2] * patches.shape[3]
    images = images if len(images) <= _DRAWN else rng.choice(images, _DRAWN, replace=False)
    each = min(places, max(1, _DRAWN // len(images)))
    rows, owners = [], []
    for image in images:
        chosen = np.arange(places) if looked_at is None else np.flatnonzero(looked_at[image])
        if each < len(chosen):
            chosen = rng.choice(chosen, each, replace=False)
        rows.append(patches[image].reshape(patches.shape[1], -1).T[chosen])
        owners.append(np.full(len(chosen), image))
    return np.concatenate(rows, dtype=np.float64), np.concatenate(owners)


def _whitening(centred: Array) -> Array:
    """A matrix that makes the variance of rows (r, c) one in all directions that vary."""
    covariance = centred.T @ centred / len(centred)
    level = float(np.trace(covariance)) / len(covariance)
    if level <= 0:
        raise CollapseError("all patches of the target are the same: nothing to tell apart")
    ridged = covariance + _LEAST_VARIANCE * level * np.eye(len(covariance))
    return np.asarray(np.linalg.inv(np.linalg.cholesky(ridged)).T)


def _of_others(
    model: FreeBank,
    owners: NDArray[np.int64],
    pool: NDArray[np.floating],
    groups: NDArray[np.integer],
) -> Array:
    """Distances (n, p) of the pool's patches to the rows that are not of their own group."""
    found = []
    for image, group in zip(_images(pool), groups, strict=True):
        own = owners == group
        # Where nothing else is there, its own rows are better than none.
        excluded = None if own.all() or not own.any() else own
        found.append(nearest_squares(model.whiten(image), model.rows, excluded))
    return np.stack(found)


def _images(patches: NDArray[np.floating]) -> Iterator[Floats]:
    """The patches of each image, float32 (p, c)."""
    for image in patches:
        yield np.ascontiguousarray(image.reshape(len(image), -1).T, dtype=np.float32)
