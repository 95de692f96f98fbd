"""Looking over a set of images before they are read: bit depth, and what a user should know."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median_low
from typing import Final, TypeVar

from twofold.errors import ImageError
from twofold.images.collection import ImageSet
from twofold.images.loaded import Header

__all__ = ["Survey", "same_shape", "survey"]

_SMALL: Final = 32  # pixels on a side, below which an image tells little
_PORTION: Final = 64  # images per task of a thread: handing over one costs as much as a header
_DARK: Final = 16  # times below the largest value of the set's bit depth: 4 bits

# Shapes that differ by less move nothing by more than a fortieth of the image.
_ALIKE: Final = 1.05

T = TypeVar("T")


@dataclass(frozen=True)
class Survey:
    """What the headers of a set of images say, and the values of those with more than 8 bits.

    Attributes:
        n: images.
        n_deep: of them with integers of more than 8 bits a channel.
        n_shallow: of them with fewer, or with floating point numbers. Images that cannot be read
            belong to neither.
        largest: largest value of the deep ones; None if there are none, or not looked for.
        bit_depth: of the deep ones: as the files state it (the chunk sBIT of PNG, the tag
            MaxSampleValue of TIFF), else the least of 10, 12, 14 and 16 that holds the largest
            value; None if there are none, or not looked for.
        notes: one line each of what may make the scores wrong, with counts and the first name.
        shape: width over height of a median image; None if no header can be read.
    """

    n: int
    n_deep: int
    n_shallow: int
    largest: int | None
    bit_depth: int | None
    notes: tuple[str, ...]
    shape: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class _Values:
    """Of one deep image."""

    largest: int
    depth: int
    stated: bool
    own: bool


def survey(images: ImageSet, *, find_depth: bool = True) -> Survey:
    """Look over a set of images; one that cannot be read is not counted, and nothing fails.

    Only the headers of files are read, by several threads. Deep images are decoded once if
    `find_depth` is set. So are the items of a data set, which tell nothing before and are passed
    over otherwise.
    """
    headers = _each(range(len(images)), lambda row: _header(images, row, find_depth=find_depth))
    deep = [row for row, header in headers.items() if header.deep]
    values: dict[int, _Values] = {}
    if find_depth:
        values = _each(deep, lambda row: _values(images, row))
        deep = list(values)
    n_shallow = sum(not header.deep for header in headers.values())
    depth = max((value.depth for value in values.values()), default=None)
    return Survey(
        n=len(images),
        n_deep=len(deep),
        n_shallow=n_shallow,
        largest=max((value.largest for value in values.values()), default=None),
        bit_depth=depth,
        notes=(
            *_notes_on_mixture(images, headers, deep),
            *_notes_on_depth(images, values, depth),
            *_notes_on_headers(images, headers),
            *_notes_on_shapes(images, headers),
        ),
        shape=_shape(headers),
    )


def _each(rows: Iterable[int], look: Callable[[int], T | None]) -> dict[int, T]:
    """Return what `look` returns for each row, in order, without those for which it is None."""
    chosen = list(rows)
    if len(chosen) <= _PORTION:  # one image that is scored alone is worth no threads
        looked = ((row, look(row)) for row in chosen)
        return {row: value for row, value in looked if value is not None}
    portions = [chosen[start : start + _PORTION] for start in range(0, len(chosen), _PORTION)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = pool.map(lambda portion: [(row, look(row)) for row in portion], portions)
        return {row: value for part in found for row, value in part if value is not None}


def _header(images: ImageSet, row: int, *, find_depth: bool) -> Header | None:
    try:
        return images.header(row, read_items=find_depth)
    except ImageError:
        return None


def _values(images: ImageSet, row: int) -> _Values | None:
    try:
        pixels = images.load(row).deep()
    except ImageError:
        return None
    if pixels is None:  # the file has changed in the meantime
        return None
    own = pixels.own_depth is not None
    return _Values(pixels.largest, pixels.depth, own or pixels.stated is not None, own)


def _notes_on_mixture(
    images: ImageSet, headers: dict[int, Header], deep: list[int]
) -> Iterable[str]:
    shallow = [row for row, header in headers.items() if not header.deep]
    if deep and shallow:
        fewer = deep if len(deep) <= len(shallow) else shallow
        yield (
            f"mixed bit depths: {_count(len(shallow))} with 8 bits a channel and {len(deep)} with "
            f"more (first of the fewer: {images.names[fewer[0]]}); are they of one camera?"
        )


def _notes_on_depth(
    images: ImageSet, values: dict[int, _Values], depth: int | None
) -> Iterable[str]:
    if depth is None:
        return
    stated = Counter(value.depth for value in values.values() if value.stated)
    if len(stated) > 1:
        counts = ", ".join(f"{bits} bits in {n}" for bits, n in sorted(stated.items()))
        yield f"mixed bit depths: the files state {counts}; the largest is taken"
    open_values = {row: value for row, value in values.items() if not value.own}
    top = 2**depth - 1
    dark = [row for row, value in open_values.items() if value.largest * _DARK < top]
    if dark and len(dark) < len(values):
        yield (
            f"mixed bit depths: {_count(len(dark))} of {len(values)} with more than 8 bits a "
            f"channel stay below 1/{_DARK} of {top}, the most that {depth} bits hold (first: "
            f"{images.names[dark[0]]}): they look like another bit depth and are read nearly black"
        )
    if open_values and all(v.largest <= 255 and not v.stated for v in open_values.values()):
        yield (
            f"{_count(len(open_values))} with more than 8 bits a channel hold no value above 255 "
            f"(first: {images.names[next(iter(open_values))]}): they look like 8-bit images, which "
            f"{depth} bits make dark; save them as 8-bit files"
        )


def _notes_on_headers(images: ImageSet, headers: dict[int, Header]) -> Iterable[str]:
    pages = [row for row, header in headers.items() if header.pages]
    if pages:
        yield (
            f"{_count(len(pages))} with several pages, of which the first is used (first: "
            f"{images.names[pages[0]]})"
        )
    small = [row for row, header in headers.items() if min(header.width, header.height) < _SMALL]
    if small:
        yield (
            f"{_count(len(small))} smaller than {_SMALL} pixels on a side, which tells little "
            f"(first: {images.names[small[0]]})"
        )


def _shape(headers: dict[int, Header]) -> float | None:
    return median_low(h.width / h.height for h in headers.values()) if headers else None


def _notes_on_shapes(images: ImageSet, headers: dict[int, Header]) -> Iterable[str]:
    usual = _shape(headers)
    if usual is None:
        return
    like: list[int] = []
    others: list[int] = []
    for row, header in headers.items():
        alike = same_shape(header.width / header.height, usual)
        (like if alike else others).append(row)
    if not others:
        return
    sizes = Counter((headers[row].width, headers[row].height) for row in like or others)
    (width, height), _ = sizes.most_common(1)[0]
    odd = headers[others[0]]
    yield (
        f"mixed shapes: {_count(len(like))} like {width} x {height} pixels and {len(others)} of "
        f"other shapes (first: {images.names[others[0]]}, {odd.width} x {odd.height}); all are "
        "brought to one shape, so what lies at a place in one lies elsewhere in another"
    )


def same_shape(one: float, other: float) -> bool:
    """Whether two ratios of width over height are the same but for rounding and cropping."""
    return max(one, other) <= _ALIKE * min(one, other)


def _count(n: int) -> str:
    return f"{n} image{'' if n == 1 else 's'}"
