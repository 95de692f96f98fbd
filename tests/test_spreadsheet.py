"""CSV tables: no cell is a formula, numbers stay numbers, and every text comes back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.spreadsheet import csv_text, printable, read_cell, safe_cell

FORMULAS = [
    *("=1+1.png", "+1.png", "-1.png", "@SUM(A1).png", "\t=1.png", "\r=1.png", "\n=1.png"),
    *("=cmd|' /C calc'!A0", '=HYPERLINK("http://x")', "＝1.png", "＠x"),  # noqa: RUF001
]
HARMLESS = ["a.png", "/a/=b.png", "'a.png", "''", "'", "", "a=b", "1.5", "größe 大小.png", " =a"]


@pytest.mark.parametrize("name", FORMULAS)
def test_what_a_spreadsheet_would_run_is_text(name: str) -> None:
    assert safe_cell(name) == f"'{name}"
    assert read_cell(safe_cell(name)) == name


@pytest.mark.parametrize("name", HARMLESS)
def test_other_text_stays_as_it_is(name: str) -> None:
    assert safe_cell(name) == name
    assert read_cell(name) == name


@pytest.mark.parametrize("name", [f"{'' if n == 0 else chr(39) * n}=a" for n in range(4)])
def test_apostrophes_of_the_name_itself_come_back(name: str) -> None:
    assert safe_cell(name) != name
    assert read_cell(safe_cell(name)) == name


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text("'=+-@\t\r\n;,\" a")


@settings(max_examples=300, deadline=None)
@given(name=texts, other=texts, score=st.floats(allow_nan=False))
def test_any_name_comes_back_through_a_table(name: str, other: str, score: float) -> None:
    text = csv_text(("image", "score", "problem"), [(name, score, other), (other, None, name)])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["image", "score", "problem"]
    assert [[read_cell(row[0]), read_cell(row[2])] for row in rows[1:]] == [
        [name, other],
        [other, name],
    ]
    assert float(rows[1][1]) == score
    assert rows[2][1] == ""
    for cell in (rows[1][0], rows[1][2]):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_negative_numbers_stay_numbers() -> None:
    assert csv_text(("-a", "b"), [(-1.5, -2), ("-1.5", None)]) == "'-a,b\n-1.5,-2\n'-1.5,\n"


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_a_name_never_falls_apart_where_another_sign_separates(separator: str) -> None:
    """Half of Europe's spreadsheets separate by semicolons, and would see ``=1`` alone."""
    name = f"a{separator}=1.png"
    line = csv_text(("image", "score"), [(name, -1.5)]).splitlines()[1]
    assert line == f'"{name}",-1.5'


def test_half_characters_become_escapes() -> None:
    assert csv_text(("a",), [("caf\udce9",)]).encode() == b"a\ncaf\\udce9\n"
    assert printable("café") == "café"
