"""Text of any script in a PDF: its own fonts where they do, else those of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fpdf import FPDF

from twofold.certificates.fonts import font_files

__all__ = ["Lettering"]


class Lettering:
    """Chooses fonts of one PDF.

    The PDF's own fonts, Helvetica and Courier, are in no file, so that most certificates are the
    same on every machine. A text with letters that they lack is set in the font of the machine that
    has most of them; what no font has is written as an escape such as ``\\u5927``.

    Args:
        pdf: that is written to.
    """

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._files: Iterator[tuple[str, frozenset[int]]] | None = None
        self._loaded: list[tuple[str, frozenset[int]]] = []

    def choose(self, text: str, size: float, *, bold: bool = False, mono: bool = False) -> str:
        """Set the font for a text, in points; returns the text as it can be shown."""
        wanted = {ord(sign) for sign in text if not _latin(sign)}
        if wanted:
            family, known = max(
                self._fonts(wanted), key=lambda font: len(wanted & font[1]), default=("", None)
            )
            if known is not None and wanted & known:
                self._pdf.set_font(family, size=size)
                return "".join(c if ord(c) in known else _escaped(c) for c in text)
            text = "".join(c if _latin(c) else _escaped(c) for c in text)
        self._pdf.set_font("courier" if mono else "helvetica", "B" if bold else "", size)
        return text

    def width(self, text: str, size: float) -> float:
        """Of a text in the PDF's own font, in millimetres."""
        self._pdf.set_font("helvetica", size=size)
        return float(self._pdf.get_string_width(text))

    def _fonts(self, wanted: set[int]) -> list[tuple[str, frozenset[int]]]:
        """Fonts with their code points; no more are loaded than one that has all wanted."""
        if any(wanted <= known for _, known in self._loaded):
            return self._loaded
        if self._files is None:
            self._files = self._load()
        for font in self._files:
            self._loaded.append(font)
            if wanted <= font[1]:
                break
        return self._loaded

    def _load(self) -> Iterator[tuple[str, frozenset[int]]]:
        for number, path in enumerate(font_files()):
            family = f"machine{number}"
            # A machine's fonts may be of any kind, and damaged: then the next one serves.
            with suppress(Exception):
                self._pdf.add_font(family, fname=path)
                yield family, frozenset(self._pdf.fonts[family].cmap)


def _latin(sign: str) -> bool:
    """Whether the PDF's own fonts have it."""
    return ord(sign) < 0x100


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode() if ord(sign) > 0x7F else sign
