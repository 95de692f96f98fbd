"""What is measured next, and what a row holds."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import peers.__main__ as program
import pytest
from peers.cells import CELLS, Images

SYSTEMS = ("twofold/auto@both", "pyod/ecod@pool")


def options(path: Path, **given: Any) -> Namespace:
    """Of two runs, cells and systems."""
    usual = {"file": path, "runs": 2, "cells": CELLS[:2], "systems": SYSTEMS, "again": False}
    return Namespace(**(usual | given))


def write(path: Path, *rows: tuple[str, str, int, str | None]) -> None:
    """A file with rows of these systems, cells, runs and errors."""
    names = ("system", "cell", "run", "error")
    texts = (json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    path.write_text("".join(texts), encoding="utf-8")


def test_a_second_start_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    everything = list(program.missing(options(path)))
    assert len(everything) == 8
    assert [run for run, _, _ in everything] == [0] * 4 + [1] * 4
    write(path, (SYSTEMS[0], CELLS[0].name, 0, None), (SYSTEMS[1], CELLS[1].name, 1, "exit 1"))
    left = list(program.missing(options(path)))
    assert left == everything[1:-1]


def test_slow_systems_come_last_and_once(tmp_path: Path) -> None:
    slow = "anomalib/patchcore@pool"
    chosen = options(tmp_path / "none", systems=(slow, *SYSTEMS))
    found = list(program.missing(chosen))
    assert [system for _, _, system in found] == [*SYSTEMS * 4, slow, slow]
    assert [run for run, _, system in found if system == slow] == [0, 0]


def test_failures_are_repeated_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    cell = CELLS[0].name
    write(path, (SYSTEMS[0], cell, 0, "exit 1"), (SYSTEMS[1], cell, 0, None))
    chosen = options(path, runs=1, cells=CELLS[:1], again=True)
    assert list(program.missing(chosen)) == [(0, CELLS[0], SYSTEMS[0])]
    write(path, *[(SYSTEMS[0], cell, 0, error) for error in ("exit 1", None)])
    assert list(program.missing(chosen)) == [(0, CELLS[0], SYSTEMS[1])]


def test_a_row_has_the_area_of_the_scores_and_not_the_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(system: str, run: int, images: Images, limit: float) -> dict[str, Any]:
        assert (system, run, limit) == (SYSTEMS[0], 4, 9.0)
        return {"scores": [0.1, 0.4, 0.2, 0.8, 0.3], "fit_seconds": 1.0, "error": None}

    monkeypatch.setattr(program, "run_worker", run)
    monkeypatch.setattr(program, "_megabytes", lambda names: (12.34, 5.67))
    images = Images(("a",) * 3, ("b",) * 2, tuple("vwxyz"))
    labels = np.array([0, 1, 0, 1, 1])
    row = program.measure(SYSTEMS[0], 4, images, labels, 9.0)
    # All six pairs of an anomaly and a normal are in order.
    assert row["auroc"] == 1.0
    assert "scores" not in row
    assert (row["n_source"], row["n_pool"], row["n_test"]) == (3, 2, 5)
    assert (row["installed_mb"], row["installed_mb_without_cuda"]) == (12.3, 5.7)


def test_a_failed_worker_has_no_area(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "run_worker", lambda *given: {"error": "exit 1: no"})
    monkeypatch.setattr(program, "_megabytes", lambda names: (1.0, 1.0))
    row = program.measure(SYSTEMS[1], 0, Images((), (), ("a",)), np.array([1]), 1.0)
    assert row["auroc"] is None
    assert row["error"] == "exit 1: no"
