"""``fit``, ``score`` and ``evaluate`` from end to end, with the real default encoder."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Parse = Callable[[str], dict[str, Any]]

HEADER = ["image", "score", "percentile", "anomalous", "problem"]


def rows_of(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text))
    rows = list(reader)
    assert reader.fieldnames == HEADER
    return rows


def one_line(result: Result, *, code: int, word: str) -> None:
    """The whole of stderr is one line with the reason, stdout is empty."""
    assert result.exit_code == code
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("twofold: ")
    assert word in lines[0]
    assert "Traceback" not in result.stderr


# ---------------------------------------------------------------------------------------- fit


def test_fit_prints_one_json_object_and_writes_a_model(world: Path, as_object: Parse) -> None:
    content = as_object((world / "fit.out").read_text(encoding="utf-8"))
    assert content["model"] == str(world / "model")
    assert (content["method"], content["encoder"]) == ("auto", "efficientnet_lite0")
    assert content["random_state"] == 0
    assert content["threshold"]["false_alarm_rate"] == 0.05
    assert content["threshold"]["origin"] == "target"
    assert content["threshold"]["n_presumed"] >= 19
    assert content["evidence"]["n_source"] == 40
    assert content["evidence"]["n_target"] == 44
    assert content["evidence"]["problems"] == []
    assert sorted(path.name for path in (world / "model").iterdir()) == [
        "detector.json",
        "tensors.safetensors",
    ]
    assert (world / "fit.err").read_text(encoding="utf-8") == ""


def test_fit_with_shots_and_source_anomalies(world: Path, run: Run, tmp_path: Path) -> None:
    options = ("source_negatives=labelled", "latent_max_steps=3")
    arguments = [
        *("fit", "--source", world / "source", "--target-shots", world / "normal"),
        *("--out", tmp_path / "m", "--method", "ildr"),
        *(part for option in options for part in ("--option", option)),
    ]
    one_line(run(*arguments), code=2, word="source_anomalies")
    result = run(*arguments, "--source-anomalies", world / "anomalous")
    assert result.exit_code == 0, result.stderr
    assert "ildr fitted on 40 source and 0 target images" in result.stdout


def test_fit_in_words_and_options(world: Path, run: Run, tmp_path: Path) -> None:
    result = run(
        *("fit", "--source", world / "source", "--target", world / "target"),
        *("--out", tmp_path / "m", "--method", "target_only", "--option", "trim=0.1"),
        *("--false-alarm-rate", 0.1, "--random-state", 3, "--option", "shrinkage=oas"),
    )
    assert result.exit_code == 0, result.stderr
    assert "target_only fitted on 40 source and 44 target images" in result.stdout
    assert "10% false alarms" in result.stdout
    saved = json.loads((tmp_path / "m" / "detector.json").read_text(encoding="utf-8"))
    assert saved["configuration"] == {"trim": 0.1, "shrinkage": "oas"}
    assert saved["random_state"] == 3


def test_fit_says_what_it_skipped(world: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "target"
    shutil.copytree(world / "target", folder)
    (folder / "note.png").write_text("not an image", encoding="utf-8")
    arguments = ("fit", "--source", world / "source", "--target", folder)
    result = run(*arguments, "--out", tmp_path / "m")
    assert result.exit_code == 0
    assert f"skipped {folder / 'note.png'}: not an image" in result.stderr
    one_line(run(*arguments, "--out", tmp_path / "n", "--strict"), code=1, word="note.png")
    assert not (tmp_path / "n").exists()


def test_embedded_weights_are_in_the_model(world: Path, run: Run, tmp_path: Path) -> None:
    arguments = ("fit", "--source", world / "source", "--target", world / "target")
    result = run(*arguments, "--out", tmp_path / "m", "--embed-weights")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "m" / "encoder.safetensors").stat().st_size > 10**7
    first, second = (run("score", m, world / "normal") for m in (world / "model", tmp_path / "m"))
    assert first.stdout == second.stdout


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--method", "nothing"), "unknown method 'nothing'"),
        (("--encoder", "nothing"), "unknown encoder 'nothing'"),
        (("--false-alarm-rate", "0"), "false_alarm_rate"),
        (("--false-alarm-rate", "1.5"), "false_alarm_rate"),
        (("--false-alarm-rate", "nan"), "false_alarm_rate"),
        (("--option", "trim"), "NAME=VALUE"),
        (("--option", "=3"), "NAME=VALUE"),
        (("--option", "cut=3"), "option cut"),
        (("--option", "trim=0.9"), "option trim"),
        (("--option", "trim=NaN"), "option trim"),
        (("--option", "trim=much"), "option trim"),
        (("--option", "trim=0.1", "--option", "trim.more=1"), "not a group"),
        (("--method", "paper", "--option", "training.epochs=0"), "training.epochs"),
        (("--method", "oracle", "--option", "training.trainable=head"), "target_labels"),
    ],
)
def test_a_wrong_option_exits_with_2(
    world: Path, run: Run, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    arguments = ("fit", "--source", world / "source", "--target", world / "target")
    one_line(run(*arguments, "--out", tmp_path / "m", *options), code=2, word=word)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "--source", "a", "--target", "b"),
        ("fit", "--source", "a", "--target", "b", "--out", "c", "--false-alarm-rate", "often"),
        ("fit", "--source", "a", "--target", "b", "--out", "c", "--random-state", "-1"),
        ("fit", "--source", "a", "--target", "b", "--out", "c", "--random-state", str(2**32)),
        ("fit", "--unknown"),
        ("score", "model"),
        ("evaluate", "model", "--normal", "a"),
        ("nothing",),
    ],
)
def test_wrong_use_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_a_missing_folder_exits_with_1(world: Path, run: Run, tmp_path: Path) -> None:
    arguments = ("fit", "--target", world / "target", "--out", tmp_path / "m")
    one_line(run(*arguments, "--source", world / "gone"), code=1, word="gone")


def test_too_few_images_exit_with_1(world: Path, run: Run, tmp_path: Path) -> None:
    result = run(
        *("fit", "--source", world / "few", "--target", world / "few", "--out", tmp_path / "m")
    )
    assert result.exit_code == 1
    assert "needs at least 19 presumed normal target images" in result.stderr.splitlines()[-1]


def test_a_folder_of_something_else_is_never_replaced(
    world: Path, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear", encoding="utf-8")
    arguments = ("fit", "--source", world / "source", "--target", world / "target")
    result = run(*arguments, "--out", tmp_path / "letters")
    one_line(result, code=1, word="not a twofold model")
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["a.txt"]


# -------------------------------------------------------------------------------------- score


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


def test_a_folder_in_place_of_the_file_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    result = run("score", world / "model", world / "normal", "--out", tmp_path)
    one_line(result, code=1, word=str(tmp_path))
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


# ----------------------------------------------------------------------------------- evaluate

AREAS = ("auroc", "ap", "fpr95", "false_alarm_rate", "detection_rate")


def test_evaluate_as_json(world: Path, run: Run, as_object: Parse) -> None:
    result = run(
        *("evaluate", world / "model", "--normal", world / "normal"),
        *("--anomalous", world / "anomalous", "--json"),
    )
    assert result.exit_code == 0
    assert result.stderr == ""
    content = as_object(result.stdout)
    assert set(content) == {
        *("model", "n_normal", "n_anomalous", "false_alarms", "detections", "problems"),
        *AREAS,
        *(f"{name}_interval" for name in AREAS),
    }
    assert (content["n_normal"], content["n_anomalous"]) == (12, 8)
    for name in AREAS:
        low, high = content[f"{name}_interval"]
        assert 0 <= low <= content[name] <= high <= 1
    assert content["auroc"] == content["ap"] == content["detection_rate"] == 1
    assert content["fpr95"] == 0
    assert content["false_alarm_rate"] == content["false_alarms"] / 12


def test_evaluate_in_words_reports_problems(world: Path, run: Run) -> None:
    arguments = ("evaluate", world / "model", "--anomalous", world / "anomalous")
    result = run(*arguments, "--normal", world / "mixed")
    assert result.exit_code == 0
    assert "3 normal, 8 anomalous images" in result.stdout
    assert "AUROC  100.0%" in result.stdout
    assert "skipped" in result.stderr
    one_line(run(*arguments, "--normal", world / "mixed", "--strict"), code=1, word="damaged.png")
    one_line(run(*arguments, "--normal", world / "bad"), code=1, word="none of the normal images")
