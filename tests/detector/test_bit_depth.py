"""Images of 10 to 16 bits: found once in the fit, kept in the model, applied to later images."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.support import toy

from twofold import Detector
from twofold.detector.check import check_pair
from twofold.errors import ConfigError, ImageSourceError

Make = Callable[..., Detector]
Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def grey(world: toy.World) -> dict[str, Grey]:
    """The toy world in grey."""
    return {
        name: np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
        for name, images in (("source", world.source), ("pool", world.pool), ("test", world.test))
    }


def write(folder: Path, images: Grey, bits: int) -> list[Path]:
    """As a camera of so many bits writes them: 8 bits in an 8-bit file, more in a 16-bit file."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{row:03}.png" for row in range(len(images))]
    for path, pixels in zip(paths, images, strict=True):
        values = np.rint(pixels.astype(float) * (2**bits - 1) / 255)
        Image.fromarray(values.astype(np.uint8 if bits == 8 else np.uint16)).save(path)
    # The brightest value a camera has is seen somewhere in a set.
    return paths


@pytest.fixture(scope="module")
def folders(grey: dict[str, Grey], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("depths")
    for bits in (8, 10, 12, 16):
        for name, images in grey.items():
            write(root / str(bits) / name, images, bits)
    return root


@pytest.fixture(scope="module")
def eight(folders: Path) -> Detector:
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        detector = Detector("auto", toy.ENCODER, weights="random", engine="torch")
        return detector.fit(folders / "8" / "source", folders / "8" / "pool")


def fit(make: Make, root: Path, **options: Any) -> Detector:
    return make(**options).fit(root / "source", root / "pool")


@pytest.mark.slow
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_the_depth_of_the_file_makes_no_difference(
    make: Make, eight: Detector, folders: Path, bits: int, tmp_path: Path
) -> None:
    detector = fit(make, folders / str(bits))
    assert detector.bit_depth_ == bits
    assert detector.evidence_.bit_depths == (bits, bits)
    expected = eight.decision_function(folders / "8" / "test")
    found = detector.decision_function(folders / str(bits) / "test")
    np.testing.assert_array_equal(found, expected)
    # One image, darker than 10 bits, is read as those of the fit were.
    dark = np.asarray(Image.open(folders / str(bits) / "test" / "000.png")) // 5
    Image.fromarray(dark.astype(np.uint16)).save(tmp_path / "dark.png")
    assert np.isfinite(detector.decision_function(tmp_path / "dark.png")).all()
    as_eight = np.rint(dark * 255.0 / (2**bits - 1)).astype(np.uint8)
    assert detector.decision_function(tmp_path / "dark.png") == eight.decision_function(as_eight)
    # And so it is by the model that is saved.
    detector.save(tmp_path / "m")
    loaded = Detector.load(tmp_path / "m", weights="random")
    loaded.engine = "torch"
    assert loaded.bit_depth_ == bits
    assert json.loads((tmp_path / "m" / "detector.json").read_text())["bit_depth"] == bits
    found = loaded.decision_function(folders / str(bits) / "test")
    np.testing.assert_array_equal(found, expected)
    maps = loaded.anomaly_map(folders / str(bits) / "test")
    np.testing.assert_array_equal(maps, eight.anomaly_map(folders / "8" / "test"))


@pytest.mark.slow
def test_a_statement_counts(make: Make, eight: Detector, folders: Path) -> None:
    detector = fit(make, folders / "12", bit_depth=12)
    assert detector.bit_depth_ == 12
    expected = eight.decision_function(folders / "8" / "test")
    np.testing.assert_array_equal(detector.decision_function(folders / "12" / "test"), expected)
    # Of 8-bit images there is nothing to state.
    assert fit(make, folders / "8", bit_depth=12).bit_depth_ is None
    with pytest.raises(ConfigError, match="bit_depth"):
        fit(make, folders / "12", bit_depth=8)


@pytest.mark.slow
def test_values_beyond_the_depth_are_no_image(make: Make, folders: Path, tmp_path: Path) -> None:
    detector = fit(make, folders / "12")
    Image.fromarray(np.full((64, 64), 5000, dtype=np.uint16)).save(tmp_path / "bright.png")
    with pytest.warns(UserWarning, match="5000"):
        assert np.isnan(detector.decision_function(tmp_path)).all()
    with pytest.raises(ImageSourceError, match=r"5000.*bit_depth"):
        detector.anomaly_map(tmp_path)


@pytest.mark.slow
def test_two_cameras_and_mixed_sets_are_said(make: Make, folders: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="source images are read with 12 bits and target .* 16"):
        detector = make().fit(folders / "12" / "source", folders / "16" / "pool")
    assert (detector.evidence_.bit_depths, detector.bit_depth_) == ((12, 16), 16)
    both = [*sorted((folders / "8" / "pool").iterdir())[:40]]
    both += sorted((folders / "12" / "pool").iterdir())[40:]
    with pytest.warns(UserWarning, match="mixed bit depths: 40 images with 8 bits .* and 40 with"):
        mixed = make().fit(folders / "8" / "source", both)
    assert any("mixed bit depths" in note for note in mixed.evidence_.notes)
    with pytest.warns(UserWarning, match="more than 8 bits, which none had in the fit"):
        fit(make, folders / "8").decision_function(folders / "12" / "test")


@pytest.mark.slow
def test_check_says_it(folders: Path) -> None:
    found = check_pair(
        folders / "12" / "source",
        folders / "12" / "pool",
        encoder=toy.ENCODER,
        weights="random",
        engine="torch",
    )
    assert found.bit_depths == (12, 12)
    assert found.notes == ()


def test_small_images_are_said(make: Make, fitted: Detector, world: toy.World) -> None:
    tiny = world.test[:3, ::3, ::3]
    assert tiny.shape[1:3] == (22, 22)
    with pytest.warns(UserWarning, match="3 images smaller than 32 pixels on a side"):
        fitted.decision_function(tiny)
    assert "smaller than 32 pixels" in fitted.score(tiny).notes[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.decision_function(world.test[:3])
