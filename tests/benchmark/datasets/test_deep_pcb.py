"""DeepPCB: its layout, and small flaws on real boards found without places."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold import Detector
from twofold.benchmark.datasets.deep_pcb import DeepPcb
from twofold.benchmark.protocol import uda_inductive
from twofold.errors import ImageSourceError
from twofold.metrics import auroc

REAL = os.environ.get("TWOFOLD_PCB")


def test_normal_and_defective_boards_of_a_design(tmp_path: Path) -> None:
    for design in ("13000", "12100"):
        for kind, n in (("normal", 3), ("defective", 2)):
            folder = tmp_path / design / kind
            folder.mkdir(parents=True)
            for number in range(n):
                Image.new("L", (8, 8), number).save(folder / f"{design}{number:03}.png")
        (tmp_path / design / "boxes").mkdir()
    domain = DeepPcb(tmp_path).domain("13000")
    assert domain.labels("normal").tolist() == [1, 1, 0, 0, 0]
    assert len(domain.paths) == 5


def test_a_kind_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "13000" / "normal").mkdir(parents=True)
    with pytest.raises(ImageSourceError, match="no folder of class defective"):
        DeepPcb(tmp_path).domain("13000")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="TWOFOLD_PCB does not name a folder with DeepPCB")
# The other direction, twice as long, is in the benchmark's tables.
@pytest.mark.parametrize("direction", DeepPcb.directions[:1], ids="->".join)
def test_flaws_of_boards_are_found_at_their_own_size(
    direction: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the encoder's 224 pixels and with places `auto` is at chance here."""
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    dataset = DeepPcb(Path(str(REAL)))
    source, target = (dataset.domain(name) for name in direction)
    # A third of the source, and half of the pool and of the test, are enough to see it.
    known = [source.paths[row] for row in np.flatnonzero(source.labels("normal") == 0)[::3]]
    split = uda_inductive(target.labels("normal"), random_state=0)
    pool, test = ([target.paths[row] for row in rows[::2]] for rows in (split.pool, split.test))
    test_labels = split.test_labels[::2]
    options = {
        "locality": "local",
        "places": "none",
        "image_size": 640,
        "layers": (16,),
        "neighbourhood": 1,
    }
    detector = Detector(options=options).fit(known, pool)
    scores = detector.decision_function(test)
    assert auroc(scores[test_labels == 0], scores[test_labels == 1]) > 0.93
    detector.save(tmp_path / "model")
    again = Detector.load(tmp_path / "model").decision_function(test[:3])
    assert np.array_equal(again, scores[:3])
