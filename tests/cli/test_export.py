"""`twofold export`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.cases import Parse, Run, one_line, rows_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.slow
def test_an_export_scores_like_its_model(
    world: Path, run: Run, as_object: Parse, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "cells"
    result = run(
        *("export", world / "model", "--out", out, "--format", "openvino"),
        *("--images", world / "normal", "--images", world / "anomalous", "--json"),
    )
    assert result.exit_code == 0, result.stderr
    found = as_object(result.stdout)
    assert (found["model"], found["out"]) == (str(world / "model"), str(out))
    assert (found["format"], found["compared_on"]) == ("openvino", "images given")
    assert found["parity"]["n_images"] == found["parity"]["n_decisions"] == 20
    assert found["parity"]["score_difference"] <= found["parity"]["tolerance"] == 1e-4
    given = (world / "normal", world / "anomalous")
    own, other = (rows_of(run("score", model, *given).stdout) for model in (world / "model", out))
    for name in ("image", "anomalous"):
        assert [row[name] for row in own] == [row[name] for row in other]
    scores = np.array([[float(row["score"]) for row in rows] for rows in (own, other)])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    told = json.loads((out / "export.json").read_text(encoding="utf-8"))
    assert told["encoder"]["id"] == "efficientnet_lite0"
    assert told["outputs"] == ["score", "map", "pooled", "pooled-1", "patches@3"]


@pytest.mark.slow
def test_it_says_how_near_it_is(world: Path, run: Run, tmp_path: Path) -> None:
    result = run("export", world / "model", "--out", tmp_path / "a", "--images", world / "normal")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{tmp_path / 'a'}: 12 of 12 decisions are the model's")


def test_wrong_use_is_found_out_before_any_work(world: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    # The model does not even have to be there.
    given = ("export", world / "gone", "--out")
    one_line(run(*given, tmp_path / "mine"), code=2, word="no earlier export")
    one_line(
        run("export", world / "model", "--out", tmp_path / "x", "--format", "h5"), code=2, word="h5"
    )
