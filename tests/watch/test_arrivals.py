"""The files of a folder that are new and complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.watch.cases import write

from twofold.watch import arrivals
from twofold.watch.arrivals import Arrivals
from twofold.watch.versions import Version


class Folder:
    """A folder, its arrivals, and what is said of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self.known: set[Version] = set()
        self.asked = 0
        self.arrivals = Arrivals(str(path), self.knows, 1.0, self.said.append)

    def knows(self, version: Version) -> bool:
        self.asked += 1
        return version in self.known

    def taken(self) -> list[str]:
        found = self.arrivals.settling.take(99)
        for version in found:
            self.known.add(version)
            self.arrivals.done(version)
        return sorted(version.path for version in found)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_by_looking_alone(folder: Folder) -> None:
    for name in ("a.png", "sub/b.png", "ok/c.png", "d.part"):
        write(folder.path, name.replace(".part", ".png"))
    (folder.path / "d.png").rename(folder.path / "d.png.part")
    folder.arrivals.look(0.0)
    write(folder.path, "late.png")
    folder.arrivals.look(1.0)
    assert folder.taken() == ["a.png", "sub/b.png"]
    folder.arrivals.look_again(2.0)
    assert folder.taken() == ["late.png"]
    asked = folder.asked
    for now in (3.0, 9.0):
        folder.arrivals.look(now)
        assert folder.taken() == []
    assert folder.asked == asked  # what lies there and is known is not looked up again


def test_a_changed_file_is_new_and_a_gone_one_is_forgotten(folder: Folder) -> None:
    write(folder.path, "a.png", 1)
    write(folder.path, "b.png")
    folder.arrivals.look(0.0)
    (folder.path / "b.png").unlink()
    folder.arrivals.look_again(1.0)
    assert (folder.taken(), folder.arrivals.settling.waiting) == (["a.png"], [])
    (folder.path / "a.png").write_bytes(b"another content")
    folder.arrivals.look(2.0)
    folder.arrivals.look(3.0)
    assert folder.taken() == ["a.png"]


def test_being_told_of_a_path(folder: Folder, tmp_path: Path) -> None:
    write(folder.path, "a.png")
    write(folder.path, "ok/b.png")
    (folder.path / "l.png").symlink_to("a.png")
    for name in ("a.png", "ok/b.png", "l.png", "gone.png"):
        path = folder.arrivals.below(str(tmp_path / name))
        folder.arrivals.look_at(path, 0.0, complete=True)
    assert folder.taken() == ["a.png"]
    assert folder.said == [f"left out {tmp_path / 'l.png'}: a link, which is not followed"]


def test_what_is_left_out_is_said_once_and_not_for_ever(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "_MOST_NAMED", 3)
    for number in range(9):
        (folder.path / f"{number}.png").symlink_to("nowhere")
    folder.arrivals.look(0.0)
    folder.arrivals.look(1.0)
    assert len(folder.said) == 3


def test_a_folder_that_goes_away_and_comes_back(folder: Folder) -> None:
    write(folder.path, "in/a.png")
    inner = Folder(folder.path / "in")
    inner.arrivals.look(0.0)
    inner.path.rename(folder.path / "away")
    inner.arrivals.look(1.0)
    assert inner.said == [f"left out {inner.path}: cannot be read: No such file or directory"]
    assert inner.taken() == []
    (folder.path / "away").rename(inner.path)
    inner.arrivals.look(2.0)
    inner.arrivals.look(3.0)
    assert inner.taken() == ["a.png"]


def test_a_path_that_cannot_be_asked_for_is_asked_again_later(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder.path, "a.png")

    def away(*args: object) -> None:
        raise OSError(112, "Host is down")

    with monkeypatch.context() as patch:
        patch.setattr(arrivals, "find_version", away)
        folder.arrivals.look_at("a.png", 0.0)
    folder.arrivals.look_at("a.png", 1.0, complete=True)
    assert folder.taken() == ["a.png"]
