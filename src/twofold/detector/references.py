"""A few presumed normals of either domain, kept to be shown beside new images."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.bundle import Bundle
from twofold.densities import power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.errors import BundleError, ImageError, ImageSourceError
from twofold.images.decode import refusing

__all__ = [
    "MOST_REFERENCES",
    "Reference",
    "References",
    "picture_of",
    "read_references",
    "reference_arrays",
    "reference_images",
    "spread_rows",
]

MOST_REFERENCES = 200
"""Images kept of a domain: enough that a new image finds one of its kind among a dozen kinds."""
SIDE = 96
"""Longer side of a kept picture in pixels."""
_QUALITY = 80
# A picture of 96 pixels has some 3 KB; no honest one comes near this.
_MOST_BYTES = 65_536
_PREFIX = "references."

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reference:
    """Presumed normals of one domain.

    Attributes:
        vectors: float16 (n, d), power-normalised pooled vectors.
        scores: float64 (n,) ascending: of the target the out-of-sample scores of the fit; of the
            source the distance from the source's mean vector, which says how usual an image is
            there and cannot be compared with scores.
        pictures: n JPEG files, the longer side at most 96 pixels. Those of a loaded model are not
            trusted: see :func:`picture_of`.
    """

    vectors: NDArray[np.float16]
    scores: Array
    pictures: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, eq=False)
class References:
    """Presumed normals of both domains.

    Attributes:
        source: of the source.
        target: of the target pool: those that the threshold presumes normal; empty without a pool.
    """

    source: Reference
    target: Reference


def spread_rows(scores: Array, most: int) -> NDArray[np.int64]:
    """Rows spread evenly over the ranks of scores, from the lowest to the highest.

    The most typical images alone would show nothing like a borderline one, and a random draw can
    leave out a rare kind; an even spread over the ranks has both, and is the same each time.

    Args:
        scores: float64 (n,).
        most: rows wanted, >= 2; all if there are no more.

    Returns:
        int64 (min(n, most),), by ascending score.
    """
    order = np.argsort(scores, kind="stable")
    places = np.rint(np.linspace(0, len(order) - 1, min(most, len(order)))).astype(np.int64)
    return np.asarray(order[places], dtype=np.int64)


def reference_images(
    source: EncodedImages, pool: EncodedImages | None, scores: Array, threshold: float
) -> References | None:
    """The images to keep of a fit.

    Args:
        source: usable, with pooled vectors.
        pool: usable, with pooled vectors; or None.
        scores: float64 (n,), out of sample, of the pool.
        threshold: a pool image that scores above it is not presumed normal.

    Returns:
        None where the images cannot be looked at again, or have changed since.
    """
    if source.originals is None or (pool is not None and pool.originals is None):
        return None
    vectors = power_normalise(source["pooled"])
    usual = np.sqrt(np.square(vectors - vectors.mean(axis=0)).sum(axis=1))
    try:
        known = _reference(source, vectors, usual, np.arange(len(source)))
        if pool is None:
            return References(known, _none(vectors.shape[1]))
        presumed = np.flatnonzero(scores <= threshold)
        return References(
            known, _reference(pool, power_normalise(pool["pooled"]), scores, presumed)
        )
    except ImageSourceError:  # gone meanwhile: a report can do without them
        return None


def _reference(
    images: EncodedImages, vectors: Array, scores: Array, among: NDArray[np.integer]
) -> Reference:
    rows = among[spread_rows(scores[among], MOST_REFERENCES)]
    return Reference(
        vectors[rows].astype(np.float16),
        scores[rows],
        tuple(_thumbnail(images, int(row)) for row in rows),
    )


def _none(length: int) -> Reference:
    return Reference(np.empty((0, length), dtype=np.float16), np.empty(0), ())


def _thumbnail(images: EncodedImages, row: int) -> bytes:
    """One image whole, whatever a mask leaves out, as a small JPEG."""
    assert images.originals is not None
    try:
        picture = images.originals.images.masked(None).load(row).decode(SIDE)
    except ImageError as error:
        raise ImageSourceError(f"{images.names[row]}: {error}") from error
    picture.thumbnail((SIDE, SIDE))
    file = BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()


def picture_of(content: bytes) -> Image.Image:
    """A kept picture as RGB; its bytes may come from anywhere.

    Raises:
        ImageError: it is no JPEG of at most 96 pixels a side.
    """
    with refusing():
        image = Image.open(BytesIO(content), formats=["JPEG"])
        if max(image.size) > SIDE:
            raise ImageError(f"a kept picture of more than {SIDE} pixels a side")
        return image.convert("RGB")


def reference_arrays(references: References | None) -> dict[str, NDArray[Any]]:
    """As arrays of a bundle: the pictures of a domain one after the other, and where each ends."""
    if references is None:
        return {}
    found: dict[str, NDArray[Any]] = {}
    for name, kept in (("source", references.source), ("target", references.target)):
        ends = np.cumsum([len(picture) for picture in kept.pictures], dtype=np.int64)
        found[f"{_PREFIX}{name}.vectors"] = kept.vectors
        found[f"{_PREFIX}{name}.scores"] = kept.scores
        found[f"{_PREFIX}{name}.pictures"] = np.frombuffer(b"".join(kept.pictures), dtype=np.uint8)
        found[f"{_PREFIX}{name}.ends"] = ends
    return found


def read_references(bundle: Bundle) -> References | None:
    """Inverse of :func:`reference_arrays`; None of a model that has none.

    Raises:
        BundleError: the arrays do not belong together.
    """
    if not any(name.startswith(_PREFIX) for name in bundle.tensors):
        return None
    source, target = (_read(bundle, name) for name in ("source", "target"))
    if source.vectors.shape[1] != target.vectors.shape[1]:
        raise BundleError(f"{bundle.path} holds reference vectors of two lengths")
    return References(source, target)


def _read(bundle: Bundle, name: str) -> Reference:
    vectors, scores, content, ends = (
        bundle.tensors.get(f"{_PREFIX}{name}.{part}")
        for part in ("vectors", "scores", "pictures", "ends")
    )
    if vectors is None or scores is None or content is None or ends is None:
        raise BundleError(f"{bundle.path} holds only a part of its {name} reference images")
    n = len(scores) if scores.ndim else -1
    sound = (
        0 <= n <= MOST_REFERENCES
        and _is(scores, np.float64, (n,))
        and vectors.ndim == 2
        and _is(vectors, np.float16, (n, vectors.shape[1]))
        and content.ndim == 1
        and _is(content, np.uint8, (len(content),))
        and _is(ends, np.int64, (n,))
    )
    if not sound or not _follow(ends, len(content)):
        raise BundleError(f"{bundle.path} holds {name} reference images that do not fit together")
    parts = np.split(content, ends[:-1]) if n else []
    return Reference(vectors, scores, tuple(part.tobytes() for part in parts))


def _is(array: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]) -> bool:
    return array.dtype == dtype and array.shape == shape


def _follow(ends: NDArray[np.int64], length: int) -> bool:
    """Whether pictures of a sensible size end there, the last with the content."""
    # As Python's numbers: differences of hostile int64 could overflow.
    places = [0, *ends.tolist()]
    sizes = [later - earlier for earlier, later in itertools.pairwise(places)]
    return all(0 < size <= _MOST_BYTES for size in sizes) and places[-1] == length
