"""docs/results.md says what its rows say."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "docs" / "results" / "auto"
Program = Callable[[str], ModuleType]
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
REFIT = (ROOT / "docs" / "refit.md").read_text(encoding="utf-8")
EYES = (ROOT / "docs" / "eyes.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("dataset", ["elpv", "pacs", "office31"])
def test_verdicts_are_those_of_the_rows(
    program: Program, dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = program("verdicts")
    path = ROWS.parent / "promises" / f"verdicts_{dataset}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    for show in (verdicts.print_verdicts, verdicts.print_areas):
        show(rows)
        for line in capsys.readouterr().out.splitlines():
            assert line in PAGE


@pytest.mark.parametrize("table", ["rates", "discoveries", "copies", "cells"])
def test_promises_are_those_of_the_rows(
    program: Program, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ROWS.parent / "promises" / "promises.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    mine = [row for row in rows if row["table"] == table]
    assert mine
    for name in dict.fromkeys(row["name"] for row in mine):
        getattr(program("promises"), f"print_{table}")([r for r in mine if r["name"] == name])
        for line in capsys.readouterr().out.splitlines():
            assert line in PAGE, name


def test_the_chance_of_a_rate_above_its_upper_end(program: Program) -> None:
    """Against draws: scores of a pool and of a test set, and the threshold between them."""
    n, normals, k, most = 60, 40, 6, 6
    row = {"n": n, "normals": normals, "stated": k / (n + 1), "upper_end": most / normals}
    draws = np.random.default_rng(0).normal(size=(20_000, n + normals))
    threshold = np.sort(draws[:, :n], axis=1)[:, n - k, None]
    above = ((draws[:, n:] > threshold).sum(axis=1) > most).mean()
    assert program("promises").chance_above(row) == pytest.approx(above, abs=0.01)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("other_directions", "other_directions/pacs.jsonl"),
        ("other_directions", "other_directions/office31.jsonl"),
        ("one_kind", "one_kind/pacs.jsonl"),
        ("one_kind", "one_kind/office31.jsonl"),
        ("breakdown", "promises/breakdown.jsonl"),
        ("small_flaws", "eyes/pcb.jsonl"),
        ("ways", "eyes/ways.jsonl"),
        ("smallest_flaw", "eyes/smallest.jsonl"),
    ],
)
def test_a_whole_table_is_that_of_its_rows(
    program: Program, name: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (ROWS.parent / file).read_text(encoding="utf-8").splitlines()
    program(name).print_table([json.loads(line) for line in lines])
    page = EYES if file.startswith("eyes/") else PAGE
    assert capsys.readouterr().out.strip() in page


def test_the_table_of_refit_is_that_of_its_rows(program: Program) -> None:
    lines = [
        line
        for name in ("elpv", "pacs_sketch", "pcb")
        for line in (ROWS.parent / "refit" / f"{name}.jsonl").read_text("utf-8").splitlines()
    ]
    shown = program("refit").table_of([json.loads(line) for line in lines])
    assert shown.strip() in REFIT


def test_which_anomalies_stay_in(program: Program) -> None:
    """In whole images those of one kind that are near; in patches also far ones."""

    def kept(name: str, distance: float, spread: float | None) -> float:
        generator = np.random.default_rng(0)
        return float(program("breakdown").kept_share(name, 0.1, distance, spread, generator))

    whole, patches = "whole images, 50", "patches, 20 numbers a place"
    assert kept(whole, 8.0, None) < 0.05
    assert kept(whole, 8.0, 0.7) < 0.05
    assert kept(whole, 4.0, 0.7) > 0.7
    assert kept(patches, 8.0, None) < 0.05
    assert kept(patches, 8.0, 0.7) > 0.7
