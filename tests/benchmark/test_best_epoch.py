"""What choosing the epoch on the test would have reported is noted beside the result."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.cells import plan, rows, run

pytestmark = pytest.mark.usefixtures("isolated")

METHODS = ("paper", "msra", "frozen_source")


@pytest.mark.slow
def test_the_best_epoch_is_noted_and_changes_nothing(tree: Path, tmp_path: Path) -> None:
    options = {"shot_epochs": 6, "training": {"epochs": 4, "min_steps": 0}}
    run(plan(tree, METHODS, options=options), tmp_path / "plain")
    run(plan(tree, METHODS, options=options, log_best_epoch=True), tmp_path / "logged")
    plain, logged = rows(tmp_path / "plain"), rows(tmp_path / "logged")
    for before, after in zip(plain, logged, strict=True):
        assert before["status"] == after["status"] == "ok"
        assert before["auroc"] == after["auroc"]
        assert before["configuration_id"] == after["configuration_id"]
        assert "best_epoch" not in before["diagnostics"]
    *trained, frozen = (row["diagnostics"] for row in logged)
    assert "best_epoch" not in frozen
    for row, noted, epochs in zip(logged, trained, (4, 6), strict=False):
        assert 1 <= noted["best_epoch"] <= epochs
        assert noted["auroc_best_epoch"] >= row["auroc"]
