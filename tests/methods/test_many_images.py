"""Fits to more images than are held in memory: the same models, and bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import toy

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "scaling.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("auto", {}),
        ("auto", {"places": "shared", "locality": "local"}),
        ("target_only", {}),
        ("frozen_source", {}),
        ("frozen_source", {"scoring": "knn"}),
        ("padim", {}),
        ("patchcore", {}),
    ],
)
def test_models_are_those_of_a_fit_in_memory(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = toy.encoded_world()
    held = toy.fitting(name, world, **options)
    monkeypatch.setattr("twofold.densities.rows._HELD", 8)
    monkeypatch.setattr("twofold.densities.rows._MADE", 13)
    monkeypatch.setattr("twofold.eyes.places._HELD", 8)
    monkeypatch.setattr("twofold.eyes.places._BLOCK", 40_000)
    read = toy.fitting(name, world, **options)
    for found, expected in (
        (read.model.score(world.test), held.model.score(world.test)),
        (read.out_of_sample.scores, held.out_of_sample.scores),
    ):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5 * np.ptp(expected))
    for model, kept in read.diagnostics.presumed_normal.items():
        np.testing.assert_array_equal(kept, held.diagnostics.presumed_normal[model])


def measured(what: str, images: int, cache: Path) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, str(SCRIPT), "--work", what, "--images", str(images)],
        env=os.environ | {"TWOFOLD_CACHE": str(cache), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(found.stdout))


# The vectors of 20,000 images are 100 MB as they are encoded and 200 as they are fitted to; the
# patches of 5,000 are 600, which were there three times before they were read in blocks. Libraries
# are 210 MB, and PyTorch, where the encoder's weights have to be read, 700 more at first.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "images", "bound"), [("target_only", 20_000, 950.0), ("padim", 5000, 950.0)]
)
def test_memory_of_a_fit_stays_below_a_bound(
    what: str, images: int, bound: float, tmp_path: Path
) -> None:
    # So that reading the encoder's weights, which PyTorch does, is no part of it.
    first = measured("frozen_source", 10, tmp_path)
    found = measured(what, images, tmp_path)
    assert found["peak_mib"] < bound, (first, found)
