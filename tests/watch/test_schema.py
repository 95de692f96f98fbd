"""Opening a journal."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.watch.cases import journal_at

from twofold.errors import TwofoldError, UsageError
from twofold.watch.schema import open_database


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE results (mine)")
    database.commit()
    database.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="a database of something else"):
        open_database(path, private=False)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"image,score\n" * 100, b"SQLite format 3\0" + bytes(200)])
def test_no_database_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.journal"
    path.write_bytes(content)
    with pytest.raises(TwofoldError, match=r"r\.journal: "):
        open_database(path, private=True)
    assert path.read_bytes() == content


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j"):
        pass
    database = sqlite3.connect(tmp_path / "j")
    database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(TwofoldError, match="later version"):
        open_database(tmp_path / "j", private=True)


def test_each_commit_is_on_the_disk(tmp_path: Path) -> None:
    database = open_database(tmp_path / "new" / "j", private=False)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    database.close()
