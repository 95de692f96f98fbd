"""Cells whose score is the distance to a text about their normal class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from tests.support import toy
from tests.support.cells import plan, rows, run
from tests.support.texts import toy_with_text, vector_of

from twofold.benchmark.datasets import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.encoders.encode import FrozenEncoder
from twofold.images import ImageSet
from twofold.metrics import auroc

pytestmark = pytest.mark.usefixtures("isolated")

TEXT = {"text": "a photo of a {class}"}


@pytest.mark.slow
def test_each_cell_has_the_text_of_its_class(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = toy.encoder()
    monkeypatch.setattr(toy, "encoder", toy_with_text)
    counts, _ = run(
        plan(tree, ("frozen_source",), classes=("dog", "guitar"), options=TEXT), tmp_path
    )
    assert counts["ok"] == 2
    found = rows(tmp_path)
    # One configuration, whatever the class: one row of a table.
    assert len({row["configuration_id"] for row in found}) == 1
    assert {row["label"] for row in found} == {"frozen_source [text=a photo of a {class}]"}
    far = DATASETS.load("pacs")(tree).domain("sketch")
    target = FrozenEncoder(plain, ("pooled",), engine="torch").encode(
        ImageSet.from_paths(far.paths)
    )
    for row in found:
        assert row["configuration"]["text"] == "a photo of a {class}"
        labels = far.labels(row["class"])
        split = uda_inductive(labels, random_state=0, n_shots=4)
        toward = vector_of(f"a photo of a {row['class']}")[None]
        scores = cdist(target.subset(split.test)["pooled"], toward, "cosine")[:, 0]
        anomalous = split.test_labels == 1
        assert row["auroc"] == auroc(scores[~anomalous], scores[anomalous])
    assert np.ptp([row["auroc"] for row in found]) > 0


@pytest.mark.slow
def test_without_a_text_tower_the_row_says_so(tree: Path, tmp_path: Path) -> None:
    counts, told = run(plan(tree, ("frozen_source",), options=TEXT), tmp_path)
    assert counts["failed"] == 1
    assert told[0]["error"].startswith("encoder toy has no text tower")


@pytest.mark.slow
def test_a_row_without_a_text_is_as_before(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before = run(plan(tree, ("frozen_source",)), tmp_path / "a")
    monkeypatch.setattr(toy, "encoder", toy_with_text)
    _, after = run(plan(tree, ("frozen_source",)), tmp_path / "b")
    assert before[0]["configuration_id"] == after[0]["configuration_id"]
    assert before[0]["auroc"] == after[0]["auroc"]
