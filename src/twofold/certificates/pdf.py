"""A certificate as a PDF of one or two A4 pages, with the document as an attachment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from twofold.certificates.lettering import FPDF, Lettering, WrapMode, XPos, YPos
from twofold.certificates.words import TITLE, Fact, RateLine, Words, words
from twofold.marks import Certificate

__all__ = ["render_pdf"]

Colour = tuple[int, int, int]
_TEXT: Final[Colour] = (26, 28, 32)
_SOFT: Final[Colour] = (80, 86, 95)
_RULE: Final[Colour] = (211, 214, 219)
_RAISED: Final[Colour] = (243, 244, 246)
_BAR: Final[Colour] = (74, 127, 181)
_GOOD: Final[Colour] = (29, 99, 48)
# Millimetres.
_MARGIN, _WIDTH, _LABEL, _LINE = 18.0, 174.0, 48.0, 5.0
_PLOT, _SCALE = 122.0, 0.49  # where plots begin, and of one percent


class _Sheet(FPDF):
    """A4 pages with the checksum and the number of the page below."""

    def __init__(self, certificate: Certificate) -> None:
        super().__init__(format="A4")
        self._below = f"{TITLE}  -  checksum {certificate.checksum[:16]}..."
        self.letters = Lettering(self)
        self.c_margin = 0.0
        self.set_margins(_MARGIN, _MARGIN, _MARGIN)
        self.set_auto_page_break(True, 20)
        self.set_compression(False)  # so that every build of zlib writes the same
        self.set_creation_date(_date(certificate.created))
        self.set_title(TITLE)
        self.set_producer("twofold")
        self.set_lang("en")
        self.add_page()

    def footer(self) -> None:
        """Called by the library at the end of each page."""
        self.set_y(-14)
        self.set_font("helvetica", size=8)
        self.set_text_color(*_SOFT)
        self.cell(_WIDTH / 2, 4, self._below)
        self.cell(_WIDTH / 2, 4, f"page {self.page_no()} of {{nb}}", align="R")

    def put(
        self,
        text: str,
        *,
        size: float = 10,
        bold: bool = False,
        colour: Colour = _TEXT,
        left: float = 0.0,
        width: float = _WIDTH,
        mono: bool = False,
        right: bool = False,
    ) -> None:
        """Text in lines of its own, ``left`` of the margin; the next begins below it."""
        shown = self.letters.choose(text, size, bold=bold, mono=mono)
        self.set_text_color(*colour)
        self.set_x(_MARGIN + left)
        self.multi_cell(
            width,
            0.5 * size,
            shown,
            align="R" if right else "L",
            wrapmode=WrapMode.CHAR if mono else WrapMode.WORD,
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )

    def row(self, height: float) -> float:
        """Where a row of this height begins, on a fresh page if it would not fit."""
        if self.will_page_break(height):
            self.add_page()
        return float(self.get_y())

    def rule(self) -> None:
        """A thin line across."""
        self.set_draw_color(*_RULE)
        self.set_line_width(0.2)
        self.line(_MARGIN, self.get_y(), _MARGIN + _WIDTH, self.get_y())


def render_pdf(certificate: Certificate) -> bytes:
    """The PDF; the same certificate gives the same bytes where fonts and versions are the same."""
    said = words(certificate, ".pdf")
    sheet = _Sheet(certificate)
    _head(sheet, said)
    _rates(sheet, said)
    for title, facts in (("Data and dates", said.data), ("Detector", said.detector)):
        _heading(sheet, title, 3 * _LINE)
        for fact in facts:
            _fact(sheet, fact)
    _design(sheet, said)
    _heading(sheet, "What was not tested", 2 * _LINE)
    for line in said.not_tested:
        sheet.row(2 * _LINE)
        top = sheet.get_y()
        sheet.put("-", width=4)
        sheet.set_y(top)
        sheet.put(line, left=4, width=_WIDTH - 4)
    _verify(sheet, said)
    sheet.embed_file(
        bytes=certificate.to_json(),
        basename="certificate.json",
        desc="The certificate as data",
        mime_type="application/json",
    )
    return bytes(sheet.output())


def _head(sheet: _Sheet, said: Words) -> None:
    sheet.put("twofold", bold=True, colour=_SOFT)
    sheet.put(TITLE, size=20, bold=True)
    sheet.ln(2)
    for line in said.answer:
        sheet.put(line, size=12)
        sheet.ln(1)
    if said.claim is None:
        return
    sheet.ln(1)
    text = f"The marks prove: {said.claim}"
    sheet.set_font("helvetica", "B", 11)
    lines = sheet.multi_cell(_WIDTH - 8, 5.5, text, dry_run=True, output="LINES")
    assert isinstance(lines, list)
    height = 5.5 * len(lines) + 4
    top = sheet.get_y()
    sheet.set_fill_color(*_RAISED)
    sheet.rect(_MARGIN, top, _WIDTH, height, "F")
    sheet.set_fill_color(*_GOOD)
    sheet.rect(_MARGIN, top, 1.2, height, "F")
    sheet.set_y(top + 2)
    sheet.put(text, size=11, bold=True, left=4, width=_WIDTH - 8)
    sheet.set_y(top + height)


def _heading(sheet: _Sheet, title: str, room: float) -> None:
    """A title over a line; ``room`` is what must fit below it on the same page."""
    sheet.row(12 + room)
    sheet.ln(4)
    sheet.put(title, size=12.5, bold=True)
    sheet.rule()
    sheet.ln(1.5)


def _rates(sheet: _Sheet, said: Words) -> None:
    _heading(sheet, "Rates", 30)
    sheet.put(said.rates_note, colour=_SOFT)
    sheet.ln(1)
    top = sheet.get_y()
    for place in (0, 50, 100):
        text = f"{place}%"
        sheet.set_y(top)
        middle = _PLOT + _SCALE * place - sheet.letters.width(text, 8) / 2
        sheet.put(text, size=8, colour=_SOFT, left=middle, width=14)
    for rate in said.rates:
        _rate(sheet, rate)


def _rate(sheet: _Sheet, rate: RateLine) -> None:
    height = 10.5
    top = sheet.row(height)
    sheet.set_y(top + 0.8)
    sheet.put(rate.name, bold=True, width=68)
    if rate.says:
        sheet.put(rate.says, size=8, colour=_SOFT, width=68)
    sheet.set_y(top + 2.2)
    sheet.put(rate.value, bold=True, left=64, width=20, right=True)
    sheet.set_y(top + 2.2)
    sheet.put(rate.interval, left=87, width=33)
    _plot(sheet, rate, top + height / 2)
    sheet.set_y(top + height)
    sheet.rule()


def _plot(sheet: _Sheet, rate: RateLine, middle: float) -> None:
    """An interval on a line from 0% to 100%, the value as a dot."""
    left, scale = _MARGIN + _PLOT, _SCALE
    sheet.set_draw_color(*_SOFT)
    sheet.set_line_width(0.2)
    sheet.line(left, middle, left + 100 * scale, middle)
    for tick in (0, 25, 50, 75, 100):
        sheet.line(left + tick * scale, middle - 1, left + tick * scale, middle + 1)
    sheet.set_fill_color(*_BAR)
    width = max(0.4, (rate.high - rate.low) * scale)
    sheet.rect(left + rate.low * scale, middle - 1.3, width, 2.6, "F")
    if rate.place is not None:
        sheet.set_fill_color(*_TEXT)
        sheet.circle(left + rate.place * scale, middle, 0.9, "F")


def _fact(sheet: _Sheet, fact: Fact) -> None:
    name, notes = fact.name, [fact.note] if fact.note else []
    if fact.code:
        name, notes = f"{name} ({fact.note})", []
    top, page = sheet.row(3 * _LINE), sheet.page
    sheet.put(name, colour=_SOFT, width=_LABEL - 2)
    below = sheet.get_y()
    sheet.set_y(top)
    size = 8.5 if fact.code else 10
    for value in fact.values:
        sheet.put(value, size=size, left=_LABEL, width=_WIDTH - _LABEL, mono=fact.code)
    for note in notes:
        sheet.put(note, size=8, colour=_SOFT, left=_LABEL, width=_WIDTH - _LABEL)
    if sheet.page == page:
        sheet.set_y(max(below, sheet.get_y()))
    sheet.ln(0.8)


def _design(sheet: _Sheet, said: Words) -> None:
    _heading(sheet, "How images were drawn", 40)
    for line in said.design:
        sheet.put(line)
    sheet.ln(1)
    _cells(sheet, "stratum", ("images", "marked normal", "marked anomalous"), colour=_SOFT)
    for name, *numbers in said.strata:
        _cells(sheet, name, tuple(f"{number:,}" for number in numbers))
    _cells(sheet, "all", tuple(f"{number:,}" for number in said.totals), bold=True)


def _cells(
    sheet: _Sheet,
    name: str,
    cells: tuple[str, ...],
    *,
    colour: Colour = _TEXT,
    bold: bool = False,
) -> None:
    top = sheet.row(6)
    for place, cell in enumerate(cells):
        sheet.set_y(top + 0.5)
        sheet.put(cell, left=66 + 36 * place, width=34, right=True, colour=colour, bold=bold)
    sheet.set_y(top + 0.5)
    sheet.put(name, width=66, colour=colour, bold=bold)
    sheet.ln(0.5)
    sheet.rule()


def _verify(sheet: _Sheet, said: Words) -> None:
    _heading(sheet, "How to verify", 30)
    for line in said.verify:
        sheet.put(line)
        sheet.ln(1)
    sheet.put(said.command, size=9, mono=True)
    sheet.row(4 * _LINE)
    sheet.ln(2)
    sheet.put("SHA-256 hashes", size=11, bold=True)
    sheet.ln(1)
    for fact in said.hashes:
        _fact(sheet, fact)


def _date(text: str) -> datetime:
    """When the certificate was made; 1970 where that is no date."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)
