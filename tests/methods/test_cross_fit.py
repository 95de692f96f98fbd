"""Out-of-sample scores of methods that have none at hand: of the source, by halves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.support import toy

from twofold.encoders.encode import EncodedImages
from twofold.methods import FitData, Found
from twofold.methods.frozen_source import FrozenSource


class _Recorded(FrozenSource):
    """Which images it was fitted on and scored; it leaves the folds to the base."""

    def _fit(self, data: FitData, random_state: int, progress: Any) -> Found:
        self.names_ = data.source.names
        super()._fit(data, random_state, progress)
        return Found()

    def _score(self, images: EncodedImages) -> NDArray[np.float64]:
        if len(images) != len(self.names_):  # not the check at the end of a fit
            assert not set(self.names_) & set(images.names)
        return super()._score(images)


def test_each_half_is_scored_by_a_fit_on_the_other() -> None:
    world = toy.clouds()
    rows = world.source.subset(np.arange(11))
    method = _Recorded(toy.encoder())
    reference = method.fit(FitData(rows), random_state=3).out_of_sample
    assert reference.origin == "source"
    assert reference.scores.shape == (11,)
    assert not hasattr(method, "names_")
    again, other = (method.fit(FitData(rows), random_state=state).out_of_sample for state in (3, 4))
    assert np.array_equal(reference.scores, again.scores)
    assert not np.array_equal(reference.scores, other.scores)
    inside = FrozenSource(toy.encoder()).fit(FitData(rows)).model.score(rows)
    assert (reference.scores != inside).all()
