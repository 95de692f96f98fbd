"""`twofold refit`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.cli.cases import FAST, Parse, Run, one_line
from tests.cli.conftest import write_images

from twofold.marks import MarksFile


def reviewed(world: Path, run: Run, folder: Path, count: int = 20) -> Path:
    """Marks of images of the target by somebody who knows, with their design."""
    marks = folder / "marks.csv"
    sheet = folder / "sheet"
    asked = run(
        *("review", world / "model", world / "target", "--out", marks),
        *("--export", sheet, "--marks", count),
    )
    assert asked.exit_code == 0, asked.stderr
    document = MarksFile(marks).document
    assert document is not None
    table = sheet / "fill_in.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, place in zip(rows, document.order, strict=False):
        name = Path(document.images[place].path).name
        row["mark"] = "anomalous" if name.startswith("x") else "normal"
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    taken = run("review", world / "model", world / "target", "--out", marks, "--import", table)
    assert taken.exit_code == 0, taken.stderr
    return marks


@pytest.mark.slow
def test_marks_make_another_model(world: Path, run: Run, as_object: Parse, tmp_path: Path) -> None:
    marks, out = reviewed(world, run, tmp_path), tmp_path / "better"
    before = sorted((world / "model").iterdir()), (world / "model" / "detector.json").read_bytes()
    done = run("refit", world / "model", "--marks", marks, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    told = as_object(done.stdout)
    assert told["n_normal"] + told["n_anomalous"] == 20
    assert told["n_anomalous"] >= 2
    assert told["n_images"] == 44
    assert told["corrected"]
    assert told["auroc_after"] >= told["auroc_before"] - 0.05
    assert told["threshold_before"] != told["threshold_after"]
    for when in ("rates_before", "rates_after"):
        assert told[when]["n_marked"] == 20
        rate = told[when]["detection_rate"]
        assert rate["low"] <= rate["value"] <= rate["high"]
    # The old model stays.
    assert before == (
        sorted((world / "model").iterdir()),
        (world / "model" / "detector.json").read_bytes(),
    )
    measured = run(
        *("evaluate", out, "--normal", world / "normal", "--anomalous", world / "anomalous"),
        "--json",
    )
    assert as_object(measured.stdout)["auroc"] > 0.9


@pytest.mark.slow
def test_a_table_of_ones_own_will_do(world: Path, run: Run, tmp_path: Path) -> None:
    marks = tmp_path / "mine.csv"
    lines = [f"{world / 'target' / 'x000.png'},anomalous"]
    lines += [f"{world / 'target' / f'{row:03}.png'},normal" for row in range(3)]
    marks.write_text("\n".join(["image,mark", *lines]) + "\n")
    done = run("refit", world / "model", "--marks", marks, "--out", tmp_path / "better")
    assert done.exit_code == 0, done.stderr
    assert "4 marks, 3 normal and 1 anomalous, of 4 images" in done.stdout
    assert "flagged, marked anomalous: 1 of 1 before" in done.stdout
    assert "threshold" in done.stdout
    assert "Detection rate" not in done.stdout  # of no design nothing is known but the marks


def test_wrong_use_is_one_line(world: Path, run: Run, tmp_path: Path) -> None:
    marks = reviewed(world, run, tmp_path, 6)
    model = world / "model"
    same = run("refit", model, "--marks", marks, "--out", model)
    one_line(same, code=2, word="the old model stays")
    empty = tmp_path / "empty.csv"
    empty.write_text("image,mark\n")
    nothing = run("refit", model, "--marks", empty, "--out", tmp_path / "m2")
    assert nothing.exit_code != 0
    gone = tmp_path / "gone.csv"
    gone.write_text("image,mark\nnowhere.png,normal\n")
    lost = run("refit", model, "--marks", gone, "--out", tmp_path / "m2")
    one_line(lost, code=2, word="nowhere.png is not there")
    # A file that is another one since.
    document = MarksFile(marks).document
    assert document is not None
    first = Path(document.images[document.order[0]].path)
    content = first.read_bytes()
    try:
        first.write_bytes(content + b"more")
        changed = run("refit", model, "--marks", marks, "--out", tmp_path / "m2")
    finally:
        first.write_bytes(content)
    one_line(changed, code=2, word="has changed since it was marked")
    assert not (tmp_path / "m2").exists()


@pytest.mark.slow
def test_a_target_that_has_changed_takes_the_place_of_the_old_one(
    world: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    """The line has changed back to what the source shows: nothing odd there for the new model."""
    now, out = tmp_path / "now", tmp_path / "again"
    write_images(now, n=40, tint=0, seed=12)
    before = (world / "model" / "detector.json").read_bytes()
    done = run("refit", world / "model", "--target", now, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    told = as_object(done.stdout)
    assert told["evidence"]["n_target"] == 40
    assert told["threshold"]["value"] != as_object(before.decode())["threshold"]["value"]
    assert (world / "model" / "detector.json").read_bytes() == before
    fitted = run(
        *("fit", "--source", world / "source", "--target", now, "--out", tmp_path / "anew"),
        *("--json", *FAST),  # as the first fit was
    )
    assert as_object(fitted.stdout) | {"model": str(out)} == told
    seen = as_object(run("score", out, now, "--json").stdout)["images"]
    assert sum(row["anomalous"] for row in seen) <= 4
    old = as_object(run("score", world / "model", now, "--json").stdout)["images"]
    assert sum(row["anomalous"] for row in old) >= 30


def test_marks_or_a_target_are_needed(world: Path, run: Run, tmp_path: Path) -> None:
    done = run("refit", world / "model", "--out", tmp_path / "again")
    one_line(done, code=2, word="give --marks FILE to learn from marks, or --target DIR")
