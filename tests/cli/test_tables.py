"""``twofold tables``: what it prints, its exit codes, what it imports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from twofold.benchmark.tables import write
from twofold.cli import tables
from twofold.errors import MissingExtraError

AsObject = Callable[[str], dict[str, Any]]


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(tables.tables)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of two methods on PACS."""
    base = {
        **{"dataset": "pacs", "direction": "photo->sketch", "class": "dog", "status": "ok"},
        **{"protocol": "uda_inductive", "anomaly_share": 0.1, "configuration_id": "a" * 12},
    }
    lines = [
        base | {"method": "paper", "label": label, "run": run, "auroc": auroc}
        for label, auroc in (("paper", 0.75), ("paper [psi=self]", 0.5))
        for run in range(2)
    ]
    for line in lines[2:]:
        line["configuration_id"] = "b" * 12
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "results.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_summary_goes_to_stdout(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0, result.output
    assert "75.0 ± 0.0" in result.stdout
    assert "paper [psi=self]" in result.stdout
    assert "Cells: 4 rows, 0 failed, 0 missing." in result.stdout
    assert "No result, so not written: table1a" in result.stdout
    assert f"Written to {folder / 'tables'}: tables.md, " in result.stdout
    assert (folder / "tables" / "tables.md").exists()


def test_json_is_one_object_of_fractions(folder: Path, as_object: AsObject) -> None:
    content = as_object(run(folder, "--json", "--out", folder / "else").stdout)
    assert content["out"] == str(folder / "else")
    assert {"tables", "figures", "rows", "failed", "missing", "not_written"} < set(content)
    assert [row["auroc"] for row in content["averages"]] == [0.75, 0.5]
    assert "notes" not in content


@pytest.mark.slow
def test_published_needs_no_results(tmp_path: Path, as_object: AsObject) -> None:
    result = run(tmp_path / "none", "--published", "--json")
    assert result.exit_code == 0, result.output
    content = as_object(result.stdout)
    assert (content["rows"], content["not_written"]) == (0, [])
    assert (tmp_path / "none" / "tables" / "table1a.csv").exists()


def test_without_results_one_line_says_what_to_run(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "results.jsonl: no such file; run `twofold bench`" in result.stderr


def test_without_matplotlib_one_line_on_stderr(
    folder: Path, monkeypatch: pytest.MonkeyPatch, as_object: AsObject
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise MissingExtraError("no pictures without matplotlib: pip install 'twofold[tables]'")

    monkeypatch.setattr(write, "draw_figures", missing)
    result = run(folder, "--json")
    assert result.exit_code == 0
    assert result.stderr == (
        "note: no pictures without matplotlib: pip install 'twofold[tables]'\n"
    )
    assert as_object(result.stdout)["figures"] == []


@pytest.mark.slow
def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, twofold.cli.tables; a = {'numpy', 'pydantic'} & set(sys.modules);"
        "import twofold.benchmark.tables; print(a, {'torch', 'matplotlib'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert result.stdout == "set() set()\n", result.stderr
