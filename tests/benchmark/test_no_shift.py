"""A domain as its own target: the control that shows what a shift costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.cells import plan, rows, run

from twofold.encoders.encode import EncodedImages
from twofold.method_table import METHODS
from twofold.methods import FitData

pytestmark = pytest.mark.usefixtures("isolated")


@pytest.mark.slow
def test_without_a_shift_no_image_is_on_both_sides(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[FitData] = []
    tested: list[str] = []
    method = METHODS.load("oracle")
    fit, score = method.fit, method.score

    def seen_fit(self: Any, data: FitData, **rest: Any) -> Any:
        given.append(data)
        return fit(self, data, **rest)

    def seen_score(self: Any, images: EncodedImages) -> Any:
        tested.extend(images.names)
        return score(self, images)

    monkeypatch.setattr(method, "fit", seen_fit)
    monkeypatch.setattr(method, "score", seen_score)
    run(plan(tree, ("oracle",), directions=(("photo", "photo"),)), tmp_path)
    [row] = rows(tmp_path)
    assert (row["status"], row["direction"], row["n_source"]) == ("ok", "photo->photo", 6)
    (data,) = given
    assert data.target_pool is not None
    assert data.target_labels is not None
    sides = [set(data.source.names), set(data.target_pool.names), set(tested)]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert data.target_labels.tolist() == [0, 0, 0, 1]
    assert all("dog" in name for name in data.source.names)
