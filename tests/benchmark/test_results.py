"""The results file survives kills and refuses a second writer."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from twofold.benchmark.results import KEY, ResultsFile, row_key
from twofold.errors import TwofoldError


def row(**changes: Any) -> dict[str, Any]:
    return dict.fromkeys(KEY, "x") | {"run": 0, "auroc": 0.5} | changes


def written(path: Path, *rows: dict[str, Any]) -> ResultsFile:
    results = ResultsFile(path)
    with results.writing():
        for one in rows:
            results.append(one)
    return results


def test_rows_come_back_by_their_cell(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.jsonl"
    written(path, row(run=0), row(run=1))
    with ResultsFile(path).writing() as known:
        assert set(known) == {row_key(row(run=0)), row_key(row(run=1))}
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_the_later_row_of_a_cell_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    written(path, row(auroc=0.1), row(auroc=0.9))
    with ResultsFile(path).writing() as known:
        assert [one["auroc"] for one in known.values()] == [0.9]


@pytest.mark.parametrize("kept", range(1, 40, 7))
def test_a_write_cut_short_by_a_kill_is_cut_off(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "results.jsonl"
    written(path, row(run=0))
    whole = path.read_bytes()
    path.write_bytes(whole + json.dumps(row(run=1)).encode()[:kept])
    results = ResultsFile(path)
    with results.writing() as known:
        assert [one["run"] for one in known.values()] == [0]
        results.append(row(run=2))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [one["run"] for one in lines] == [0, 2]


@pytest.mark.parametrize("damage", ["{", "[1]", "nonsense", ""])
def test_damage_elsewhere_is_named_and_left_alone(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "results.jsonl"
    written(path, row(run=0))
    content = path.read_bytes() + damage.encode() + b"\n" + path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(TwofoldError, match=r"results\.jsonl line 2"), ResultsFile(path).writing():
        pass
    assert path.read_bytes() == content


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    first, second = ResultsFile(path), ResultsFile(path)
    with first.writing(), pytest.raises(TwofoldError, match="another benchmark"):
        second.writing().__enter__()
    with second.writing() as known:
        assert not known


IN_ANOTHER_PROCESS = """
import os, sys, time
from pathlib import Path
from twofold.benchmark.results import ResultsFile

with ResultsFile(Path(sys.argv[1])).writing():
    {inside}
{after}
"""


def another_process(path: Path, inside: str, after: str = "") -> subprocess.Popen[str]:
    """Another process that writes the same results; goes on once it has printed a line."""
    program = IN_ANOTHER_PROCESS.format(inside=inside, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    return process


def test_a_second_process_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with another_process(path, "print('now', flush=True); time.sleep(60)") as other:
        begun = time.monotonic()
        refused = pytest.raises(
            TwofoldError, match=r"another benchmark is writing .*results\.jsonl"
        )
        with refused, ResultsFile(path).writing():
            pass
        assert time.monotonic() - begun < 1
        other.kill()
        other.wait()
        with ResultsFile(path).writing() as known:
            assert not known


def test_a_process_forked_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    # The child holds a copy of everything that its parent had open, and outlives it.
    inside = "os.fork() or (time.sleep(8), os._exit(0))"
    with another_process(path, inside, "print('now', flush=True); os._exit(0)") as other:
        other.wait()
        with ResultsFile(path).writing() as known:
            assert not known


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    blocked = ResultsFile(tmp_path / "file" / "results.jsonl")
    with pytest.raises(TwofoldError, match="cannot write"), blocked.writing():
        pass


def test_what_is_not_a_number_never_reaches_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with pytest.raises(ValueError, match="JSON"):
        written(path, row(auroc=float("nan")))
    assert path.read_bytes() == b""
