"""What a journal takes in, all or nothing, and gives back."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from tests.watch.cases import journal_at, result

from twofold.errors import TwofoldError, UsageError
from twofold.watch.journal import Journal, Result
from twofold.watch.schema import RESULT_FIELDS
from twofold.watch.versions import Version


def test_results_come_back_as_they_were_also_after_a_restart(tmp_path: Path) -> None:
    results = [result(1), result(2, problem="empty file"), result(3, image="in/ü=1.png")]
    with journal_at(tmp_path / "j") as journal:
        journal.add(results[:2])
        journal.add(results[2:])
    with journal_at(tmp_path / "j") as journal:
        rows = journal.rows_after(0, 10)
        assert [row[0] for row in rows] == [1, 2, 3]
        assert [dict(zip(RESULT_FIELDS, row[1:], strict=True)) for row in rows] == [
            one.row for one in results
        ]
        assert journal.rows_after(1, 1) == rows[1:2]
        assert journal.n_results() == 3
        assert all(journal.knows(one.version) for one in results)


def test_another_size_or_time_is_another_version(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        journal.add([result(1)])
        known = result(1).version
        for other in (
            Version(known.mtime_ns + 1, known.path, known.size),
            Version(known.mtime_ns, "sub/1.png", known.size),
            Version(known.mtime_ns, known.path, known.size + 1),
        ):
            assert not journal.knows(other)


def test_a_version_enters_once_and_with_it_all_or_nothing(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        journal.add([result(1)], move=True)
        with pytest.raises(TwofoldError, match="UNIQUE"):
            journal.add([result(2), result(1)], move=True, messages=lambda rows: ["a"])

        def fail(rows: object) -> list[str]:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            journal.add([result(3)], move=True, messages=fail)
        assert journal.n_results() == 1
        assert len(journal.moves()) == 1
        assert journal.n_messages() == 0
        assert not journal.knows(result(3).version)
        journal.add([result(2)])
        assert [row[0] for row in journal.rows_after(0, 9)] == [1, 2]


def test_names_may_hold_any_bytes(tmp_path: Path) -> None:
    version = Version(1, os.fsdecode(b"\xff\n'\".png"), 2)
    with journal_at(tmp_path / "j") as journal:
        one = result(1)
        journal.add([Result(version, one.row, one.numbers, "ok")], move=True)
        (move,) = journal.moves()
        assert (move.version, move.verdict, move.destination) == (version, "ok", None)
        assert journal.knows(version)


def test_what_is_passed_over_is_known_and_has_no_row(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        journal.pass_over([result(1).version, result(2).version])
        journal.pass_over([result(1).version])
        assert journal.knows(result(2).version)
        assert journal.n_results() == 0


def test_numbers_of_drift_come_back_bit_by_bit(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        unusable = result(2, problem="empty")
        hidden = Result(unusable.version, unusable.row, np.array([np.nan, np.nan]), "bad")
        journal.add([result(1), hidden, result(3), result(5)])
        parts = list(journal.drift_numbers(2, n=2))
    assert [len(part) for part in parts] == [2, 1]
    np.testing.assert_array_equal(np.concatenate(parts), [[1 / 7, 1], [3 / 7, 1], [5 / 7, 1]])


def test_messages_wait_in_order_and_may_be_set_aside(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        journal.add([result(1)], messages=lambda rows: [f"a{rows[0][0]}", "b"])
        journal.add([result(2)], messages=lambda rows: ["c"])
        assert journal.next_message() == (1, "a1")
        journal.set_aside(1)
        assert journal.next_message() == (2, "b")
        journal.end_message(2)
        journal.end_message(3)
        assert (journal.next_message(), journal.n_messages()) == (None, 1)
        journal.take_up()
        assert journal.next_message() == (1, "a1")
        journal.end_message(1)
        # A number is never given twice: the receiver would take the message for a copy.
        journal.add([result(3)], messages=lambda rows: ["d"])
        assert journal.next_message() == (4, "d")


def test_a_table_keeps_its_meaning(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal:
        journal.require({"the folder": "/a", "mask": ""})
        journal.require({"the folder": "/a", "mask": ""})
        with pytest.raises(UsageError, match="begun with the folder /a, and now it is /b; name a"):
            journal.require({"the folder": "/b", "mask": ""})
        with pytest.raises(UsageError, match="begun with mask none"):
            journal.require({"mask": "m.png"})
        assert journal.setting("the folder") == "/a"


def test_errors_of_the_database_name_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", private=True)
    journal.close()
    with pytest.raises(TwofoldError, match=r"/j: Cannot operate on a closed database"):
        journal.n_results()


def test_others_read_the_table_while_it_grows(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "r.db", private=False)
    journal.add([result(1)])
    reader = sqlite3.connect(tmp_path / "r.db")
    assert reader.execute("SELECT image FROM results").fetchall() == [("in/1.png",)]
    journal.add([result(2)])
    assert reader.execute("SELECT count(*) FROM results").fetchone() == (2,)
    reader.close()
    journal.close()
