"""`twofold report`."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.cases import Parse, Run, one_line, rows_of


def test_a_report_says_what_score_says(
    world: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    out, labels = tmp_path / "new" / "report.html", tmp_path / "labels.csv"
    images = [*sorted((world / "normal").iterdir()), *sorted((world / "anomalous").iterdir())]
    lines = [f"{path},{int(path.parent.name == 'anomalous')}" for path in images]
    labels.write_text("\n".join(["image,label", *lines]), encoding="utf-8")
    given = (world / "model", world / "normal", world / "anomalous", world / "bad" / "empty.png")
    result = run("report", *given, "--out", out, "--labels", labels, "--json")
    assert result.exit_code == 0, result.stderr
    found = as_object(result.stdout)
    rows = rows_of(run("score", *given).stdout)
    assert found["n_images"] == len(rows) == 21
    assert found["n_flagged"] == sum(row["anomalous"] == "1" for row in rows)
    assert found["n_unusable"] == 1
    assert (found["model"], found["out"]) == (str(world / "model"), str(out))
    assert found["bytes"] == out.stat().st_size
    text = out.read_text(encoding="utf-8")
    assert "Measured with labels" in text
    assert "empty file" in text
    assert re.search(r"sha256 of its detector.json</dt><dd>[0-9a-f]{64}<", text)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "new"]


def test_another_rate_is_that_of_the_page(world: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    given = ("report", world / "model", world / "normal", "--out", out)
    result = run(*given, "--false-alarm-rate", "0.2")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{out}: 12 images, ")
    assert "at most 20% of normal images" in out.read_text(encoding="utf-8")


def test_wrong_use_is_found_out_before_any_work(world: Path, run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "labels.csv"
    bad.write_text("image,label\na.png,perhaps\n", encoding="utf-8")
    # The model does not even have to be there.
    given = ("report", world / "gone", world / "normal", "--out")
    one_line(run(*given, tmp_path), code=2, word="is a folder")
    one_line(run(*given, tmp_path / "labels.csv" / "r.html"), code=2, word="is not a folder")
    out = tmp_path / "r.html"
    one_line(run(*given, out, "--labels", bad), code=2, word="'perhaps' is no label")
    one_line(run(*given, out, "--labels", tmp_path / "no.csv"), code=1, word="no.csv")
    assert not out.exists()


def test_nothing_but_unusable_images_is_a_failure_with_a_page(
    world: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    result = run("report", world / "model", world / "bad", "--out", out)
    assert result.exit_code == 1
    assert result.stderr == "twofold: none of the images can be used\n"
    assert "1 file could not be read" in out.read_text(encoding="utf-8")
