"""Files go where they belong, never over another one, and whatever interrupts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.watch.cases import journal_at, result, tree, write

from twofold.watch import moving
from twofold.watch.journal import Journal, Result
from twofold.watch.moving import Mover, free_name, place
from twofold.watch.versions import Version, find_version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with journal_at(tmp_path / "j") as journal:
        yield journal


class Killed(BaseException):
    """Nothing of ours goes on after it."""


def score(journal: Journal, folder: Path, *names: str, verdict: str = "ok") -> None:
    """Results of files that are to be moved."""
    for name in names:
        version = find_version(str(folder), name)
        assert isinstance(version, Version)
        row = result(1).row
        journal.add([Result(version, row, np.empty(0), verdict)], move=True)


def move(folder: Path, journal: Journal) -> list[str]:
    said: list[str] = []
    Mover(folder, journal, said.append).finish()
    return said


def test_each_goes_into_its_folder_with_the_folders_above_it(
    folder: Path, journal: Journal
) -> None:
    for name, verdict in (("a.png", "ok"), ("sub/deep/b.png", "ng"), ("c.png", "bad")):
        write(folder, name)
        score(journal, folder, name, verdict=verdict)
    assert move(folder, journal) == []
    assert tree(folder) == ["bad/c.png", "ng/sub/deep/b.png", "ok/a.png"]
    assert journal.moves() == []


def test_nothing_is_ever_overwritten(folder: Path, journal: Journal) -> None:
    old = write(folder, "ok/a.png", 1).read_bytes()
    for level in (2, 3):
        new = write(folder, "a.png", level).read_bytes()
        score(journal, folder, "a.png")
        move(folder, journal)
        assert (folder / "ok" / f"a-{level}.png").read_bytes() == new
    assert (folder / "ok" / "a.png").read_bytes() == old
    (folder / "ok" / "b.png").symlink_to(folder / "nowhere")
    write(folder, "b.png")
    score(journal, folder, "b.png")
    move(folder, journal)
    assert (folder / "ok" / "b-2.png").is_file()


def test_two_of_a_batch_get_two_names(folder: Path) -> None:
    (folder / "a-2.png").touch()
    assert free_name(folder, "a.png", ["a.png"]) == "a-3.png"
    assert free_name(folder, "sub/b.png") == "sub/b.png"


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("step", range(8))
def test_a_kill_between_any_two_steps_is_gone_on_from(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, step: int, links: bool
) -> None:
    """The kill comes before the step-th call that changes something on the disk."""
    names = ("a.png", "b.png")
    contents = [write(folder, name, 10 * i).read_bytes() for i, name in enumerate(names)]
    score(journal, folder, "a.png", "b.png", verdict="ng")
    left = [step]

    def counted(function: object) -> object:
        def call(*args: object, **more: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            if function is real_link and not links:
                raise PermissionError(1, "Operation not permitted")
            return function(*args, **more)  # type: ignore[operator]

        return call

    real_link = os.link
    with monkeypatch.context() as patch:
        for owner, name in (
            *((os, "link"), (os, "open"), (Path, "unlink"), (Path, "replace")),
            *((Path, "mkdir"), (Journal, "plan_moves"), (Journal, "end_moves")),
        ):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        try:
            move(folder, journal)
        except Killed:
            assert journal.moves()
    assert move(folder, journal) == []
    assert tree(folder) == ["ng/a.png", "ng/b.png"]
    assert [(folder / "ng" / name).read_bytes() for name in names] == contents
    assert journal.moves() == []


def test_a_file_in_the_place_that_was_planned_stays(folder: Path, journal: Journal) -> None:
    mine = write(folder, "a.png", 1).read_bytes()
    score(journal, folder, "a.png")
    (planned,) = journal.moves()
    journal.plan_moves([replace(planned, destination="ok/a.png")])
    other = write(folder, "ok/a.png", 2).read_bytes()
    assert move(folder, journal) == []
    assert (folder / "ok" / "a.png").read_bytes() == other
    assert (folder / "ok" / "a-2.png").read_bytes() == mine


def test_a_link_to_the_file_in_the_place_that_was_planned_is_another_file(
    folder: Path, journal: Journal
) -> None:
    mine = write(folder, "a.png", 1).read_bytes()
    score(journal, folder, "a.png")
    (planned,) = journal.moves()
    journal.plan_moves([replace(planned, destination="ok/a.png")])
    (folder / "ok").mkdir()
    (folder / "ok" / "a.png").symlink_to(folder / "a.png")
    move(folder, journal)
    assert (folder / "ok" / "a-2.png").read_bytes() == mine


def test_what_has_changed_or_gone_since_is_not_moved(folder: Path, journal: Journal) -> None:
    for name in ("a.png", "b.png"):
        write(folder, name)
        score(journal, folder, name)
    (folder / "a.png").write_bytes(b"the next image")
    (folder / "b.png").unlink()
    assert move(folder, journal) == []
    assert tree(folder) == ["a.png"]
    assert journal.moves() == []


def test_no_link_leads_a_file_out_of_the_folder(
    folder: Path, journal: Journal, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "ok").symlink_to(outside)
    (folder / "ng").mkdir()
    (folder / "ng" / "sub").symlink_to(outside)
    write(folder, "a.png")
    write(folder, "sub/b.png")
    score(journal, folder, "a.png", verdict="ok")
    score(journal, folder, "sub/b.png", verdict="ng")
    said = move(folder, journal)
    assert [line.split(": ", 1)[1] for line in said] == [
        f"{folder / name}: a link leads out of the folder; tried again at the next start"
        for name in ("a.png", "sub/b.png")
    ]
    assert list(outside.iterdir()) == []
    assert (folder / "a.png").is_file()
    assert (folder / "sub/b.png").is_file()
    assert len(journal.moves()) == 2


def test_what_cannot_be_moved_is_said_once_and_tried_at_the_next_start(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "a.png")
    score(journal, folder, "a.png")

    def refuse(*args: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    said: list[str] = []
    mover = Mover(folder, journal, said.append)
    with monkeypatch.context() as patch:
        patch.setattr(moving, "place", refuse)
        mover.finish()
        mover.finish()
    assert len(said) == 1
    assert "Permission denied" in said[0]
    assert move(folder, journal) == []
    assert tree(folder) == ["ok/a.png"]


def test_where_nothing_can_be_placed_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path, "a.png")

    def refuse(*args: object, **more: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="cross-device"):
        place(source, tmp_path / "b.png")
    assert tree(tmp_path) == ["a.png"]
    with pytest.raises(FileExistsError):
        place(source, source)
