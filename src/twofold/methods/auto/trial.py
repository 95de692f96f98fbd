"""How well a way of looking sees made-up flaws on images that it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.encoders.outputs import batch_of
from twofold.encoders.sides import split_side
from twofold.images import ImageSet, Masks
from twofold.methods.auto.way import Way
from twofold.synthetic import GRADES, LEAST_SIDE, graded_flaws

__all__ = ["LEAST_POOL", "FlawTrial", "make_trial", "separation"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Presumed normals that are held out and get flaws: with 24 of each, an AUROC has a standard error
# of at most .09 a size, and .03 as the mean over sizes.
_HELD_OUT = 24
# The rest has to stand for the whole pool: at most a quarter is held out.
_MOST_SHARE = 0.25
# Images, as they are and with seven flaws, that are scored together.
_AT_A_TIME = 8
# No way sees more; painting and decoding take time with the area.
_MOST_SIDE = 2048
LEAST_POOL = 32
"""Images of a pool below which nothing is held out: fewer than eight would be, and say little."""


@dataclass(frozen=True)
class FlawTrial:
    """Held-out presumed normals, as they are and with made-up flaws.

    Attributes:
        pool: with its originals.
        rows: int (h,), of the pool.
        donors: int (h,), of the pool: the image that patches are cut from.
        held_out: bool (n,), the images of the pool that nothing which scores them may have seen:
            their whole groups.
        random_state: of the flaws; the same for every way.
        outputs: that every image is encoded with, besides those of the way in question: flaws are
            painted and images decoded once for all.
        seen: the images with the outputs last asked for.
    """

    pool: EncodedImages
    rows: NDArray[np.intp]
    donors: NDArray[np.intp]
    held_out: Mask
    random_state: int
    outputs: tuple[str, ...] = ()
    seen: dict[tuple[str, ...], list[EncodedImages]] = field(default_factory=dict, repr=False)

    def scores(self, way: Way) -> tuple[Array, Array]:
        """Scores of the clean images, float64 (h,), and of the flawed ones, (s, h).

        Args:
            way: fitted to the pool, or to a part of it if it is separable. Its models that score
                do without the held-out images; banks, where that costs nothing, each without the
                image that it scores.

        Raises:
            ImageSourceError: an image has changed or gone meanwhile.
        """
        seen = self._seen_as(way.config.outputs())
        if way.separable:
            groups = self.pool.grouping()[self.rows]
            found = [
                way.without_group(int(group)).score(images)
                for group, images in zip(groups, seen, strict=True)
            ]
        else:
            other = way.without(self.held_out)
            found = [other.score(images) for images in _together(seen)]
        scores = np.concatenate(found).reshape(len(self.rows), -1).T
        return scores[0], scores[1:]

    def _seen_as(self, outputs: tuple[str, ...]) -> list[EncodedImages]:
        """Each held-out image, as it is and with flaws, encoded."""
        outputs = tuple(dict.fromkeys((*self.outputs, *outputs)))
        if outputs not in self.seen:
            assert self.pool.originals is not None
            frozen = self.pool.originals.frozen
            # Maps of large images would fill the cache with what only this very fit asks for.
            frozen = frozen.with_outputs(outputs, cached=not _any_large(outputs, frozen.encoder))
            self.seen.clear()
            self.seen[outputs] = [
                _without_pixels(frozen.encode(images, strict=True)) for images in self._painted()
            ]
        return self.seen[outputs]

    def sides(self) -> Array:
        """Side in pixels of a square as large as a flaw, median over the images, float64 (s,)."""
        assert self.pool.originals is not None
        sizes = self.pool.originals.subset(self.rows).sizes()
        area = float(np.median([width * height for width, height in sizes]))
        return np.sqrt(np.maximum(1.0, np.array(GRADES) * area))

    def _painted(self) -> Iterator[ImageSet]:
        """Each held-out image as it is, and with one flaw of each size.

        All of them are reduced alike, so that nothing but the flaw tells them apart.
        """
        originals = self.pool.originals
        assert originals is not None
        rng = np.random.default_rng(self.random_state)
        for step, (row, donor) in enumerate(zip(self.rows, self.donors, strict=True)):
            image, other = (originals.pixels(one, _MOST_SIDE) for one in (row, donor))
            mask = originals.mask(row, (image.shape[1], image.shape[0]))
            looked_at = None if mask is None else mask.looked_at
            flaws = [flaw.image for flaw in graded_flaws(image, step, rng, other, looked_at)]
            painted = ImageSet.from_array(np.stack([image, *flaws]))
            yield painted if mask is None else painted.masked(Masks(mask))


def _any_large(outputs: tuple[str, ...], encoder: Encoder) -> bool:
    """Whether an output sees images so large that an engine takes them one by one."""
    shapes = (split_side(name, encoder)[1].spec.preprocessing.shape for name in outputs)
    return any(batch_of(shape) == 1 for shape in shapes)


def _without_pixels(images: EncodedImages) -> EncodedImages:
    """Only what was encoded: pixels in memory would take more room; masks say what counts."""
    masked = images.originals is not None and images.originals.images.masks is not None
    return images if masked else replace(images, originals=None)


def _together(seen: list[EncodedImages]) -> Iterator[EncodedImages]:
    """The same images, several at a time: each product of matrices is of that many rows anyway.

    Those with masks stay by themselves, as each has its own.
    """
    for start in range(0, len(seen), _AT_A_TIME):
        some = seen[start : start + _AT_A_TIME]
        if any(images.originals is not None for images in some):
            yield from some
            continue
        yield EncodedImages(
            names=tuple(name for images in some for name in images.names),
            digests=tuple(digest for images in some for digest in images.digests),
            arrays={
                name: np.concatenate([images[name] for images in some]) for name in some[0].arrays
            },
            kept=np.arange(sum(len(images) for images in some)),
        )


def separation(clean: Array, flawed: Array) -> Array:
    """AUROC of flawed against clean images for each size, float64 (s,).

    Args:
        clean: float64 (h,).
        flawed: float64 (s, h).
    """
    above = flawed[:, :, None] > clean
    ties = flawed[:, :, None] == clean
    return np.asarray((above + 0.5 * ties).mean(axis=(1, 2)))


def make_trial(pool: EncodedImages, normal: Mask, *, random_state: int) -> FlawTrial | None:
    """Choose what is held out.

    Args:
        pool: target images.
        normal: bool (n,), presumed normals.
        random_state: of the images and flaws.

    Returns:
        None where the pool is too small, or nobody can look at its images again.

    Raises:
        ImageSourceError: an image has changed or gone meanwhile.
    """
    if pool.originals is None or len(pool) < LEAST_POOL:
        return None
    rng = np.random.default_rng(random_state)
    rows = _held_out(pool, normal, rng)
    groups = pool.grouping()
    held_out = np.isin(groups, groups[rows])
    # Patches of other images are cut from those that stay.
    staying = np.flatnonzero(~held_out & normal)
    if not len(rows) or len(staying) < 2:
        return None
    return FlawTrial(pool, rows, rng.choice(staying, len(rows)), held_out, random_state)


def _held_out(pool: EncodedImages, normal: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of some presumed normals that are large enough to be painted on, one of a group."""
    assert pool.originals is not None
    groups = pool.grouping()
    sizes = np.array(pool.originals.sizes())
    shrunk = np.minimum(1.0, _MOST_SIDE / sizes.max(axis=1))
    able = np.flatnonzero(normal & (sizes.min(axis=1) * shrunk >= LEAST_SIDE))
    able = rng.permutation(able)
    _, first = np.unique(groups[able], return_index=True)
    able = able[np.sort(first)]
    return np.sort(able[: min(_HELD_OUT, int(_MOST_SHARE * len(pool)))])
