"""docs/results.md says what its rows say."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "docs" / "results" / "auto"
Program = Callable[[str], ModuleType]
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    """Import a file of benchmarks/, which finds its neighbours as it does when run."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def test_tables_are_those_of_the_rows(program: Program) -> None:
    texts = list(program("auto_tables").pages(ROWS))
    assert len(texts) == 11
    for title, text in texts:
        assert text in PAGE, title


@pytest.mark.parametrize("dataset", ["elpv", "pacs"])
def test_verdicts_and_false_alarms_are_those_of_the_rows(
    program: Program, dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = program("trust")
    rows = json.loads((ROWS / f"trust_{dataset}.json").read_text(encoding="utf-8"))
    for show in (trust.print_verdicts, trust.print_areas, trust.print_alarms):
        show(rows)
        for line in capsys.readouterr().out.splitlines():
            assert line in PAGE


def test_other_directions_are_those_of_the_rows(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (ROWS.parent / "other_directions.jsonl").read_text(encoding="utf-8").splitlines()
    program("other_directions").print_table([json.loads(line) for line in lines])
    assert capsys.readouterr().out.strip() in PAGE
