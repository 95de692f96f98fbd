"""A folder of Parquet files that follows a journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import parquet
from tests.support.missing import hide
from tests.watch.cases import journal_at, result

from twofold.errors import MissingExtraError
from twofold.watch import parquet_out
from twofold.watch.journal import Journal
from twofold.watch.parquet_out import ParquetOut
from twofold.watch.schema import RESULT_FIELDS


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    monkeypatch.setattr(parquet_out, "PART", 3)
    with journal_at(tmp_path / "j") as journal:
        yield journal


def images(folder: Path) -> list[str]:
    return [str(name) for name in parquet.read_table(folder)["image"].to_pylist()]


def test_files_fill_up_and_only_the_last_is_written_again(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "r.parquet"
    table = ParquetOut(folder, journal)
    table.catch_up()
    first = folder / "part-000001.parquet"
    for number in range(1, 9):
        journal.add([result(number, problem="bad" if number == 4 else None)])
        before = first.stat().st_mtime_ns if number > 4 else None
        table.catch_up()
        assert images(folder) == [f"in/{k}.png" for k in range(1, number + 1)]
        assert before is None or first.stat().st_mtime_ns == before
    assert [path.name for path in sorted(folder.iterdir())] == [
        f"part-00000{k}.parquet" for k in (1, 2, 3)
    ]
    found = parquet.read_table(folder)
    assert found.column_names == list(RESULT_FIELDS)
    assert found["score"].to_pylist()[:4] == [1 / 3, 2 / 3, 1.0, None]
    assert found["anomalous"].to_pylist()[:4] == [1, 0, 1, None]
    assert str(found.schema.field("time").type) == "timestamp[ms, tz=UTC]"
    assert found["time"].to_pylist()[0].isoformat() == "2026-01-02T03:04:05.001000+00:00"


def test_missing_damaged_and_short_files_are_written_again(
    tmp_path: Path, journal: Journal
) -> None:
    folder = tmp_path / "r.parquet"
    journal.add([result(number) for number in range(1, 9)])
    ParquetOut(folder, journal).catch_up()
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, content in (
        ("part-000001.parquet", None),
        ("part-000002.parquet", b""),
        ("part-000002.parquet", whole["part-000003.parquet"]),
        ("part-000003.parquet", whole["part-000003.parquet"][:50]),
    ):
        path = folder / name
        path.unlink() if content is None else path.write_bytes(content)
        ParquetOut(folder, journal).catch_up()
        assert images(folder) == [f"in/{k}.png" for k in range(1, 9)]


def test_without_pyarrow_it_says_what_to_do(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "pyarrow")
    with pytest.raises(MissingExtraError, match=r"twofold\[parquet\]"):
        ParquetOut(tmp_path / "r.parquet", journal)
