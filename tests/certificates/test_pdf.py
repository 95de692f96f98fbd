"""The PDF, read by another program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pypdf
import pytest
from tests.certificates.conftest import HOSTILE, certificate

from twofold.certificates import lettering, render
from twofold.certificates.fonts import font_files
from twofold.marks import Certificate
from twofold.marks.certificate import Stratum


def opened(made: Certificate) -> pypdf.PdfReader:
    return pypdf.PdfReader(BytesIO(render(made, ".pdf")), strict=True)


def text_of(reader: pypdf.PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "font_files", lambda: iter(()))


def test_it_says_it_all(plain: Certificate) -> None:
    reader = opened(plain)
    assert len(reader.pages) == 2
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [595, 842]  # A4
    text = text_of(reader)
    for wanted in (
        "Certificate of a detector",
        "Of 600 images, 84 were marked",
        "At most 20% of the anomalies",
        "82.0% to 96.0%",
        "2026-01-02 03:04:05 UTC",
        "Ann",
        "random state 7",
        "a reviewer's mistakes pass into the rates",
        "twofold certify MODEL --marks marks.csv --verify certificate.pdf",
        *("a" * 64, "b" * 64, "c" * 64, plain.checksum),
        "page 1 of 2",
    ):
        assert wanted in text
    assert reader.metadata is not None
    assert reader.metadata.title == "Certificate of a detector"


def test_the_document_is_attached(plain: Certificate) -> None:
    (content,) = opened(plain).attachments["certificate.json"]
    assert json.loads(content) == plain.model_dump(mode="json")


def test_the_same_certificate_gives_the_same_bytes(plain: Certificate) -> None:
    assert render(plain, ".pdf") == render(certificate(), ".pdf")
    assert render(plain, ".pdf") != render(certificate(unsure=3), ".pdf")


def test_without_fonts_of_the_machine_names_are_escaped(
    hostile: Certificate, no_fonts: None
) -> None:
    text = text_of(opened(hostile))
    assert HOSTILE[0] in text
    assert "größe" in text
    assert r"\u5927\u5c0f" in text
    assert r"\U0001f600" in text
    assert r"\u202egnp.exe" in text


# fpdf2 leaves a font open that it cannot read.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damaged_fonts_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.ttf").write_bytes(b"\0\1\0\0 no font")

    def damaged() -> Iterator[Path]:
        yield from (tmp_path / "bad.ttf", tmp_path / "none.ttf")

    monkeypatch.setattr(lettering, "font_files", damaged)
    assert r"\u5927" in text_of(opened(certificate(reviewers=["大"])))


def test_names_of_other_scripts_are_drawn_where_there_is_a_font() -> None:
    if not any(path.name == "DejaVuSans.ttf" for path in font_files()):
        pytest.skip("no DejaVu Sans on this machine")
    text = text_of(opened(certificate(reviewers=["Жук Ωß"])))
    assert "Жук Ωß" in text
    assert "Of 600 images, 84 were marked" in text  # Helvetica again


def test_many_rows_go_on_on_further_pages() -> None:
    strata = [Stratum(name=f"stratum {n}", images=6, normal=1, anomalous=0) for n in range(100)]
    reader = opened(certificate(strata=strata, reviewers=[f"person {n}" for n in range(90)]))
    assert len(reader.pages) > 3
    text = text_of(reader)
    for number in range(100):
        assert f"stratum {number} " in text
    for number in range(90):
        assert f"person {number} " in text
