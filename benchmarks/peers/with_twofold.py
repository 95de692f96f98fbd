"""twofold's `auto` with its defaults."""

from __future__ import annotations

from peers.cells import Images
from peers.systems import Score
from twofold import Detector


def fit(model: str, fitted_on: str, images: Images, run: int) -> Score:
    """See :data:`peers.systems.Fit`. Source and pool, as the method asks for."""
    del fitted_on
    detector = Detector(model, random_state=run)
    detector.fit(list(images.source), list(images.pool))
    return lambda paths: detector.decision_function(list(paths))
