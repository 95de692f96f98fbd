"""The solar cells as a dataset: the demo's images, labels and order."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.benchmark import elpv
from twofold.benchmark.datasets.elpv_cells import ElpvCells
from twofold.errors import MissingExtraError

COUNTS = {"mono": (588, 313), "poly": (920, 402)}


@pytest.mark.parametrize("name", ElpvCells.domains)
def test_the_cells_are_those_of_the_demo(name: str) -> None:
    pytest.importorskip("elpv_dataset")
    cells = elpv.load_cells(name)
    domain = ElpvCells().domain(name)
    # In the same order, so that one random state draws the same split here and in the demo.
    assert domain.paths == cells.paths
    labels = domain.labels("functional")
    assert np.array_equal(labels, cells.labels)
    assert tuple(np.bincount(labels)) == COUNTS[name]
    assert set(domain.classes) == {"functional", "defective"}


def test_both_directions() -> None:
    assert ElpvCells.directions == (("mono", "poly"), ("poly", "mono"))


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elpv, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install"):
        ElpvCells().domain("mono")
