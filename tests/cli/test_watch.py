"""`twofold watch`."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.cases import Parse, Run, one_line
from tests.support.bad_files import write_bad_files

from twofold.detector.scores import ROW_FIELDS


@pytest.fixture
def folder(world: Path, tmp_path: Path) -> Path:
    shutil.copytree(world / "mixed", tmp_path / "in")
    shutil.copy(world / "anomalous" / "000.png", tmp_path / "in" / "spot.png")
    write_bad_files(tmp_path / "in")
    return tmp_path / "in"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        found = list(reader)
    assert reader.fieldnames == [*ROW_FIELDS, "time", "size", "mtime_ns"]
    return found


@pytest.mark.slow
def test_rows_are_those_of_score(
    world: Path, folder: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "r.csv"
    quick = ("--once", "--settle", "0", "--out", out)
    result = run("watch", world / "model", folder, *quick)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{out}: 16 images scored, 1 anomalous, 12 unusable; 16 rows in all\n"
    assert f"unusable {folder / 'damaged.png'}: " in result.stderr
    link = folder / "dangling.png"
    assert f"left out {link}: a link, which is not followed" in result.stderr
    link.unlink()
    scored = as_object(run("score", world / "model", folder, "--json").stdout)["images"]
    found = {row["image"]: row for row in rows(out)}
    assert len(found) == len(scored) == 16
    for one in scored:
        row = found[one["image"]]
        assert row["problem"] == (one["problem"] or "")
        assert row["anomalous"] == ("" if one["problem"] else str(one["anomalous"]))
        if one["score"] is not None:
            assert float(row["score"]) == pytest.approx(one["score"], rel=1e-4)
        assert int(row["size"]) == Path(one["image"]).stat().st_size
        assert int(row["mtime_ns"]) == Path(one["image"]).stat().st_mtime_ns
    again = as_object(run("watch", world / "model", folder, *quick, "--move", "--json").stdout)
    assert again == {
        "model": str(world / "model"),
        "folder": str(folder),
        "out": str(out),
        "scored": 0,
        "anomalous": 0,
        "unusable": 0,
        "results": 16,
        "still_written": 0,
        "messages_waiting": None,
        "drift": "none",
    }


def test_another_rate_or_mask_is_another_table(
    world: Path, folder: Path, run: Run, tmp_path: Path
) -> None:
    quick = ("--once", "--settle", "0", "--out", tmp_path / "r.csv")
    assert run("watch", world / "model", folder, *quick).exit_code == 0
    result = run("watch", world / "model", folder, *quick, "--false-alarm-rate", "0.2")
    assert result.exit_code == 2
    assert "begun with false alarm rate none, and now it is 0.2" in result.stderr


@pytest.mark.slow
def test_wrong_use_is_one_line_before_the_work(run: Run, tmp_path: Path) -> None:
    """Before the model is looked for, even."""
    file = tmp_path / "file"
    file.touch()
    base = ("watch", tmp_path / "no model", tmp_path, "--out")
    for arguments, word in (
        ((tmp_path / "r.txt",), "--out"),
        ((file / "r.csv",), "is not a folder"),
        ((tmp_path / "r.csv", "--settle", "-1"), "--settle"),
        ((tmp_path / "r.csv", "--poll", "0"), "--poll"),
        ((tmp_path / "r.csv", "--batch", "0"), "--batch"),
        ((tmp_path / "r.csv", "--poll", "1", "--events"), "one of them"),
        ((tmp_path / "r.csv", "--webhook", "ftp://x"), "--webhook"),
        ((tmp_path / "r.csv", "--webhook-token-file", file), "--webhook URL"),
        ((tmp_path / "r.csv", "--webhook", "http://x", "--webhook-token-file", file), "token"),
    ):
        one_line(run(*base, *arguments), code=2, word=word)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_missing_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "r.csv")
    one_line(run("watch", tmp_path / "m", tmp_path, *out), code=1, word="no such model folder")
    result = run("watch", world / "model", tmp_path / "gone", *out)
    one_line(result, code=1, word="no such folder to watch")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_ends_when_it_is_asked(
    world: Path, folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "r.csv"
    command = (sys.executable, "-m", "twofold", "watch", world / "model", folder)
    process = subprocess.Popen(
        [*map(str, command), "--out", str(out), "--settle", "0.1"],
        env=os.environ | {"TWOFOLD_CACHE": "off"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 100
        while not (out.exists() and out.read_bytes().count(b"\n") == 17):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, stderr
    assert stdout.startswith(f"{out}: 16 images scored")
