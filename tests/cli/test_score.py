"""`twofold score`."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest
from pyarrow import parquet
from tests.cli.cases import HEADER, Parse, Run, one_line, rows_of
from tests.support.missing import hide

from twofold.detector.scores import ROW_FIELDS
from twofold.spreadsheet import read_cell


def test_scores_go_to_stdout_without_out(world: Path, run: Run) -> None:
    result = run("score", world / "model", world / "normal", world / "anomalous")
    assert result.exit_code == 0
    assert result.stderr == ""
    rows = rows_of(result.stdout)
    assert [row["image"] for row in rows] == [
        str(path) for name in ("normal", "anomalous") for path in sorted((world / name).iterdir())
    ]
    low = [float(row["score"]) for row in rows[:12]]
    high = [float(row["score"]) for row in rows[12:]]
    assert max(low) < min(high)
    assert all(0 <= float(row["percentile"]) <= 100 for row in rows)
    assert [row["anomalous"] for row in rows[12:]] == ["1"] * 8
    assert {row["anomalous"] for row in rows[:12]} <= {"0", "1"}
    assert {row["problem"] for row in rows} == {""}


def test_a_csv_is_written_and_described(world: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "scores.csv"
    result = run("score", world / "model", world / "normal", "--out", out)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{out}: 12 images scored, ")
    assert out.read_text(encoding="utf-8") == run("score", world / "model", world / "normal").stdout
    assert [path.name for path in out.parent.iterdir()] == ["scores.csv"]


def test_parquet_is_written_where_the_name_says_so(
    world: Path, run: Run, as_object: Parse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new" / "scores.parquet"
    result = run("score", world / "model", world / "mixed", "--out", out)
    assert result.exit_code == 0, result.stderr
    found = parquet.read_table(out)
    assert found.column_names == list(ROW_FIELDS)
    rows = as_object(run("score", world / "model", world / "mixed", "--json").stdout)["images"]
    assert [{name: row[name] for name in HEADER} for row in found.to_pylist()] == rows
    hide(monkeypatch, "pyarrow")
    one_line(run("score", "no model", "no images", "--out", out), code=1, word="twofold[parquet]")


def test_a_name_that_a_spreadsheet_would_run_is_text(
    world: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["'=2.png", "+1.png", "-1.png", "=1+1.png", "@x.png", "a;=1.png", "b\r=1.png"]
    for name in names:
        shutil.copy(world / "normal" / "000.png", tmp_path / name)
    (tmp_path / "=bad.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    result = run("score", world / "model", "*.png", "--out", tmp_path / "scores.csv")
    assert result.exit_code == 0, result.stderr
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(read_cell(row["image"]) for row in rows) == sorted([*names, "=bad.png"])
    assert not [row for row in rows if row["image"].startswith(("=", "+", "-", "@"))]
    assert {float(row["score"]) for row in rows if not row["problem"]}
    as_object = json.loads(run("score", world / "model", "*.png", "--json").stdout)
    assert {row["image"] for row in as_object["images"]} == {*names, "=bad.png"}


def test_a_bad_file_is_a_row_with_its_problem(world: Path, run: Run) -> None:
    result = run("score", world / "model", world / "mixed")
    assert result.exit_code == 0
    (bad,) = (row for row in rows_of(result.stdout) if row["problem"])
    assert bad["image"].endswith("damaged.png")
    assert (bad["score"], bad["percentile"], bad["anomalous"]) == ("", "", "")
    assert "damaged" in bad["problem"]
    assert f"skipped {world / 'mixed' / 'damaged.png'}: " in result.stderr


def test_strict_fails_on_a_bad_file(world: Path, run: Run) -> None:
    one_line(run("score", world / "model", world / "mixed", "--strict"), code=1, word="damaged.png")


def test_score_as_json_has_null_for_a_bad_file(world: Path, run: Run, as_object: Parse) -> None:
    result = run("score", world / "model", world / "mixed", "--json")
    content = as_object(result.stdout)
    assert set(content) == {"model", "out", "images"}
    assert all(list(row) == HEADER for row in content["images"])
    (bad,) = (row for row in content["images"] if row["problem"])
    assert bad["score"] is bad["percentile"] is bad["anomalous"] is None


def test_only_bad_files_fail_after_the_table(world: Path, run: Run) -> None:
    result = run("score", world / "model", world / "bad")
    assert result.exit_code == 1
    (row,) = rows_of(result.stdout)
    assert row["problem"] == "empty file"
    assert "none of the images can be used" in result.stderr


def test_a_failed_score_keeps_the_earlier_file(world: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    out.write_text("kept\n", encoding="utf-8")
    assert run("score", world / "model", world / "gone", "--out", out).exit_code == 1
    result = run("score", world / "model", world / "mixed", "--strict", "--out", out)
    assert result.exit_code == 1
    assert out.read_text(encoding="utf-8") == "kept\n"


def test_what_cannot_be_written_is_one_line_before_the_work(run: Run, tmp_path: Path) -> None:
    """Before the model is looked for, even."""
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("kept", encoding="utf-8")
    folder.mkdir()
    for option, path in (
        ("--out", folder),
        ("--out", file / "scores.csv"),
        ("--out", tmp_path / ("x" * 300)),
        ("--maps", file),
        ("--maps", file / "inside"),
    ):
        result = run("score", tmp_path / "no model", tmp_path / "no images", option, path)
        one_line(result, code=2, word=f"{option} {path}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_without_permission_is_one_line_before_the_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs the tests may be root
    for option in ("--out", "--maps"):
        result = run("score", tmp_path / "no model", tmp_path, option, tmp_path / "new" / "x")
        one_line(result, code=2, word=f"{option} {tmp_path / 'new' / 'x'}: {tmp_path} cannot be")
    assert not list(tmp_path.iterdir())


def test_a_damaged_model_is_refused(world: Path, run: Run, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(world / "model", model)
    tensors = bytearray((model / "tensors.safetensors").read_bytes())
    tensors[-1] ^= 1
    (model / "tensors.safetensors").write_bytes(tensors)
    one_line(run("score", model, world / "normal"), code=1, word="tensors.safetensors")
    (model / "detector.json").write_text("{", encoding="utf-8")
    one_line(run("evaluate", model, "--normal", "a", "--anomalous", "b"), code=1, word="damaged")


def test_a_missing_model_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    one_line(run("score", tmp_path / "m", world / "normal"), code=1, word="no such model folder")
