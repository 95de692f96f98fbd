"""Text of any script in a PDF: its own fonts where they do, else those of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from twofold.certificates.fonts import font_files
from twofold.errors import MissingExtraError

try:
    import uharfbuzz  # noqa: F401 - fpdf2 shapes text with it
    from fpdf import FPDF
    from fpdf.enums import WrapMode, XPos, YPos
    from fpdf.fonts import TTFFont
except ImportError:
    raise MissingExtraError(
        "a certificate as a PDF needs fpdf2 and uharfbuzz: pip install 'twofold[certificate]'"
    ) from None

# `pdf.py` takes the names of fpdf2 from here, so that what happens without it stands once.
__all__ = ["FPDF", "Lettering", "WrapMode", "XPos", "YPos"]


class Lettering:
    """Chooses fonts of one PDF.

    The PDF's own fonts, Helvetica and Courier, are in no file, so that most certificates are the
    same on every machine. A text with letters that they lack is set in fonts of the machine; what
    none of them has is written as an escape such as ``\\u5927``.

    Args:
        pdf: that is written to.
    """

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._files = self._load()
        self._loaded: list[tuple[str, frozenset[int]]] = []

    def choose(self, text: str, size: float, *, bold: bool = False, mono: bool = False) -> str:
        """Set the font for a text, in points; returns the text as it can be shown."""
        self._pdf.set_fallback_fonts([])
        self._pdf.set_text_shaping(False)
        wanted = {ord(sign) for sign in text if not _latin(sign)}
        fonts = self._fonts(wanted) if wanted else []
        known = frozenset[int]().union(*(letters for _, letters in fonts))
        if not wanted & known:
            self._pdf.set_font("courier" if mono else "helvetica", "B" if bold else "", size)
            return "".join(c if _latin(c) else _escaped(c) for c in text)
        shown = "".join(c if ord(c) in known else _escaped(c) for c in text)
        letters = {ord(sign) for sign in shown}
        family, _ = max(fonts, key=lambda font: len(letters & font[1]))
        self._pdf.set_font(family, size=size)
        self._pdf.set_fallback_fonts([name for name, _ in fonts])
        self._pdf.set_text_shaping(True)  # letters that join, and lines from right to left
        return shown

    def width(self, text: str, size: float) -> float:
        """Of a text in the PDF's own font, in millimetres."""
        self._pdf.set_font("helvetica", size=size)
        return float(self._pdf.get_string_width(text))

    def _fonts(self, wanted: set[int]) -> list[tuple[str, frozenset[int]]]:
        """Fonts with their code points; no more are loaded than have all wanted ones together."""
        missing = wanted.difference(*(letters for _, letters in self._loaded))
        while missing:
            font = next(self._files, None)
            if font is None:
                break
            self._loaded.append(font)
            missing -= font[1]
        return self._loaded

    def _load(self) -> Iterator[tuple[str, frozenset[int]]]:
        for number, path in enumerate(font_files()):
            family = f"machine{number}"
            # A machine's fonts may be of any kind, and damaged: then the next one serves.
            with suppress(Exception):
                self._pdf.add_font(family, fname=path)
                font = self._pdf.fonts[family]
                if isinstance(font, TTFFont):
                    yield family, frozenset(font.cmap)


def _latin(sign: str) -> bool:
    """Whether the PDF's own fonts have it."""
    return ord(sign) < 0x100


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode() if ord(sign) > 0x7F else sign
