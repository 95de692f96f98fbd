"""`twofold fit`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.cases import FAST, Parse, Run, one_line


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
        "starts_like_source",
    }
    low, high = content["threshold"]["interval"]
    assert 0 <= low < high <= 1
    assert content["evidence"]["contamination"] is None
    assert sorted(path.name for path in (world / "model").iterdir()) == [
        "detector.json",
        "tensors.safetensors",
    ]
    assert (world / "fit.err").read_text(encoding="utf-8") == ""


@pytest.mark.slow
def test_by_default_made_up_flaws_are_tried(
    world: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    fitted = run(
        *("fit", "--source", world / "source", "--target", world / "target"),
        *("--out", tmp_path / "m", "--json"),
    )
    evidence = as_object(fitted.stdout)["evidence"]
    assert 0 <= evidence["choices"]["separation"] <= 1
    assert len(evidence["visible_flaws"]["flagged"]) > 3
    fast = as_object((world / "fit.out").read_text(encoding="utf-8"))["evidence"]
    assert fast["visible_flaws"] is None


@pytest.mark.slow
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
    options = {"trim": 0.1, "shrinkage": "oas", "image_size": None}
    assert saved["configuration"] == options
    assert saved["random_state"] == 3


@pytest.mark.slow
def test_fit_says_what_it_skipped(world: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "target"
    shutil.copytree(world / "target", folder)
    (folder / "note.png").write_text("not an image", encoding="utf-8")
    arguments = ("fit", "--source", world / "source", "--target", folder)
    result = run(*arguments, *FAST, "--out", tmp_path / "m")
    assert result.exit_code == 0
    assert f"skipped {folder / 'note.png'}: not an image" in result.stderr
    one_line(run(*arguments, "--out", tmp_path / "n", "--strict"), code=1, word="note.png")
    assert not (tmp_path / "n").exists()


@pytest.mark.slow
def test_a_fit_is_a_run_of_mlflow(
    world: Path, run: Run, as_object: Parse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    arguments = [
        *("fit", "--source", world / "source", "--target", world / "target", *FAST),
        *("--out", tmp_path / "m", "--mlflow", "line_b"),
    ]
    told = as_object(run(*arguments, "--json").stdout)["mlflow"]
    assert told["experiment"] == "line_b"
    kept = mlflow.get_run(told["run_id"])
    assert kept.info.status == "FINISHED"
    assert kept.data.params["target"] == str(world / "target")
    in_words = run(*arguments)
    assert in_words.exit_code == 0, in_words.stderr
    assert "of the MLflow experiment 'line_b'" in in_words.stdout
    # A store that is not there is known before anything is fitted.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (world / "few" / "000.png").as_uri())
    one_line(run(*arguments[:-4], "--out", tmp_path / "other", "--mlflow", "x"), code=1, word="run")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
@pytest.mark.parametrize("locality", ["global", "local"])
def test_fit_looks_at_what_it_is_told(world: Path, run: Run, tmp_path: Path, locality: str) -> None:
    arguments = ("fit", "--source", world / "source", "--target", world / "target")
    result = run(*arguments, *FAST, "--out", tmp_path / "m", "--locality", locality, "--json")
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


@pytest.mark.slow
def test_embedded_weights_are_in_the_model(world: Path, run: Run, tmp_path: Path) -> None:
    arguments = ("fit", "--source", world / "source", "--target", world / "target")
    result = run(*arguments, *FAST, "--out", tmp_path / "m", "--embed-weights")
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
