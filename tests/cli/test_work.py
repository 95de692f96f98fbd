"""``fit``, ``score`` and ``evaluate`` from end to end, with the real default encoder."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from twofold.spreadsheet import read_cell

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
    assert content["threshold"]["n_images"] == content["threshold"]["n_groups"] == 44
    assert content["evidence"]["n_groups"] == 44
    assert content["evidence"]["n_source"] == 40
    assert content["evidence"]["n_target"] == 44
    assert content["evidence"]["problems"] == []
    assert content["evidence"]["verdict"] == "adapt"
    assert content["evidence"]["reasons"][0].startswith("a shift ")
    assert content["evidence"]["findings"]["shift_auroc"] > 0.75
    assert set(content["evidence"]["choices"]) == {
        "apart",
        "global_source_weight",
        "local_weight",
        "place_share",
        "source_weight",
    }
    low, high = content["threshold"]["interval"]
    assert 0 <= low < high <= 1
    assert content["evidence"]["contamination"] is None
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
    assert result.stdout.startswith("verdict: adapt\n")
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


@pytest.mark.parametrize("locality", ["global", "local"])
def test_fit_looks_at_what_it_is_told(world: Path, run: Run, tmp_path: Path, locality: str) -> None:
    arguments = ("fit", "--source", world / "source", "--target", world / "target")
    result = run(*arguments, "--out", tmp_path / "m", "--locality", locality, "--json")
    assert result.exit_code == 0, result.stderr
    weight = json.loads(result.stdout)["evidence"]["choices"]["local_weight"]
    assert weight == (0.0 if locality == "global" else 1.0)
    saved = json.loads((tmp_path / "m" / "detector.json").read_text(encoding="utf-8"))
    assert saved["configuration"]["locality"] == locality
    scored = run("score", tmp_path / "m", world / "normal", "--maps", tmp_path / "maps")
    if locality == "local":
        assert scored.exit_code == 0, scored.stderr
        assert len(list((tmp_path / "maps").iterdir())) == 12
    else:
        one_line(scored, code=2, word="locality=both")
        assert not (tmp_path / "maps").exists()


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
        (("--locality", "middle"), "option locality"),
        (("--locality", "local", "--option", "locality=global"), "locality is given twice"),
        (("--locality", "local", "--method", "target_only"), "option locality"),
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


# -------------------------------------------------------------------------------- score, maps


def test_maps_are_pictures_of_the_images(world: Path, run: Run, tmp_path: Path) -> None:
    folder, out = tmp_path / "new" / "maps", tmp_path / "scores.csv"
    arguments = ("score", world / "model", world / "mixed", world / "anomalous", "--out", out)
    result = run(*arguments, "--maps", folder)
    assert result.exit_code == 0, result.stderr
    names = [Path(row["image"]).stem for row in rows_of(out.read_text(encoding="utf-8"))]
    wanted = [f"{row:06}_{name}.png" for row, name in enumerate(names) if name != "damaged"]
    assert sorted(path.name for path in folder.iterdir()) == wanted
    assert len(wanted) == 11
    for name in wanted:
        with Image.open(folder / name) as picture:
            assert (picture.size, picture.mode, picture.format) == ((48, 48), "RGB", "PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "scores.csv"]
    plain = run("score", world / "model", world / "mixed", world / "anomalous")
    assert out.read_text(encoding="utf-8") == plain.stdout
    # A second time the same pictures, over the first ones.
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(*arguments, "--maps", folder).exit_code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_defects_are_coloured_and_normal_images_hardly(
    world: Path, run: Run, tmp_path: Path
) -> None:
    changed = {}
    for name in ("normal", "anomalous"):
        assert run("score", world / "model", world / name, "--maps", tmp_path / name).exit_code == 0
        shares = []
        pairs = zip(
            sorted((world / name).iterdir()), sorted((tmp_path / name).iterdir()), strict=True
        )
        for image, drawn in pairs:
            with Image.open(image) as one, Image.open(drawn) as two:
                shares.append(float((np.asarray(one) != np.asarray(two)).any(axis=2).mean()))
        changed[name] = shares
    assert min(changed["anomalous"]) > 0.1
    assert float(np.median(changed["normal"])) < float(np.median(changed["anomalous"])) / 2


def test_no_name_leads_out_of_the_folder(world: Path, run: Run, tmp_path: Path) -> None:
    near = tmp_path / "images"
    names = [
        *("..%2f..%2fup.png", "..\\..\\up.png", "two words.png", "größe 大小.png", "...png"),
        *(
            "-rf.png",
            "a:b*c?.png",
            "line\nbreak.png",
            "\u202egnp.png",
            "CON.png",
            "x" * 200 + ".png",
        ),
        *("same.png", "same.jpg", "same.png.png", "sub/same.png", "sub/../same2.png"),
    ]
    paths = []
    (near / "sub").mkdir(parents=True)
    for name in names:
        shutil.copy(world / "normal" / "000.png", near / name)
        paths.append(near / name)
    folder = tmp_path / "out" / "maps"
    result = run("score", world / "model", *paths, "--out", tmp_path / "s.csv", "--maps", folder)
    assert result.exit_code == 0, result.stderr
    written = sorted(path.name for path in folder.iterdir())
    assert [name[:7] for name in written] == [f"{row:06}_" for row in range(len(names))]
    for name in written:
        assert re.fullmatch(r"[A-Za-z0-9._-]+\.png", name)
        assert len(name) < 100
        assert (folder / name).is_file()
    assert written[2] == "000002_two_words.png"
    everything = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert everything == {*(p.resolve() for p in paths), tmp_path / "s.csv", *folder.iterdir()}


def test_a_method_without_maps_is_refused_before_any_work(
    world: Path, run: Run, tmp_path: Path
) -> None:
    model, out, folder = tmp_path / "m", tmp_path / "s.csv", tmp_path / "maps"
    fitted = run(
        *("fit", "--source", world / "source", "--target", world / "target"),
        *("--out", model, "--method", "target_only"),
    )
    assert fitted.exit_code == 0, fitted.stderr
    # The images do not even have to be there.
    for images in (world / "normal", world / "gone"):
        result = run("score", model, images, "--out", out, "--maps", folder)
        one_line(result, code=2, word="method target_only with these options has no anomaly maps")
        assert not out.exists()
        assert not folder.exists()


def test_a_file_in_place_of_the_maps_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    file, out = tmp_path / "maps", tmp_path / "s.csv"
    file.write_text("kept", encoding="utf-8")
    for folder in (file, file / "inside"):
        result = run("score", world / "model", world / "normal", "--out", out, "--maps", folder)
        one_line(result, code=2, word=f"--maps {folder}: ")
        assert file.read_text(encoding="utf-8") == "kept"
        assert not out.exists()


# ---------------------------------------------------------------------------------- bad models


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
        *("threshold", "stated_false_alarm_rate", "stated_interval"),
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
