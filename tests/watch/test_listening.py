"""Being told of files."""

from __future__ import annotations

import time
from pathlib import Path
from queue import SimpleQueue

import pytest
from tests.support.missing import hide
from tests.watch.cases import write

from twofold.errors import MissingExtraError
from twofold.watch.listening import listen


def test_it_hears_what_is_written_and_renamed_and_not_what_is_read(tmp_path: Path) -> None:
    heard: SimpleQueue[tuple[str | None, bool]] = SimpleQueue()
    there = write(tmp_path, "there.png")
    ears = listen(str(tmp_path), lambda *what: heard.put(what))
    try:
        assert ears.alive
        there.read_bytes()
        write(tmp_path, "a.png")
        (tmp_path / "b.part").write_bytes(b"x")
        (tmp_path / "b.part").rename(tmp_path / "b.png")
        (tmp_path / "sub").mkdir()
        wanted = {(str(tmp_path / "a.png"), False), (str(tmp_path / "b.png"), True), (None, False)}
        seen: set[tuple[str | None, bool]] = set()
        end = time.monotonic() + 10
        while not wanted <= seen and time.monotonic() < end:
            seen.add(heard.get(timeout=10))
        assert wanted <= seen
        assert str(there) not in {path for path, _ in seen}
    finally:
        ears.close()
    assert not ears.alive


def test_without_watchdog_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "watchdog")
    with pytest.raises(MissingExtraError, match=r"twofold\[watch\].*--poll"):
        listen(str(tmp_path), lambda path, renamed: None)
