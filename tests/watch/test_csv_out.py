"""A CSV file that follows a journal, whatever happened to its end."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.watch.cases import journal_at, result

from twofold.errors import TwofoldError
from twofold.spreadsheet import csv_text, read_cell
from twofold.watch import csv_out
from twofold.watch.csv_out import CsvOut
from twofold.watch.journal import Journal
from twofold.watch.schema import RESULT_FIELDS


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of them
    with journal_at(tmp_path / "r.csv.journal") as journal:
        yield journal


def expected(journal: Journal) -> bytes:
    rows = [row[1:] for row in journal.rows_after(0, 10**6)]
    return csv_text(RESULT_FIELDS, rows).encode()


def test_it_grows_with_the_journal(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "r.csv"
    table = CsvOut(path, journal)
    table.catch_up()
    assert path.read_bytes() == b""
    for number in range(1, 6):
        journal.add([result(number), result(100 + number, problem="a,b\n")])
        table.catch_up()
        assert path.read_bytes() == expected(journal)
    CsvOut(path, journal).catch_up()
    assert path.read_bytes() == expected(journal)


def test_wherever_a_kill_cuts_it_off_it_is_mended(tmp_path: Path, journal: Journal) -> None:
    """Rows 3 and 4 were in the journal when the kill came, and any part of them in the file."""
    path = tmp_path / "r.csv"
    journal.add([result(1), result(2, image='in/"a,\n.png')])
    CsvOut(path, journal).catch_up()
    place = journal.setting("csv")
    assert place is not None
    begun = len(path.read_bytes())
    journal.add([result(3, image="in/ü\n;.png"), result(4, problem="broken")])
    whole = expected(journal)
    for end in range(begun, len(whole) + 1):
        for zeros in {0, min(7, len(whole) - end)}:
            path.write_bytes(whole[:end] + bytes(zeros))
            journal.keep({"csv": place})
            CsvOut(path, journal).catch_up()
            assert path.read_bytes() == whole


def test_a_missing_or_emptied_file_is_written_anew(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_out, "_CHUNK", 3)
    path = tmp_path / "r.csv"
    journal.add([result(number) for number in range(1, 9)])
    table = CsvOut(path, journal)
    table.catch_up()
    path.unlink()
    table.catch_up()  # by the same process, as after a rotation of logs
    assert path.read_bytes() == expected(journal)
    path.write_bytes(b"")
    CsvOut(path, journal).catch_up()
    assert path.read_bytes() == expected(journal)


def test_a_file_that_someone_changed_is_left_as_it_is(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "r.csv"
    journal.add([result(1), result(2)])
    CsvOut(path, journal).catch_up()
    whole = path.read_bytes()
    for changed in (
        whole[:-5],
        whole.replace(b"in/2", b"in/3"),
        whole + b"mine\n",
        b"\xef\xbb\xbf" + whole,
        b"mine\n",
    ):
        path.write_bytes(changed)
        with pytest.raises(TwofoldError, match="changed by something else; move it away"):
            CsvOut(path, journal).catch_up()
        assert path.read_bytes() == changed
    journal.add([result(3)])
    path.write_bytes(whole + b"mine,1\n")
    with pytest.raises(TwofoldError, match="changed"):
        CsvOut(path, journal).catch_up()
    assert path.read_bytes() == whole + b"mine,1\n"


def test_names_that_a_spreadsheet_would_run_are_text(tmp_path: Path, journal: Journal) -> None:
    names = ["=1+1.png", "+1.png", "-1.png", "@x.png", "'=2.png", "a;=1.png"]
    journal.add([result(number, image=name) for number, name in enumerate(names, start=1)])
    CsvOut(tmp_path / "r.csv", journal).catch_up()
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [read_cell(row["image"]) for row in rows] == names
    assert not [row for row in rows if row["image"].startswith(("=", "+", "-", "@"))]
