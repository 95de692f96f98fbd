"""Becoming the one watcher of a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.watch.cases import watching, write

from twofold.errors import ImageSourceError, UsageError


def test_two_on_one_table_are_refused_and_the_next_may(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.png")
    out = tmp_path / "r.csv"
    with watching(tmp_path / "in", out) as first:
        first.run()
        with (
            pytest.raises(UsageError, match=r"r\.csv: another twofold watch is writing it"),
            watching(tmp_path / "in", out),
        ):
            pass
    with watching(tmp_path / "in", out) as again:
        assert again.run().results == 1


def test_one_table_is_of_one_model_and_one_folder(tmp_path: Path) -> None:
    for name in ("in", "other"):
        write(tmp_path / name, "a.png")
    out = tmp_path / "r.csv"
    with watching(tmp_path / "in", out) as watcher:
        watcher.run()
    before = out.read_bytes()
    with (
        pytest.raises(UsageError, match="begun with the folder"),
        watching(tmp_path / "other", out),
    ):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with watching(tmp_path / "link", out) as watcher:  # the same folder by another name
        assert watcher.run().scored == 0
    (tmp_path / "model" / "detector.json").write_text('{"another": 1}', encoding="utf-8")
    with (
        pytest.raises(UsageError, match="begun with the model of sha256"),
        watching(tmp_path / "in", out),
    ):
        pass
    assert out.read_bytes() == before


def test_what_is_there_without_a_journal_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.png")
    (tmp_path / "r.csv").write_text("mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match="journal"), watching(tmp_path / "in", tmp_path / "r.csv"):
        pass
    assert (tmp_path / "r.csv").read_text(encoding="utf-8") == "mine\n"
    assert not (tmp_path / "r.csv.journal").exists()


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    file = write(tmp_path, "a.png")
    for folder in (tmp_path / "gone", file):
        with (
            pytest.raises(ImageSourceError, match="no such folder"),
            watching(folder, tmp_path / "r.csv"),
        ):
            pass
