"""A folder that is watched."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.support.waiting import until
from tests.watch.cases import Stub, tree, watching, write

from twofold.errors import TwofoldError
from twofold.spreadsheet import read_cell
from twofold.watch import Watcher, Webhook
from twofold.watch import watcher as module
from twofold.watch.journal import Journal
from twofold.watch.moving import Mover
from twofold.watch.schema import RESULT_FIELDS


def images(out: Path) -> list[str]:
    """The column of images, below the folder."""
    with out.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
        assert tuple(reader.fieldnames or ()) == RESULT_FIELDS
    return [os.path.relpath(read_cell(row["image"]), out.parent / "in") for row in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "sub/b.png"):
        write(tmp_path / "in", name)
    (tmp_path / "in" / "c.png").write_bytes(b"no image")
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "r.csv"


def test_once_scores_what_is_there_and_the_next_run_what_has_come(folder: Path, out: Path) -> None:
    stub = Stub()
    with watching(folder, out, stub) as watcher:
        found = watcher.run()
    assert (found.scored, found.unusable, found.results, found.drift) == (3, 1, 3, None)
    assert sorted(images(out)) == ["a.png", "c.png", "sub/b.png"]
    write(folder, "d.png", 200)
    write(folder, "a.png", 201)  # another image under a known name
    with watching(folder, out, stub) as watcher:
        found = watcher.run()
    assert (found.scored, found.anomalous, found.results) == (2, 2, 5)
    assert sorted(images(out)) == ["a.png", "a.png", "c.png", "d.png", "sub/b.png"]
    assert len(stub.seen) == 5


@pytest.mark.parametrize("name", ["r.parquet", "r.db"])
def test_other_tables_hold_the_same(folder: Path, out: Path, name: str) -> None:
    text = f"sqlite:///{out.parent / name}" if name == "r.db" else str(out.parent / name)
    for where in (str(out), text):
        with watching(folder, where) as watcher:
            watcher.run()
    if name == "r.db":
        database = sqlite3.connect(out.parent / name)
        found = [row[0] for row in database.execute("SELECT image FROM results ORDER BY id")]
        database.close()
    else:
        from pyarrow import parquet

        found = parquet.read_table(out.parent / name)["image"].to_pylist()
    assert [os.path.relpath(image, folder) for image in found] == images(out)


def test_files_that_grow_are_left_for_the_next_run(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with watching(folder, out, said=said, settle=0.2) as watcher:
        hear = watcher._hear

        def meanwhile(seconds: float) -> None:
            with (folder / "a.png").open("ab") as stream:
                stream.write(b"more")
            hear(seconds)

        monkeypatch.setattr(watcher, "_hear", meanwhile)
        found = watcher.run()
    assert (found.scored, found.still_written) == (2, 1)
    assert sorted(images(out)) == ["c.png", "sub/b.png"]


def test_only_new_passes_over_what_was_there_at_the_very_first_start(
    folder: Path, out: Path
) -> None:
    with watching(folder, out, only_new=True) as watcher:
        assert watcher.run().results == 0
    write(folder, "while-it-was-down.png")
    with watching(folder, out, only_new=True) as watcher:
        assert watcher.run().results == 1
    assert images(out) == ["while-it-was-down.png"]


def test_files_move_and_the_folders_they_go_to_are_not_watched(folder: Path, out: Path) -> None:
    write(folder, "d.png", 200)
    with watching(folder, out, move=True) as watcher:
        watcher.run()
    assert tree(folder) == ["bad/c.png", "ng/d.png", "ok/a.png", "ok/sub/b.png"]
    for move in (True, False):
        with watching(folder, out, move=move) as watcher:
            assert watcher.run().scored == 0


def test_table_and_journal_may_lie_in_the_folder(folder: Path) -> None:
    for name in ("r.csv", "r.parquet"):
        with watching(folder, folder / name, move=True) as watcher:
            watcher.run()
        with watching(folder, folder / name, move=True) as watcher:
            assert watcher.run().scored == 0


class Killed(BaseException):
    """Nothing of ours goes on after it."""


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        *((Journal, "add"), (Watcher, "_catch_up"), (Watcher, "_tell"), (Journal, "keep")),
        *((Journal, "plan_moves"), (Journal, "end_moves"), (Mover, "finish")),
    ],
)
@pytest.mark.parametrize("call", [0, 1, 2])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_anywhere_loses_and_doubles_nothing(
    folder: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    call: int,
    after: bool,
) -> None:
    for number in range(5):
        write(folder, f"{number}.png")
    real, left = getattr(owner, method), [call]

    def killing(*args: object, **more: object) -> object:
        left[0] -= 1
        found = real(*args, **more) if left[0] >= 0 or after else None
        if left[0] < 0:
            raise Killed
        return found

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, killing)
        with pytest.raises(Killed), watching(folder, out, move=True, batch=3) as watcher:
            watcher.run()
    with watching(folder, out, move=True, batch=3) as watcher:
        assert watcher.run().results == 8
    assert sorted(images(out)) == sorted(
        ["a.png", "c.png", "sub/b.png", *(f"{number}.png" for number in range(5))]
    )
    assert len(tree(folder)) == 8
    assert all(path.startswith(("ok/", "bad/")) for path in tree(folder))


@contextmanager
def in_background(watcher: Watcher) -> Iterator[None]:
    """It runs until the block ends."""
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield
    finally:
        watcher.stop()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("poll", [None, 0.02], ids=["events", "poll"])
def test_files_that_come_are_scored_and_moved(folder: Path, out: Path, poll: float | None) -> None:
    said: list[str] = []
    with watching(folder, out, said=said, once=False, poll=poll, settle=0.05, move=True) as watcher:
        with in_background(watcher):
            until(lambda: watcher.summary.scored == 3)
            image = write(folder, "d.png", 200).read_bytes()
            (folder / "e.part").write_bytes(image)
            (folder / "e.part").rename(folder / "e.png")
            write(folder, "new/folder/f.png")
            until(lambda: watcher.summary.scored == 6)
        how = "told of files" if poll is None else "looking every 0.02 s"
        assert f"watching {folder} ({how}); 0 results so far" in said
    assert sorted(images(out))[2:] == ["d.png", "e.png", "new/folder/f.png", "sub/b.png"]
    wanted = ["bad/c.png", "ng/d.png", "ng/e.png", "ok/a.png", "ok/new/folder/f.png"]
    assert tree(folder) == [*wanted, "ok/sub/b.png"]


def test_a_folder_that_goes_away_ends_nothing(folder: Path, out: Path) -> None:
    said: list[str] = []
    with (
        watching(folder, out, said=said, once=False, poll=0.02, settle=0.02) as watcher,
        in_background(watcher),
    ):
        until(lambda: watcher.summary.scored == 3)
        folder.rename(folder.parent / "away")
        until(lambda: any("cannot be read" in line for line in said))
        (folder.parent / "away").rename(folder)
        write(folder, "d.png")
        until(lambda: watcher.summary.scored == 4)
    assert len(images(out)) == 4


def test_another_folder_in_its_place_is_heard_too(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BETWEEN_LOOKS", 0.05)
    with watching(folder, out, once=False, settle=0.02) as watcher, in_background(watcher):
        until(lambda: watcher.summary.scored == 3)
        first = watcher._ears
        folder.rename(folder.parent / "away")
        write(folder, "d.png")
        until(lambda: watcher.summary.scored == 4)
        until(lambda: watcher._ears not in {first, None})
        write(folder, "e.png")
        until(lambda: watcher.summary.scored == 5)


def test_where_no_events_can_be_had_it_looks(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(module, "listen", refuse)
    said: list[str] = []
    with watching(folder, out, said=said, once=False) as watcher, in_background(watcher):
        until(lambda: watcher.summary.scored == 3)
    assert "note: [Errno 28] inotify watch limit reached; looking every 5 s instead" in said
    with (
        pytest.raises(OSError, match="inotify"),
        watching(folder, out, once=False, events=True) as watcher,
    ):
        watcher.run()


def test_drift_is_said_once_and_sent(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    stub = Stub(rng.normal(0.2, 0.01, size=(300, 1)))  # images of level 51
    for number in range(120):
        write(folder, f"{number:03}.png", 51 if number < 20 else 90)
        os.utime(folder / f"{number:03}.png", (number, number))
    said: list[str] = []
    hook = Webhook("http://127.0.0.1:9/")  # nobody is there: messages stay in the journal
    for _ in range(2):
        with watching(folder, out, stub, said=said, batch=20, webhook=hook) as watcher:
            found = watcher.run()
    assert found.drift == "domain"
    assert len([line for line in said if line.startswith("drift: ")]) == 2
    assert found.messages_waiting == 7 + 2  # batches, warnings
    database = sqlite3.connect(f"file:{out}.journal?mode=ro", uri=True)
    bodies = [json.loads(row[0]) for row in database.execute("SELECT body FROM outbox")]
    database.close()
    rows = [row for body in bodies if body["event"] == "results" for row in body["results"]]
    assert [row["id"] for row in rows] == list(range(1, 124))
    assert list(rows[0]) == ["id", *RESULT_FIELDS]
    assert len({body["watch"] for body in bodies}) == 1
    (first, second) = [body["text"] for body in bodies if body["event"] == "drift"]
    assert first.startswith("drift: ")
    assert second.startswith("drift: ")


def test_notes_of_one_kind_are_said_once(folder: Path, out: Path) -> None:
    said: list[str] = []
    with watching(folder, out, said=said) as watcher:
        watcher._note("mixed shapes: 3 images (first: a.png)")
        watcher._note("mixed shapes: 12 images (first: b.png)")
        watcher._note("another thing")
    assert said == ["note: mixed shapes: 3 images (first: a.png)", "note: another thing"]


def test_a_table_that_someone_changed_ends_it_and_nothing_is_lost(folder: Path, out: Path) -> None:
    with watching(folder, out) as watcher:
        watcher.run()
    whole = out.read_bytes()
    out.write_bytes(whole.replace(b",", b";"))
    write(folder, "d.png")
    with pytest.raises(TwofoldError, match="changed"), watching(folder, out) as watcher:
        watcher.run()
    out.unlink()
    with watching(folder, out) as watcher:
        watcher.run()
    assert out.read_bytes().startswith(whole)
    assert len(images(out)) == 4
