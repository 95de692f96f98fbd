"""``twofold certify``: from marks to a certificate and back, exit codes, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from twofold.bundle import model_digest
from twofold.cli import certify
from twofold.marks import DesignDocument, MarksFile, draw_design

SCORES = np.linspace(0.0, 1.0, 120)


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(certify.certify)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models, of which only the header matters here, and 40 marks for the first of them."""
    for name in ("model", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "detector.json").write_text(name)
    design = draw_design(SCORES, 0.8, 0)
    names = [f"{number}.png" for number in range(len(SCORES))]
    document = DesignDocument.of(
        design,
        names,
        SCORES,
        [f"{number:064x}" for number in range(len(SCORES))],
        model=model_digest(tmp_path / "model"),
        threshold=0.8,
        false_alarm_rate=0.05,
        random_state=0,
    )
    marks = MarksFile.start(tmp_path / "marks.csv", document)
    for row in design.order[:40]:
        marks.append(names[row], "anomalous" if SCORES[row] > 0.85 else "normal")
    return tmp_path


def test_a_certificate_is_written_and_verified(folder: Path) -> None:
    out = folder / "c.json"
    made = run(folder / "model", "--marks", folder / "marks.csv", "--out", out)
    assert made.exit_code == 0, made.output
    assert "Detection rate" in made.stdout
    assert "%" in made.stdout
    content = json.loads(out.read_text())
    assert content["model"] == model_digest(folder / "model")
    again = run(folder / "model", "--marks", folder / "marks.csv", "--verify", out, "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout) == content
    assert run("--verify", out).exit_code == 0


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_a_rendering_is_written_and_verified(folder: Path, suffix: str) -> None:
    out, marks = folder / f"c{suffix}", folder / "marks.csv"
    made = run(folder / "model", "--marks", marks, "--out", out)
    assert made.exit_code == 0, made.output
    again = run(folder / "model", "--marks", marks, "--verify", out, "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["model"] == model_digest(folder / "model")
    assert run(folder / "other", "--verify", out).exit_code == 2
    out.write_bytes(out.read_bytes().replace(b"120 images", b"121 images", 1))
    refused = run("--verify", out)
    assert refused.exit_code == 2
    assert "does not show what the certificate in it says" in refused.stderr
    MarksFile(marks).undo()
    run(folder / "model", "--marks", marks, "--out", out)
    marks.write_text(marks.read_text() + "\n")
    refused = run("--marks", marks, "--verify", out)
    assert refused.exit_code == 2
    assert "is not what was certified" in refused.stderr


def test_what_does_not_belong_together_is_refused(folder: Path) -> None:
    out, marks = folder / "c.json", folder / "marks.csv"
    refused = run(folder / "other", "--marks", marks, "--out", out)
    assert refused.exit_code == 2
    assert "is of another model than" in refused.stderr
    assert not out.exists()
    run(folder / "model", "--marks", marks, "--out", out)
    assert run(folder / "other", "--verify", out).exit_code == 2
    MarksFile(marks).undo()
    refused = run("--marks", marks, "--verify", out)
    assert refused.exit_code == 2
    assert "is not what was certified" in refused.stderr
    out.write_text(out.read_text().replace('"images": 120', '"images": 121'))
    refused = run("--verify", out)
    assert refused.exit_code == 2
    assert "was changed since it was made" in refused.stderr


def test_a_claim_that_the_marks_do_not_prove_is_refused(folder: Path) -> None:
    marks, out = folder / "marks.csv", folder / "c.json"
    refused = run(folder / "model", "--marks", marks, "--out", out, "--max-missed", 0.02)
    assert refused.exit_code == 1
    assert "you need 149 marked anomalies without a miss" in refused.stderr
    assert not out.exists()
    kept = run(folder / "model", "--marks", marks, "--out", out, "--max-missed", 0.9)
    assert kept.exit_code == 0, kept.output
    assert "at most 0.9 of the anomalies are missed" in kept.stdout


def test_wrong_use(folder: Path) -> None:
    model, marks = folder / "model", folder / "marks.csv"
    for arguments in (
        (),
        (model, "--marks", marks),
        (model, "--out", folder / "c.json"),
        (model, "--marks", marks, "--out", folder / "c.docx"),
        (model, "--marks", marks, "--out", folder / "c"),
        (model, "--marks", marks, "--out", folder / "model" / "detector.json" / "c.html"),
        (model, "--marks", folder / "none.csv", "--out", folder / "c.json"),
        (model, "--marks", marks, "--out", folder / "c.json", "--confidence", 0.5),
        (folder / "none", "--marks", marks, "--out", folder / "c.json"),
    ):
        refused = run(*arguments)
        assert refused.exit_code in (1, 2), arguments
        assert refused.stderr.startswith("twofold: ")
        assert refused.stderr.count("\n") == 1
