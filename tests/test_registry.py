"""The table from ids to things imported on demand."""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path

import pytest

from twofold.errors import ConfigError
from twofold.registry import Registry


def table() -> Registry[type]:
    return Registry("shelf", {"b": "collections:OrderedDict", "a": "pathlib:Path"})


def test_entries_are_imported_by_id() -> None:
    shelves = table()
    assert shelves.load("b") is OrderedDict
    assert shelves.load("a") is Path


def test_ids_keep_the_order_of_the_table() -> None:
    assert table().ids() == ("b", "a")
    assert "a" in table()
    assert "z" not in table()
    assert 3 not in table()


def test_an_unknown_id_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="unknown shelf 'c': choose one of b, a"):
        table().load("c")


def test_add_makes_one_more() -> None:
    shelves = table()
    shelves.add("c", "collections:Counter")
    assert shelves.ids() == ("b", "a", "c")
    assert shelves.load("c").__name__ == "Counter"


def test_a_taken_id_is_refused_and_kept() -> None:
    shelves = table()
    with pytest.raises(ConfigError, match="shelf 'a' is already registered"):
        shelves.add("a", "collections:Counter")
    assert shelves.load("a") is Path


def test_the_given_entries_are_copied() -> None:
    entries = {"a": "pathlib:Path"}
    shelves: Registry[type] = Registry("shelf", entries)
    shelves.add("b", "collections:Counter")
    assert list(entries) == ["a"]


def test_nothing_is_imported_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lazy_shelf.py").write_text("THING = 5\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    shelves: Registry[int] = Registry("shelf", {"lazy": "lazy_shelf:THING"})
    assert shelves.ids() == ("lazy",)
    assert "lazy_shelf" not in sys.modules
    assert shelves.load("lazy") == 5
    monkeypatch.delitem(sys.modules, "lazy_shelf")


def test_what_is_added_in_a_with_block_is_forgotten_at_its_end() -> None:
    shelves = table()

    def fail() -> None:
        with shelves.restored():
            shelves.add("c", "collections:Counter")
            assert shelves.ids() == ("b", "a", "c")
            raise KeyError("from inside")

    with pytest.raises(KeyError, match="from inside"):
        fail()
    assert shelves.ids() == ("b", "a")
