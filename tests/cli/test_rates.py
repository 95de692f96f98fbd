"""Rates of false alarms and false discoveries, and groups, on the command line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.cases import FAST
from typer.testing import Result

Run = Callable[..., Result]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def one_line(result: Result, *, code: int, word: str) -> None:
    """The whole of stderr is one line with the reason, stdout is empty."""
    assert (result.exit_code, result.stdout) == (code, "")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("twofold: ")
    assert word in result.stderr


@pytest.mark.slow
def test_too_few_images_for_the_rate_rank_all_the_same(
    world: Path, run: Run, tmp_path: Path
) -> None:
    result = run(
        *("fit", "--source", world / "few", "--target", world / "few", "--out", tmp_path / "m")
    )
    assert result.exit_code == 0
    note = result.stderr.splitlines()[-1]
    assert note.startswith("note: a false-alarm rate of 0.05 needs 19 independent target images")
    content = json.loads((tmp_path / "m" / "detector.json").read_text(encoding="utf-8"))
    assert content["threshold"]["requested_rate"] == 0.05 < content["threshold"]["false_alarm_rate"]
    figures = run(
        *("evaluate", tmp_path / "m", "--normal", world / "normal"),
        *("--anomalous", world / "anomalous", "--false-alarm-rate", "0.02", "--json"),
    )
    assert "note: a false-alarm rate of 0.02 needs 49" in figures.stderr
    stated = json.loads(figures.stdout)["stated_false_alarm_rate"]
    assert stated == content["threshold"]["false_alarm_rate"]


def test_another_rate_at_scoring(world: Path, run: Run) -> None:
    arguments = ("score", world / "model", world / "normal", world / "anomalous")
    flagged = [
        sum(row["anomalous"] == "1" for row in rows_of(run(*arguments, *more).stdout))
        for more in ((), ("--false-alarm-rate", "0.5"))
    ]
    assert flagged[0] < flagged[1]
    refused = run(*arguments, "--false-alarm-rate", "0.1", "--false-discovery-rate", "0.1")
    one_line(refused, code=2, word="not both")


def test_a_false_discovery_rate_decides_on_all_together(world: Path, run: Run) -> None:
    images = (world / "normal", world / "anomalous")
    alone = rows_of(run("score", world / "model", *images).stdout)
    found = {}
    for rate in ("0.01", "0.3"):
        result = run("score", world / "model", *images, "--false-discovery-rate", rate)
        assert result.exit_code == 0, result.stderr
        rows = rows_of(result.stdout)
        for row, expected in zip(rows, alone, strict=True):
            assert {**row, "anomalous": ""} == {**expected, "anomalous": ""}
        found[rate] = [row["anomalous"] for row in rows]
    # Of 44 images of the pool, no p-value is below a hundredth: nothing can be reported.
    assert found["0.01"] == ["0"] * 20
    assert found["0.3"][12:] == ["1"] * 8
    assert [row["anomalous"] for row in alone] != found["0.01"]


@pytest.mark.parametrize("rate", ["0", "1", "-0.1", "1.5", "nan"])
def test_an_impossible_false_discovery_rate_is_one_line(
    world: Path, run: Run, tmp_path: Path, rate: str
) -> None:
    out = tmp_path / "scores.csv"
    arguments = ("score", world / "model", world / "normal", "--out", out)
    result = run(*arguments, f"--false-discovery-rate={rate}")
    one_line(result, code=2, word="false_discovery_rate must lie strictly between 0 and 1")
    assert not out.exists()
    assert run(*arguments, "--false-discovery-rate", "often").exit_code == 2


@pytest.mark.slow
def test_a_rate_out_of_reach_is_a_note_at_every_command(
    world: Path, run: Run, tmp_path: Path
) -> None:
    note = "a false-alarm rate of 0.001 needs 999 independent target images that may be normal"
    asked = ("--false-alarm-rate", "0.001")
    scored = run("score", world / "model", world / "normal", *asked)
    evaluated = run(
        *("evaluate", world / "model", "--normal", world / "normal"),
        *("--anomalous", world / "anomalous", *asked),
    )
    fitted = run(
        *("fit", "--source", world / "source", "--target", world / "target"),
        *("--out", tmp_path / "m", *asked, *FAST),
    )
    for result in (scored, evaluated, fitted):
        assert result.exit_code == 0
        lines = [line for line in result.stderr.splitlines() if note in line]
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("note: ")
    assert "% false alarms, from 44 target images" in fitted.stdout
    # The same at the fit's own rate is silent.
    assert run("score", world / "model", world / "normal").stderr == ""


@pytest.mark.parametrize("rate", ["0", "1", "-0.1", "nan"])
def test_an_impossible_false_alarm_rate_is_one_line(world: Path, run: Run, rate: str) -> None:
    word = "false_alarm_rate must lie strictly between 0 and 1"
    asked = f"--false-alarm-rate={rate}"
    one_line(run("score", world / "model", world / "normal", asked), code=2, word=word)
    labelled = ("--normal", world / "normal", "--anomalous", world / "anomalous")
    one_line(run("evaluate", world / "model", *labelled, asked), code=2, word=word)


@pytest.mark.slow
def test_evaluate_at_another_rate(world: Path, run: Run) -> None:
    arguments = ("evaluate", world / "model", "--normal", world / "normal", "--json")
    found = {}
    for rate in ("0.05", "0.4"):
        result = run(*arguments, "--anomalous", world / "anomalous", "--false-alarm-rate", rate)
        assert result.exit_code == 0, result.stderr
        found[rate] = json.loads(result.stdout)
    low, high = found["0.05"], found["0.4"]
    usual = json.loads(run(*arguments, "--anomalous", world / "anomalous").stdout)
    assert usual == low
    saved = json.loads((world / "model" / "detector.json").read_text(encoding="utf-8"))
    assert low["threshold"] == saved["threshold"]["value"]
    assert low["stated_interval"] == saved["threshold"]["interval"]
    assert (low["stated_false_alarm_rate"], high["stated_false_alarm_rate"]) == (0.05, 0.4)
    assert high["threshold"] < low["threshold"]
    assert high["false_alarms"] >= low["false_alarms"]
    # The order of the images is that of their scores, whatever the rate.
    assert (low["auroc"], low["ap"]) == (high["auroc"], high["ap"])


def test_false_discoveries_need_a_calibration_on_the_target(
    world: Path, run: Run, tmp_path: Path
) -> None:
    fitted = run(
        *("fit", "--source", world / "source", "--out", tmp_path / "m"),
        *("--method", "frozen_source"),
    )
    assert fitted.exit_code == 0, fitted.stderr
    refused = run("score", tmp_path / "m", world / "normal", "--false-discovery-rate", "0.1")
    one_line(refused, code=2, word="a method that is calibrated on the target")
    assert (
        run("score", tmp_path / "m", world / "normal", "--false-alarm-rate", "0.1").exit_code == 0
    )


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["pool", "tail"])
def test_the_rule_is_kept_by_the_model(world: Path, run: Run, tmp_path: Path, rule: str) -> None:
    arguments = ("fit", "--source", world / "source", "--target", world / "target")
    result = run(*arguments, "--out", tmp_path / "m", "--calibration", rule, *FAST, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["threshold"]["rule"] == rule
    saved = json.loads((tmp_path / "m" / "detector.json").read_text(encoding="utf-8"))
    assert saved["threshold"]["rule"] == rule
    assert run("score", tmp_path / "m", world / "normal").exit_code == 0


def test_an_unknown_rule_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    arguments = ("fit", "--source", world / "source", "--target", world / "target")
    result = run(*arguments, "--out", tmp_path / "m", "--calibration", "guess")
    one_line(result, code=2, word="calibration must be pool or tail")


@pytest.mark.slow
def test_groups_come_from_a_column_of_the_manifest(world: Path, run: Run, tmp_path: Path) -> None:
    paths = sorted((world / "target").iterdir())
    rows = [f"{path},{row // 2}" for row, path in enumerate(paths)]
    manifest = tmp_path / "target.csv"
    manifest.write_text("\n".join(["path,lot", *rows]), encoding="utf-8")
    arguments = ("fit", "--source", world / "source", *FAST, "--out", tmp_path / "m", "--json")
    result = run(*arguments, "--target", manifest, "--groups", "lot")
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["threshold"]["n_images"] == 44
    assert content["threshold"]["n_groups"] == content["evidence"]["n_groups"] == 22
    assert any("44 target images count as 22" in note for note in content["evidence"]["notes"])
    one_line(run(*arguments, "--target", manifest, "--groups", "part"), code=1, word="part")
    folder = run(*arguments, "--target", world / "target", "--groups", "lot")
    one_line(folder, code=1, word="no manifest")
