"""Small pictures of images, as many and as large as a page has room for."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

from PIL import Image

from twofold.errors import ImageError
from twofold.images import ImageSet

__all__ = ["Sides", "as_text", "draw", "plan"]

Sides = tuple[int, int]
"""Longer side in pixels of the pictures that matter most, and of the others."""

_LARGE = (320, 288, 256, 224, 192, 160, 128)
_SMALL = (320, 256, 192, 160, 128, 112, 96, 80, 64)
_QUALITY = 72
# Of 0 to 6: more would make pictures an eighth smaller and take twice as long.
_EFFORT = 2
# Bytes of such a WebP: what any has, and a pixel of a photograph with much detail; those of most
# images are smaller, so some are tried.
_FIXED, _A_PIXEL = 300.0, 0.16
_TRIED, _TRIED_SIDE = 12, 128
# A mean of twelve is not exact, and small pictures have more detail a pixel.
_SPARE = 1.5
# Of four bytes of text, three are content.
_AS_TEXT = 4 / 3
_AT_A_TIME = 64


def plan(n_first: int, n_rest: int, budget: int, a_pixel: float = _A_PIXEL) -> Sides:
    """Sizes with which all pictures should fit.

    Args:
        n_first: pictures that matter most.
        n_rest: all others.
        budget: bytes of text for all of them.
        a_pixel: bytes that a pixel takes.
    """

    def cost(side: int) -> float:
        return (_FIXED + a_pixel * side * side) * _AS_TEXT

    for large in _LARGE:
        spent = n_first * cost(large)
        if n_rest and spent > budget / 2 and large != _LARGE[-1]:
            continue
        fitting = (
            small for small in _SMALL if small <= large and spent + n_rest * cost(small) <= budget
        )
        small = next(fitting, None)
        if small is not None:
            return large, small
    return _LARGE[-1], _SMALL[-1]


def draw(
    images: ImageSet, first: Sequence[int], rest: Sequence[int], budget: int
) -> dict[int, str]:
    """Pictures of images as base64 of WebP, each decoded once.

    Args:
        images: as found; each is shown whole, whatever a mask leaves out.
        first: rows that matter most, in that order.
        rest: all others, in the order in which they may be left out last to first.
        budget: bytes of text for all of them; where it is used up, images have no picture.

    Returns:
        By row; an image that has gone or changed in the meantime has none.
    """
    whole = images.masked(None)
    large, small = plan(len(first), len(rest), budget, _a_pixel(whole, [*first, *rest]))
    tasks = [(row, large) for row in first] + [(row, small) for row in rest]
    found: dict[int, str] = {}
    # Decoding lets go of Python's lock.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, len(tasks), _AT_A_TIME):
            some = tasks[start : start + _AT_A_TIME]
            for (row, _), text in zip(
                some, pool.map(lambda task: _one(whole, *task), some), strict=True
            ):
                if text is None:
                    continue
                if len(text) > budget:
                    return found
                budget -= len(text)
                found[row] = text
    return found


def _a_pixel(images: ImageSet, rows: Sequence[int]) -> float:
    """Bytes that a pixel of these images takes, from some of them."""
    if len(rows) <= _TRIED:
        return _A_PIXEL
    found = []
    for row in rows[:: -(-len(rows) // _TRIED)]:
        text = _one(images, row, _TRIED_SIDE)
        if text is not None:
            found.append(max(len(text) / _AS_TEXT - _FIXED, 0.0) / _TRIED_SIDE**2)
    mean = sum(found) / len(found) if found else _A_PIXEL
    return min(_A_PIXEL, _SPARE * mean)


def _one(images: ImageSet, row: int, side: int) -> str | None:
    try:
        return as_text(images.load(row).decode(side), side)
    except ImageError:
        return None


def as_text(picture: Image.Image, side: int) -> str:
    """A picture, reduced to a side, as base64 of WebP."""
    picture.thumbnail((side, side))
    file = BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY, method=_EFFORT)
    return base64.b64encode(file.getvalue()).decode("ascii")
