"""The embedding cache: plain use, mistakes of the caller, where it lies."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.encoders.cache.cases import OTHER, SPACE, assert_same, digest, vectors

from twofold.encoders import cache as cache_module
from twofold.encoders.cache import EmbeddingCache, cache_folder, default_cache
from twofold.errors import UsageError


@pytest.mark.parametrize("shape", [(1280,), (1,), (3, 4, 5), (0,), (2, 0), ()], ids=str)
def test_arrays_of_any_shape_come_back(cache: EmbeddingCache, shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    cache.put(SPACE, [(digest("a"), np.asarray(value, dtype=np.float32))])
    assert_same(cache.get(SPACE, [digest("a")]), {digest("a"): np.asarray(value)})


def test_values_come_back_bit_by_bit(cache: EmbeddingCache) -> None:
    value = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38], dtype=np.float32)
    cache.put(SPACE, [(digest("a"), value)])
    assert cache.get(SPACE, [digest("a")])[digest("a")].tobytes() == value.tobytes()


def test_views_in_any_layout_are_stored_by_value(cache: EmbeddingCache) -> None:
    value = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)[::2]
    cache.put(SPACE, [(digest("a"), value)])
    assert_same(cache.get(SPACE, [digest("a")]), {digest("a"): value})


def test_what_comes_back_may_be_changed(cache: EmbeddingCache) -> None:
    entries = vectors(1)
    cache.put(SPACE, entries.items())
    (value,) = cache.get(SPACE, list(entries)).values()
    value += 1
    assert_same(cache.get(SPACE, list(entries)), entries)


def test_more_images_than_one_query_takes(cache: EmbeddingCache) -> None:
    entries = vectors(1201, size=2)
    cache.put(SPACE, entries.items())
    absent = [digest(f"absent {i}") for i in range(300)]
    assert_same(cache.get(SPACE, [*absent, *entries]), entries)


def test_spaces_are_apart(cache: EmbeddingCache) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())
    assert cache.get(OTHER, list(entries)) == {}
    cache.put(OTHER, [(key, value + 1) for key, value in entries.items()])
    assert_same(cache.get(SPACE, list(entries)), entries)


def test_an_entry_is_replaced(cache: EmbeddingCache) -> None:
    key = digest("a")
    cache.put(SPACE, [(key, np.ones(3, dtype=np.float32))])
    cache.put(SPACE, [(key, np.zeros(5, dtype=np.float32))])
    assert_same(cache.get(SPACE, [key]), {key: np.zeros(5, dtype=np.float32)})


def test_nothing_in_and_nothing_out(cache: EmbeddingCache) -> None:
    assert cache.size() == 0
    assert cache.get(SPACE, [digest("a")]) == {}
    assert cache.get(SPACE, []) == {}
    cache.put(SPACE, [])


def test_clear_forgets_everything(cache: EmbeddingCache) -> None:
    cache.clear()
    assert list(cache.path.parent.iterdir()) == []
    entries = vectors(50, size=1000)
    cache.put(SPACE, entries.items())
    assert cache.size() > 200_000
    cache.clear()
    assert cache.size() < 30_000
    assert cache.get(SPACE, list(entries)) == {}
    cache.put(SPACE, entries.items())
    assert_same(cache.get(SPACE, list(entries)), entries)


@pytest.mark.parametrize(
    "wrong", ["not hex", "", "ab", "g" * 64, "A" * 64, f"{SPACE}\n", SPACE[:-1], None, 7, b"x"]
)
def test_what_is_no_digest_is_refused_and_harms_nothing(cache: EmbeddingCache, wrong: Any) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())
    value = np.zeros(3, dtype=np.float32)
    for call, name in (
        (lambda: cache.get(wrong, list(entries)), "space"),
        (lambda: cache.get(SPACE, [*entries, wrong]), "images"),
        (lambda: cache.put(wrong, []), "space"),
        (lambda: cache.put(SPACE, [(digest("new"), value), (wrong, value)]), "entries"),
    ):
        with pytest.raises(UsageError, match=f"^{name}: .* is no digest"):
            call()
    assert_same(cache.get(SPACE, [*entries, digest("new")]), entries)


@pytest.mark.parametrize("error", [TypeError, ValueError, AttributeError, OverflowError])
def test_a_mistake_in_the_code_is_not_taken_for_damage(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())

    def fail(*_: object) -> None:
        raise error("a mistake")

    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "_decode", fail)
        with pytest.raises(error, match="a mistake"):
            cache.get(SPACE, list(entries))
    with pytest.raises(ValueError, match="could not convert"):
        cache.put(SPACE, [(digest("a"), np.array(["text"]))])
    with pytest.raises(sqlite3.ProgrammingError):
        cache._file.run(lambda database: database.execute("SELECT ?"), None)
    assert_same(cache.get(SPACE, list(entries)), entries)


def test_the_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("TWOFOLD_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "twofold"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert cache_folder() == tmp_path / "home" / ".cache" / "twofold"


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    assert cache_folder() is None
    assert default_cache() is None


def test_the_default_cache_makes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deep" / "cache"
    monkeypatch.setenv("TWOFOLD_CACHE", str(folder))
    cache = default_cache()
    assert cache is not None
    assert cache.path.parent == folder
    assert list(folder.iterdir()) == []
    entries = vectors(2)
    cache.put(SPACE, entries.items())
    again = default_cache()
    assert again is not None
    assert_same(again.get(SPACE, list(entries)), entries)


def test_a_folder_that_cannot_be_made_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(RuntimeWarning, match="going on without it"):
        assert default_cache() is None


def test_a_folder_that_cannot_be_written_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.warns(RuntimeWarning, match="unable to open") as caught:
        assert default_cache() is None
    assert str(tmp_path) in str(caught[0].message)
