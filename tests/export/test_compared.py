"""Which images a graph and its detector are compared on, where nobody names any."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.support import toy

from twofold import Detector
from twofold.export.compared import images_of
from twofold.images import find_images

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.slow
def test_images_pictures_and_noise(tmp_path: Path) -> None:
    world = toy.make_world(n_source=8, n_pool=80, n_test=2)
    for part, images in (("source", world.source), ("target", world.pool)):
        (tmp_path / part).mkdir()
        for row, pixels in enumerate(images):
            Image.fromarray(pixels).save(tmp_path / part / f"{row}.png")
    with toy.registered():
        detector = Detector(encoder=toy.ENCODER, weights="random", options={"effort": "fast"})
        detector.fit(str(tmp_path / "source"), str(tmp_path / "target"))
        found, words = images_of(detector)
        assert (len(find_images(found)), words) == (80, "images of the fit's target")
        (tmp_path / "target").rename(tmp_path / "gone")
        found, words = images_of(detector)
        kept = detector.references_
        assert kept is not None
        n = len(kept.source) + len(kept.target)
        assert 64 < n == len(find_images(found))
        assert words == f"{n} kept pictures of presumed normals"
        detector.references_ = None
        found, words = images_of(detector)
        assert words == "64 images of noise"
        noise = np.stack(cast("list[NDArray[np.uint8]]", found))
        assert noise.shape == (64, 32, 32, 3)
        assert len(np.unique(noise.reshape(64, -1), axis=0)) == 64
        again = cast("list[NDArray[np.uint8]]", images_of(detector)[0])
        np.testing.assert_array_equal(noise, np.stack(again))
