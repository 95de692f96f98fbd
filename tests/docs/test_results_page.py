"""docs/results.md says what its rows say."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "docs" / "results" / "auto"
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def program(name: str) -> ModuleType:
    """A file of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_tables_are_those_of_the_rows() -> None:
    texts = list(program("auto_tables").pages(ROWS))
    assert len(texts) == 11
    for title, text in texts:
        assert text in PAGE, title


@pytest.mark.parametrize("dataset", ["elpv", "pacs"])
def test_verdicts_and_false_alarms_are_those_of_the_rows(
    dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = program("trust")
    rows = json.loads((ROWS / f"trust_{dataset}.json").read_text(encoding="utf-8"))
    for show in (trust.print_verdicts, trust.print_areas, trust.print_alarms):
        show(rows)
        for line in capsys.readouterr().out.splitlines():
            assert line in PAGE


def test_other_directions_are_those_of_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (ROWS.parent / "other_directions.jsonl").read_text(encoding="utf-8").splitlines()
    program("other_directions").print_table([json.loads(line) for line in lines])
    assert capsys.readouterr().out.strip() in PAGE
