"""`twofold evaluate`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.cases import Parse, Run, one_line

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
