"""Images that are no squares, seen without places: their aspect ratio stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold import Detector


@pytest.mark.filterwarnings("ignore:no shift")
def test_images_are_seen_and_mapped_as_wide_as_they_are(
    make: Callable[..., Detector], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    images: NDArray[np.uint8] = rng.integers(0, 256, (24, 64, 128, 3), dtype=np.uint8)
    images[0, 8:24, 96:112] = 255
    options = {"places": "none", "locality": "local"}
    detector = make(options=options, false_alarm_rate=0.2).fit(
        source=images[12:], target=images[1:12]
    )
    assert detector.method_.config.model_dump()["image_size"] == (128, 64)
    detector.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model", weights="random")
    loaded.engine = "torch"
    for one in (detector, loaded):
        (found,) = one.maps(images[:1])
        assert found.grid is not None
        assert found.grid.shape == (8, 16)
        assert found.values is not None
        assert found.values.shape == (64, 128)
        row, column = np.unravel_index(found.grid.argmax(), found.grid.shape)
        assert 1 <= row <= 2
        assert 12 <= column <= 13
        (box, *_) = next(iter(one.regions(images[:1]))).regions
        assert abs(box.x + box.width / 2 - 104) <= 12
        assert abs(box.y + box.height / 2 - 16) <= 12
    np.testing.assert_array_equal(
        detector.decision_function(images), loaded.decision_function(images)
    )


def test_shapes_that_differ_are_said(make: Callable[..., Detector]) -> None:
    rng = np.random.default_rng(1)
    wide: NDArray[np.uint8] = rng.integers(0, 256, (12, 32, 64, 3), dtype=np.uint8)
    high: NDArray[np.uint8] = rng.integers(0, 256, (25, 64, 48, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match="times") as caught:
        make().fit(source=wide, target=high)
    said = [str(warning.message) for warning in caught]
    assert any("2.00 times as wide as high, target images 0.75 times" in note for note in said)
