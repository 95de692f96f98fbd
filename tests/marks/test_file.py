"""The file of marks: nothing that was marked is lost, nothing hostile is believed."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import textwrap
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from twofold.errors import UsageError
from twofold.marks import COLUMNS, DesignDocument, MarksFile, design_path, draw_design, file

NAMES = ("a.png", "=cmd|x.png", "b, c.png", 'say "d".png', "e\nf.png", "h.png", "i.png", "j.png")


def document(names: tuple[str, ...] = NAMES, *, seed: int = 0, model: str = "a") -> DesignDocument:
    scores = np.arange(float(len(names)))
    return DesignDocument.of(
        draw_design(scores, 4.5, seed),
        list(names),
        scores,
        [f"{place:064x}" for place in range(len(names))],
        model=64 * model,
        threshold=4.5,
        false_alarm_rate=0.05,
        random_state=seed,
    )


@pytest.fixture
def marks(tmp_path: Path) -> MarksFile:
    return MarksFile.start(tmp_path / "marks.csv", document())


def test_each_mark_is_a_line_that_any_reader_of_csv_reads(marks: MarksFile) -> None:
    for name in NAMES:
        marks.append(name, "anomalous", reviewer="=Ann, QA", seconds=1.5)
    with marks.path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [row["image"] for row in rows] == [NAMES[0], "'=cmd|x.png", *NAMES[2:]]
    assert {row["reviewer"] for row in rows} == {"'=Ann, QA"}
    assert {row["seconds"] for row in rows} == {"1.5"}
    assert [row["score"] for row in rows] == [str(float(place)) for place in range(8)]
    again = MarksFile(marks.path)
    assert again.lines() == marks.lines()
    assert [line.image for line in again.lines()] == list(NAMES)
    assert again.lines()[0].reviewer == "=Ann, QA"


def test_weights_are_those_of_the_stratum_when_the_mark_was_made(marks: MarksFile) -> None:
    assert marks.document is not None
    images = marks.document.images
    same = [image.path for image in images if image.stratum == images[0].stratum]
    assert len(same) >= 2
    first = marks.append(same[0], "normal")
    unsure = marks.append(same[1], "unsure")
    again = marks.append(same[0], "normal", reviewer="another")
    second = marks.append(same[1], "normal")
    assert first.weight == again.weight == len(same)
    assert (unsure.weight, unsure.probability) == (None, None)
    assert second.weight == len(same) / 2
    assert second.probability == pytest.approx(2 / len(same))
    assert first.stratum_size == len(same)


def test_undo_takes_back_one_mark_at_a_time(marks: MarksFile) -> None:
    assert marks.undo("Ann") is None
    marks.append("a.png", "normal", reviewer="Ann")
    marks.append("a.png", "anomalous", reviewer="Ann")
    marks.append("h.png", "normal", reviewer="Ann")
    marks.append("i.png", "normal", reviewer="Bob")
    taken = [line.image for line in (marks.undo("Ann"), marks.undo("Ann")) if line is not None]
    assert taken == ["h.png", "a.png"]
    assert marks.standing().marks == {"a.png": "normal", "i.png": "normal"}
    marks.append("h.png", "normal", reviewer="Ann")
    line = marks.undo("Ann", "a.png")
    assert line is not None
    assert line.image == "a.png"
    assert marks.standing().marks == {"h.png": "normal", "i.png": "normal"}
    assert marks.undo("Ann", "a.png") is None


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_torn_last_line_is_dropped_and_then_mended(marks: MarksFile, kept: int) -> None:
    marks.append("a.png", "normal")
    whole = marks.path.read_bytes()
    marks.append("e\nf.png", "anomalous", reviewer='line\nbreak, "quoted"')
    torn = marks.path.read_bytes()[: len(whole) + kept]
    marks.path.write_bytes(torn)
    again = MarksFile(marks.path)
    assert [line.image for line in again.lines()] == ["a.png"]
    assert marks.path.read_bytes() == torn  # reading changes nothing
    again.append("h.png", "normal")
    assert marks.path.read_bytes().startswith(whole)
    assert [line.image for line in MarksFile(marks.path).lines()] == ["a.png", "h.png"]


@pytest.mark.parametrize("kept", [0, 1, 40])
def test_a_torn_header_is_mended(tmp_path: Path, kept: int) -> None:
    path = MarksFile.start(tmp_path / "m.csv", document()).path
    path.write_bytes(path.read_bytes()[:kept])
    MarksFile.start(path, document()).append("a.png", "normal")
    assert len(MarksFile(path).lines()) == 1


def test_a_restart_goes_on_with_the_design_that_is_there(marks: MarksFile) -> None:
    marks.append("a.png", "normal")
    again = MarksFile.start(marks.path, document(seed=5))
    assert again.document == marks.document == DesignDocument.read(design_path(marks.path))
    assert len(again.lines()) == 1


@pytest.mark.parametrize(
    ("other", "what"),
    [(document(model="b"), "model"), (document((*NAMES[:-1], "k.png")), "set of images")],
)
def test_marks_of_something_else_are_not_mixed(
    marks: MarksFile, other: DesignDocument, what: str
) -> None:
    with pytest.raises(UsageError, match=f"marks are of another {what}; choose another file"):
        MarksFile.start(marks.path, other)


def test_a_table_without_a_design_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("image,mark\na.png,normal\n")
    with pytest.raises(UsageError, match=r"is there without mine\.design\.json"):
        MarksFile.start(path, document())
    with pytest.raises(UsageError, match="no design beside it and takes no further marks"):
        MarksFile(path).append("a.png", "normal")
    assert path.read_text() == "image,mark\na.png,normal\n"


@pytest.mark.parametrize(
    "text",
    [
        "image,mark\na.png,normal\n'=b.png,anomalous\n",
        "\ufeffMark;Image\r\nNORMAL;a.png\r\nanomalous ;=b.png\r\n",
        "image\tmark\tnote\na.png\tnormal\t\n=b.png\tanomalous\tcrack",
    ],
)
def test_a_table_of_ones_own_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode())
    found = MarksFile(path)
    assert found.standing().marks == {"a.png": "normal", "=b.png": "anomalous"}
    assert found.document is None
    np.testing.assert_array_equal(
        found.standing().array(["=b.png", "c.png", "a.png"]), [1.0, np.nan, 0.0]
    )
    with pytest.raises(UsageError, match="no scores are known"):
        found.estimate()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "mine.csv"),
        (b"path,label\na,1\n", "no column named 'image'"),
        (b"image\na.png\n", "no column named 'mark'"),
        (b"image,mark\na.png,good\n", "'good' is no mark: use normal, anomalous, unsure, undo"),
        (b"image,mark\n,normal\n", "names no image"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=reason) as raised:
        MarksFile(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


GOOD = "a.png,normal,2.0,2026-01-01T00:00:00Z,,1.0,top scores,2,0.5,0.0,00"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a.png,normal\n", "line 3: 2 fields instead of 11"),
        (GOOD.replace("normal", "maybe").encode() + b"\n", "line 3: 'maybe' is no mark"),
        (GOOD.replace("2.0", "inf").encode() + b"\n", "line 3: weight is 'inf', not a number"),
        (GOOD.replace("a.png", "").encode() + b"\n", "line 3: the name of the image is missing"),
        (GOOD.replace("a.png", "z.png").encode() + b"\n", "'z.png' is not among the images"),
        (b"a.png\xff" + GOOD[5:].encode() + b"\n", "line 3: not UTF-8 text"),
        (f'"{GOOD}\n{GOOD}\n'.encode(), "line 3: a quotation mark is not closed"),
        (f'"a"{GOOD}""\n'.encode(), "line 3: "),
    ],
)
def test_a_damaged_line_is_named(marks: MarksFile, line: bytes, reason: str) -> None:
    marks.append("a.png", "normal")
    before = marks.path.read_bytes()
    marks.path.write_bytes(before + line)
    with pytest.raises(UsageError, match=reason) as raised:
        MarksFile(marks.path)
    assert str(marks.path) in str(raised.value)
    with pytest.raises(UsageError, match=reason):
        marks.append("h.png", "normal")
    assert marks.path.read_bytes() == before + line  # nothing is repaired away


def test_a_header_of_another_program_beside_a_design(marks: MarksFile) -> None:
    marks.path.write_text("image,mark\na.png,normal\n")
    with pytest.raises(UsageError, match="its first line must be image,mark,weight"):
        MarksFile(marks.path)


def test_a_folder_or_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a folder, not a file"):
        MarksFile(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        MarksFile(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="is a folder"):
        MarksFile.start(tmp_path, document())


def test_what_cannot_be_marked(marks: MarksFile) -> None:
    before = marks.path.read_bytes()
    with pytest.raises(UsageError, match=r"'z\.png' is not among the images"):
        marks.append("z.png", "normal")
    with pytest.raises(UsageError, match="'good' is no mark"):
        marks.append("a.png", "good")  # type: ignore[arg-type]
    for seconds in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="seconds must be 0 or more"):
            marks.append("a.png", "normal", seconds=seconds)
    assert marks.path.read_bytes() == before


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"n\xff.png")
    found = MarksFile.start(tmp_path / "m.csv", document((name, *NAMES)))
    found.append(name, "normal", reviewer=name)
    assert MarksFile(found.path).lines() == found.lines()
    assert np.nansum(found.array() == 0) == 1


def test_a_file_that_is_held_by_another_is_told(
    marks: MarksFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "_BUSY_SECONDS", 0.1)
    with (
        FileLock(marks.path.with_name(".marks.csv.lock")),
        pytest.raises(UsageError, match="another process does not let go"),
    ):
        marks.append("a.png", "normal")


def _mark_many(path: str, reviewer: str) -> None:
    found = MarksFile(path)
    for turn in range(25):
        found.append(NAMES[turn % len(NAMES)], "normal", reviewer=reviewer)


@pytest.mark.slow
def test_two_processes_at_once_lose_nothing(marks: MarksFile) -> None:
    context = get_context("spawn")
    workers = [context.Process(target=_mark_many, args=(marks.path, x)) for x in ("Ann", "Bob")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    lines = marks.lines()
    assert [sum(line.reviewer == x for line in lines) for x in ("Ann", "Bob")] == [25, 25]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_kill_loses_no_mark_that_was_answered(marks: MarksFile) -> None:
    script = textwrap.dedent(
        f"""
        from twofold.marks import MarksFile
        found = MarksFile({str(marks.path)!r})
        while True:
            found.append("a.png", "normal")
            print("written", flush=True)
        """
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline() for _ in range(20)]
        process.kill()
        answered += process.stdout.readlines()
    assert len(MarksFile(marks.path).lines()) - answered.count("written\n") in (0, 1)
    MarksFile(marks.path).append("h.png", "normal")
