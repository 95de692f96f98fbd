"""Masks of a detector: what is left out reaches no score, no map and no model."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from tests.support import toy

from twofold import Detector
from twofold.detector.check import check_pair
from twofold.detector.maps import ImageMap
from twofold.errors import BundleError, ConfigError, NotFittedError

Images = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Make = Callable[..., Detector]

FREE = {"effort": "fast", "places": "none", "locality": "local", "neighbourhood": 1}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "chosen": ("auto", {}),
    "places": ("auto", {"effort": "fast"}),
    "places alone": ("auto", {"effort": "fast", "locality": "local"}),
    "shared": ("auto", {"effort": "fast", "locality": "local", "places": "shared"}),
    "bank": ("auto", FREE),
    "bank and whole images": ("auto", FREE | {"locality": "both"}),
    "target_only": ("target_only", {}),
    "padim": ("padim", {}),
    "patchcore": ("patchcore", {}),
}
LOCAL = ("places alone", "bank", "padim", "patchcore")


def corner() -> Flags:
    """The right upper quarter is left out, that is four of 4 x 4 places; and a bit more."""
    found = np.ones((toy.SIDE, toy.SIDE), dtype=np.bool_)
    found[:34, 30:] = False
    return found


def spoilt(images: Images, seed: int) -> Images:
    """Other pixels wherever the mask leaves something out."""
    noise = np.random.default_rng(seed).integers(0, 256, images.shape, dtype=np.uint8)
    return np.where(corner()[None, :, :, None], images, noise)


def with_flaw(images: Images, top: int, left: int) -> Images:
    changed = images.copy()
    changed[:, top : top + 12, left : left + 12] = (255, 0, 255)
    return changed


@pytest.fixture(scope="module")
def small() -> toy.World:
    return toy.make_world(3, n_source=24, n_pool=40, n_test=12, share=0.0)


@pytest.fixture(scope="module")
def fits(small: toy.World) -> dict[str, Detector]:
    """A detector of each setting, fitted with the mask; do not fit it again."""
    return {name: fit(small.source, small.pool, name) for name in SETTINGS}


def fit(source: Any, pool: Any, name: str, mask: Any = None) -> Detector:
    method, options = SETTINGS[name]
    with pytest.MonkeyPatch.context() as patch, toy.registered(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("TWOFOLD_CACHE", "off")
        detector = Detector(
            method,
            toy.ENCODER,
            0.1,
            weights="random",
            engine="torch",
            options=options,
            mask=corner() if mask is None else mask,
        )
        return detector.fit(source, pool)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_left_out_changes_no_bit(
    fits: dict[str, Detector], small: toy.World, name: str
) -> None:
    first = fits[name]
    other = fit(spoilt(small.source, 1), spoilt(small.pool, 2), name)
    assert first.decision_scores_.tobytes() == other.decision_scores_.tobytes()
    assert first.threshold_ == other.threshold_
    assert first.evidence_.choices == other.evidence_.choices
    assert first.evidence_.visible_flaws == other.evidence_.visible_flaws
    state, again = first.method_.state(), other.method_.state()
    assert all(np.array_equal(state[key], again[key]) for key in state.keys() | again.keys())
    test = spoilt(small.test, 3)
    expected = first.decision_function(small.test)
    assert np.array_equal(expected, other.decision_function(test))
    if first.method_.config.has_maps():
        assert np.array_equal(first.anomaly_map(small.test), first.anomaly_map(test))
    # Without a mask it all matters.
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        whole = pickle.loads(pickle.dumps(first)).set_mask(None)
        assert not np.array_equal(
            whole.decision_function(small.test), whole.decision_function(test)
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", LOCAL)
def test_a_flaw_counts_only_where_it_is_looked_at(
    fits: dict[str, Detector], small: toy.World, name: str
) -> None:
    detector, test = fits[name], small.test[small.test_labels == 0]
    clean = detector.decision_function(test)
    hidden, seen = with_flaw(test, 8, 44), with_flaw(test, 44, 8)
    assert np.array_equal(detector.decision_function(hidden), clean)
    assert (detector.decision_function(seen) > clean).mean() > 0.9

    def boxes(images: Images) -> list[list[tuple[int, int]]]:
        found = detector.regions(images, region_rate=0.1)
        return [[(box.x, box.y) for box in one.regions if box.anomalous] for one in found]

    assert boxes(hidden) == boxes(test)
    assert sum(bool(one) for one in boxes(seen)) >= len(seen) / 2
    # No region reaches into the two by two places that are left out, of the grid of four by four.
    assert not [xy for one in boxes(seen) for xy in one if xy[0] >= 32 and xy[1] < 32]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOCAL)
def test_places_that_are_left_out_have_the_least_value(
    fits: dict[str, Detector], small: toy.World, name: str
) -> None:
    grids: list[NDArray[np.float64]] = []

    def keep(item: ImageMap) -> None:
        assert item.grid is not None
        grids.append(item.grid)

    fits[name].score(small.test, each_map=keep)
    values = np.stack(grids)
    assert (values[:, :2, 2:] == values.min()).all()
    assert (values[:, 2:] > values.min()).all()


def test_the_picture_below_a_map_is_the_image(fits: dict[str, Detector], small: toy.World) -> None:
    for pixels, item in zip(small.test, fits["padim"].maps(small.test), strict=True):
        assert np.array_equal(np.asarray(item.image), pixels)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["places", "target_only", "patchcore", "bank"])
def test_all_white_is_no_mask(small: toy.World, name: str) -> None:
    white = np.ones((toy.SIDE, toy.SIDE), dtype=np.bool_)
    plain, masked = fit(small.source, small.pool, name, white), fit(small.source, small.pool, name)
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        method, options = SETTINGS[name]
        bare = Detector(method, toy.ENCODER, 0.1, weights="random", engine="torch", options=options)
        bare.fit(small.source, small.pool)
    assert np.array_equal(plain.decision_scores_, bare.decision_scores_)
    assert not np.array_equal(masked.decision_scores_, bare.decision_scores_)


@pytest.mark.slow
def test_the_trial_paints_its_flaws_where_they_can_be_seen(small: toy.World, make: Make) -> None:
    # A third is looked at: flaws anywhere would mostly be missed.
    third = np.zeros((toy.SIDE, toy.SIDE), dtype=np.bool_)
    third[:, :24] = True
    options = {"locality": "local", "places": "each"}
    found = [
        make(options=options, mask=mask).fit(small.source, small.pool).evidence_.choices
        for mask in (None, third)
    ]
    assert found[1]["separation"] > found[0]["separation"] - 0.15
    again = np.where(third[None, :, :, None], small.pool, np.uint8(9))
    other = make(options=options, mask=third).fit(small.source, again)
    assert other.evidence_.choices == found[1]


# Masks by name.


def write_masks(folder: Path, masks: dict[int, Flags]) -> Path:
    folder.mkdir()
    for row, mask in masks.items():
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{row:03}.png")
    return folder


def other_corner() -> Flags:
    return corner()[::-1, ::-1].copy()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "chosen"])
def test_masks_by_name(small: toy.World, write: Any, make: Make, tmp_path: Path, name: str) -> None:
    masks = {row: corner() if row % 2 else other_corner() for row in range(30)}
    folder = write_masks(tmp_path / "masks", masks)

    def hidden(images: Images, seed: int) -> Images:
        """Other pixels wherever its mask leaves something out of an image."""
        noise = np.random.default_rng(seed).integers(0, 256, images.shape, dtype=np.uint8)
        found = images.copy()
        for row in range(min(30, len(images))):
            found[row] = np.where(masks[row][..., None], images[row], noise[row])
        return found

    detectors = []
    for seed, change in enumerate((lambda images, _: images, hidden)):
        sets = [change(images, seed) for images in (small.source, small.pool)]
        for part, images in zip(("source", "pool"), sets, strict=True):
            write(tmp_path / f"{part}{seed}", images)
        source, pool = (tmp_path / f"{part}{seed}" for part in ("source", "pool"))
        detectors.append(fit(source, pool, name, folder))
    one, other = detectors
    assert np.array_equal(one.decision_scores_, other.decision_scores_)
    (note,) = (note for note in one.evidence_.notes if "no mask" in note)
    assert note.startswith(f"target: 10 of 40 image(s) have no mask in {folder}")
    with pytest.warns(UserWarning, match="have no mask in"):
        assert np.isfinite(one.decision_function(small.test)).all()


@pytest.mark.slow
def test_a_place_that_no_image_shows_is_never_odd(small: toy.World) -> None:
    """Neither with another mask when scoring."""
    detector = fit(small.source, small.pool, "places alone")
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        detector.set_mask(None)
        grid = next(iter(detector.maps(small.test))).grid
    assert grid is not None
    assert (grid[:2, 2:] == grid.min()).all()


# Kept in the model.


def test_one_mask_is_kept(fits: dict[str, Detector], small: toy.World, tmp_path: Path) -> None:
    for name in ("places", "padim"):
        fits[name].save(tmp_path / name)
        loaded = Detector.load(tmp_path / name, weights="random")
        assert loaded.mask is not None
        for detector in (loaded, pickle.loads(pickle.dumps(fits[name]))):
            detector.engine = "torch"
            scores = detector.decision_function(spoilt(small.test, 9))
            assert np.array_equal(scores, fits[name].decision_function(small.test))
        loaded.save(tmp_path / f"{name} again")
        assert "mask=array(64, 64)" in repr(loaded)
    assert "<Detector(" in repr(clone(fits["places"]))


def test_a_model_without_a_mask_is_as_before(fitted: Detector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m")
    document = json.loads((tmp_path / "m" / "detector.json").read_text())
    assert "mask" not in document
    assert not [name for name in document["tensors"] if name.startswith("mask")]


@pytest.mark.slow
def test_masks_by_name_are_not_kept_and_the_model_says_so(
    small: toy.World, write: Any, tmp_path: Path
) -> None:
    write(tmp_path / "pool", small.pool)
    folder = write_masks(tmp_path / "masks", dict.fromkeys(range(40), corner()))
    detector = fit(small.source, tmp_path / "pool", "padim", folder)
    detector.save(tmp_path / "m")
    loaded = Detector.load(tmp_path / "m", weights="random")
    loaded.engine = "torch"
    assert loaded.mask is None
    (note,) = loaded.score(small.test).notes
    assert "which the model does not keep: these images are looked at whole" in note
    assert loaded.set_mask(corner()).score(small.test).notes == ()
    assert np.array_equal(
        loaded.decision_function(small.test), loaded.decision_function(spoilt(small.test, 1))
    )
    loaded.set_mask(None)
    assert loaded.score(small.test).notes == ()


@pytest.mark.parametrize(
    ("bits", "shape"),
    [
        (np.zeros(512, dtype=np.uint8), (64, 64)),
        (np.ones(511, dtype=np.uint8), (64, 64)),
        (np.ones(512, dtype=np.int8), (64, 64)),
        (np.ones(512, dtype=np.uint8), (-64, -64)),
        (np.ones(512, dtype=np.uint8), (2**62, 2**62)),
        (np.ones(0, dtype=np.uint8), (0, 0)),
        (np.ones(512, dtype=np.uint8), (64, 64, 1)),
        (None, (64, 64)),
    ],
    ids=str,
)
def test_a_mask_that_was_tampered_with(
    fits: dict[str, Detector],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bits: Any,
    shape: tuple[int, ...],
) -> None:
    arrays = {} if bits is None else {"mask.bits": bits, "mask.shape": np.array(shape)}
    monkeypatch.setattr("twofold.detector.file.mask_arrays", lambda sight: arrays)
    fits["target_only"].save(tmp_path / "m")
    with pytest.raises(BundleError, match="mask") as caught:
        Detector.load(tmp_path / "m", weights="random")
    assert len(str(caught.value).splitlines()) == 1


def test_a_mask_that_is_not_announced(
    fits: dict[str, Detector], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twofold.detector.file.mask_kind", lambda sight: None)
    fits["target_only"].save(tmp_path / "m")
    with pytest.raises(BundleError, match="holds a mask that its"):
        Detector.load(tmp_path / "m", weights="random")


# Errors.


def test_sizes_that_differ_stop_the_work(
    fits: dict[str, Detector], small: toy.World, make: Make, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"^array\[0\]: the mask has 64 x 64 pixels"):
        make(mask=corner()).fit(small.source[:, :60], small.pool)
    for detector in (fits["places"], fits["padim"]):
        for use in (detector.decision_function, detector.anomaly_map):
            with pytest.raises(ConfigError, match="the mask has 64 x 64 pixels, and the image 50"):
                use(small.test[:, :, :50])
    spot = np.zeros((toy.SIDE, toy.SIDE), dtype=np.bool_)
    spot[5:9, 5:9] = True
    with pytest.raises(ConfigError, match="leaves no place of 4 x 4 to look at"):
        make(mask=spot).fit(small.source, small.pool)
    # Whole images have no places.
    make("target_only", mask=spot).fit(small.source, small.pool)


def test_masks_that_cannot_be_used(small: toy.World, make: Make) -> None:
    wrong: tuple[Any, ...] = (np.zeros((64, 64), dtype=np.bool_), "no/such.png", 3, b"x", [])
    for mask in wrong:
        with pytest.raises(ConfigError, match="mask"):
            make(mask=mask).fit(small.source, small.pool)
    with pytest.raises(NotFittedError):
        make().set_mask(corner())


@pytest.mark.slow
def test_check_leaves_out_the_same(small: toy.World) -> None:
    def found(source: Images, target: Images) -> Any:
        return check_pair(
            source, target, encoder=toy.ENCODER, weights="random", engine="torch", mask=corner()
        )

    plain = found(small.source, small.pool)
    assert plain.findings is not None
    assert found(spoilt(small.source, 4), spoilt(small.pool, 5)).findings == plain.findings
