"""A picture of images in rows, for looking rather than reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from twofold.images import ImageSet

__all__ = ["Row", "draw_montage"]

_TILE, _GAP, _TITLE = 150, 6, 26
_PAPER, _INK = (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True)
class Row:
    """One row of the picture.

    Attributes:
        title: above the row.
        images: what to show.
        captions: below each image.
    """

    title: str
    images: ImageSet
    captions: Sequence[str]


def draw_montage(rows: Sequence[Row], path: Path) -> None:
    """Write rows of captioned thumbnails as one PNG.

    Args:
        rows: at least one, each with at least one image.
        path: PNG file to write.
    """
    width = max(len(row.images) for row in rows) * (_TILE + _GAP) + _GAP
    height = len(rows) * (_TITLE + _TILE + _TITLE) + _GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for number, row in enumerate(rows):
        top = number * (_TITLE + _TILE + _TITLE) + _GAP
        pen.text((_GAP, top), row.title, fill=_INK, font=font)
        for column, caption in enumerate(row.captions):
            left = _GAP + column * (_TILE + _GAP)
            tile = row.images.load(column).decode(_TILE)
            tile.thumbnail((_TILE, _TILE))
            sheet.paste(tile, (left, top + _TITLE))
            pen.text((left, top + _TITLE + _TILE + 3), caption, fill=_INK, font=font)
    sheet.save(path)
