"""Anomaly maps: their size, their place, their colours, and who has none."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.support import toy
from tests.support.bad_files import write_bad_files

from twofold import Detector
from twofold.detector.maps import ImageMap, draw_overlay, require_maps
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.outputs import BATCH, EngineKind
from twofold.errors import ConfigError, ImageSourceError, NotFittedError
from twofold.images import Problem
from twofold.method_table import METHODS

Make = Callable[..., Detector]
Write = Callable[[Path, NDArray[Any]], list[Path]]
ABLE = ("auto", "padim", "patchcore")
SIDE, DEFECT = 64, 16


def cloth(
    n: int, seed: int, *, tint: int = 0, defect: float = 0.0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Woven images, and where the upper left corner of a pale square in each is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    images, places = [], rng.integers(4, SIDE - DEFECT - 4, (n, 2))
    for top, left in places:
        wave = 110 + 20 * np.sin(0.8 * x + 0.3 * y + rng.uniform(0, 6))
        pixels = wave[..., None] + np.array([tint, 0, -tint]) + rng.normal(0, 6, (SIDE, SIDE, 3))
        pixels[top : top + DEFECT, left : left + DEFECT] += defect
        images.append(pixels.clip(0, 255).astype(np.uint8))
    return np.stack(images), places


@pytest.fixture(scope="module")
def weaver() -> Iterator[Callable[..., Detector]]:
    """Fit a method on cloth of two colours."""
    near, far = cloth(40, 1)[0], cloth(60, 2, tint=30)[0]

    def fit(method: str, **options: Any) -> Detector:
        given: dict[str, Any] = {"encoder": toy.ENCODER, "weights": "random", "engine": "torch"}
        return Detector(method, options=options, **given).fit(near, far)

    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)
        yield fit


# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ABLE)
def test_an_array_has_maps_of_its_own_size(make: Make, world: toy.World, name: str) -> None:
    detector = make(name).fit(world.source, world.pool)
    before = world.test.copy()
    maps = detector.anomaly_map(world.test)
    assert isinstance(maps, np.ndarray)
    assert maps.shape == world.test.shape[:3]
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert (maps.std(axis=(1, 2)) > 0).all()
    np.testing.assert_array_equal(world.test, before)
    # Each image by itself, bit by bit.
    for row in (0, 7):
        one = detector.anomaly_map(world.test[row : row + 1])
        np.testing.assert_array_equal(one[0], maps[row])


def test_files_of_different_sizes_have_a_list(
    fitted: Detector, world: toy.World, tmp_path: Path
) -> None:
    sizes = [(64, 64), (90, 40), (33, 121)]
    for row, size in enumerate(sizes):
        Image.fromarray(world.test[row]).resize(size).save(tmp_path / f"{row}.png")
    maps = fitted.anomaly_map(tmp_path)
    assert isinstance(maps, list)
    assert [values.shape for values in maps] == [(height, width) for width, height in sizes]
    assert {values.dtype for values in maps} == {np.dtype(np.float32)}
    assert all(np.isfinite(values).all() for values in maps)
    np.testing.assert_array_equal(maps[0], fitted.anomaly_map(world.test[:1])[0])
    same = fitted.anomaly_map([tmp_path / "1.png", tmp_path / "1.png"])
    assert isinstance(same, np.ndarray)
    assert same.shape == (2, 40, 90)


def test_a_map_is_the_methods_grid_spread_over_the_image(
    fitted: Detector, world: toy.World
) -> None:
    method = fitted.method_
    grids = method.anomaly_map(toy.encode(world.test, method.config.outputs()))
    maps = fitted.anomaly_map(world.test)
    assert isinstance(maps, np.ndarray)
    cell = SIDE // grids.shape[1]
    assert (maps.max(axis=(1, 2)) <= grids.max(axis=(1, 2)) + 1e-4).all()
    assert (maps.min(axis=(1, 2)) >= grids.min(axis=(1, 2)) - 1e-4).all()
    # Nothing lies beyond the outermost centres: the corners are those of the grid.
    corner = maps[:, : cell // 2, : cell // 2]
    np.testing.assert_allclose(corner, np.broadcast_to(grids[:, :1, :1], corner.shape), atol=1e-4)
    middle = maps[:, cell // 2 :: cell, cell // 2 :: cell]
    assert np.corrcoef(middle.ravel(), grids.ravel())[0, 1] > 0.95


def test_maps_one_at_a_time_bring_their_image(fitted: Detector, world: toy.World) -> None:
    found = list(fitted.maps(world.test[:5]))
    whole = fitted.anomaly_map(world.test[:5])
    assert [one.row for one in found] == [0, 1, 2, 3, 4]
    assert [one.name for one in found] == [f"array[{row}]" for row in range(5)]
    for one, values, pixels in zip(found, whole, world.test[:5], strict=True):
        assert one.values is not None
        np.testing.assert_array_equal(one.values, values)
        np.testing.assert_array_equal(np.asarray(one.image), pixels)
        assert one.problem is None


# --- unusable images and refusals ----------------------------------------------------------------


def test_unusable_images(
    fitted: Detector,
    world: toy.World,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path, world.test[:4])
    bad = write_bad_files(tmp_path)
    with pytest.raises(ImageSourceError) as caught:
        fitted.anomaly_map(tmp_path)
    assert any(name in str(caught.value) for name in bad)
    assert len(str(caught.value).splitlines()) == 1
    whole = list(fitted.maps(tmp_path))
    assert [one.row for one in whole] == list(range(4 + len(bad)))
    for one in whole:
        name = Path(one.name).name
        assert (one.values is None) == (one.image is None) == (name in bad)
        assert (one.problem is None) == (name not in bad)
        if one.problem is not None:
            assert bad[name] in one.problem.reason
    good = np.stack([one.values for one in whole if one.values is not None])
    np.testing.assert_array_equal(good, fitted.anomaly_map(world.test[:4]))
    monkeypatch.setattr("twofold.detector.reading.CHUNK", 3)
    parts = list(fitted.maps(tmp_path))
    assert [one.name for one in parts] == [one.name for one in whole]
    assert [one.problem for one in parts] == [one.problem for one in whole]
    monkeypatch.setattr(fitted, "strict", True)
    with pytest.raises(ImageSourceError):
        list(fitted.maps(tmp_path))


def test_an_image_that_goes_after_it_was_scored(
    fitted: Detector, world: toy.World, write: Write, tmp_path: Path
) -> None:
    paths = write(tmp_path, world.test[:4])
    found = []

    def see(item: ImageMap) -> None:
        found.append(item)
        paths[2].unlink(missing_ok=True)  # when the first map is made, all four are encoded

    scores = fitted.score(tmp_path, each_map=see)
    assert np.isfinite(scores.scores).all()
    assert [item.row for item in found] == [0, 1, 2, 3]
    assert [item.values is None for item in found] == [False, False, True, False]
    assert found[2].problem == Problem(str(paths[2]), "no such file")


def test_scores_and_maps_encode_each_image_once(
    fitted: Detector,
    world: toy.World,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All sizes that the method sees an image at are outputs of one pass; there is no cache."""
    write(tmp_path, world.test[:11])
    batches: list[int] = []

    def counted(encoder: Encoder, outputs: Sequence[str], kind: EngineKind) -> Any:
        engine = make_engine(encoder, outputs, kind)

        def run(batch: NDArray[np.uint8]) -> Any:
            batches.append(len(batch))
            return engine(batch)

        return run

    monkeypatch.setattr("twofold.encoders.inference.make_engine", counted)
    detector = copy.deepcopy(fitted)
    maps: list[ImageMap] = []
    scores = detector.score(tmp_path, each_map=maps.append)
    assert sum(item.values is not None for item in maps) == scores.usable.sum() == 11
    assert sorted(batches) == [11 - BATCH, BATCH]
    np.testing.assert_array_equal(scores.scores, fitted.score(tmp_path).scores)


def test_no_images(fitted: Detector, make: Make, tmp_path: Path, world: toy.World) -> None:
    with pytest.raises(ImageSourceError):
        fitted.anomaly_map(tmp_path)
    for use in (make().anomaly_map, make().maps):
        with pytest.raises(NotFittedError, match="call fit first"):
            use(world.test)


@pytest.mark.parametrize("name", METHODS.ids())
def test_who_has_maps(name: str) -> None:
    method = METHODS.load(name)(toy.encoder())
    if name in ABLE:
        require_maps(method)
        return
    with pytest.raises(ConfigError) as caught:
        require_maps(method)
    assert str(caught.value) == (
        f"method {name} with these options has no anomaly maps: fit with auto, padim, patchcore"
    )


@pytest.mark.slow
def test_a_global_view_has_no_maps_and_says_how_to_get_them(make: Make, world: toy.World) -> None:
    detector = make(locality="global").fit(world.source, world.pool)
    for use in (detector.anomaly_map, detector.maps):
        with pytest.raises(ConfigError, match=r"auto, padim, patchcore .*locality=both"):
            use(world.test)
    local = make(locality="local").fit(world.source, world.pool)
    assert np.asarray(local.anomaly_map(world.test[:2])).shape == (2, SIDE, SIDE)


# --- places --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["auto", "padim"])
def test_a_pale_square_is_found_near_its_place(weaver: Callable[..., Detector], name: str) -> None:
    """On the finest grid of the toy, 8 x 8, whose places are 8 pixels wide."""
    # By default `auto` leaves out a quarter of the pool, here the waves of neighbouring phases, and
    # shows those red. This pool is clean.
    trim = {"trim": 0.0} if name == "auto" else {}
    detector = weaver(name, layers=[4], neighbourhood=1, **trim)
    defects, places = cloth(40, 3, tint=30, defect=30.0)
    maps = detector.anomaly_map(defects)
    assert isinstance(maps, np.ndarray)
    peaks = np.array([np.unravel_index(values.argmax(), values.shape) for values in maps])
    away = np.abs(peaks - (places + DEFECT / 2)).max(axis=1)
    assert np.median(away) < 8
    assert (away < 16).mean() > 0.9
    # Rows are rows: mirrored at the diagonal, many are somewhere else.
    mirrored = np.abs(peaks[:, ::-1] - (places + DEFECT / 2)).max(axis=1)
    assert (mirrored < 16).mean() < 0.7
    peak = maps.max(axis=(1, 2))
    clean = np.asarray(detector.anomaly_map(cloth(40, 4, tint=30)[0])).max(axis=(1, 2))
    assert peak.min() > np.median(clean)
    assert np.median(peak) > clean.max()
    low, high = detector.method_.map_range()
    assert low < high < np.median(peak)
    assert (clean < high).mean() > 0.9


@pytest.mark.parametrize("name", ABLE)
def test_the_square_is_hotter_than_the_rest(weaver: Callable[..., Detector], name: str) -> None:
    """With default options, on the 4 x 4 places the toy has then."""
    detector = weaver(name)
    defects, places = cloth(30, 3, tint=30, defect=60.0)
    hotter = [
        values[top : top + DEFECT, left : left + DEFECT].mean() > values.mean()
        for values, (top, left) in zip(detector.anomaly_map(defects), places, strict=True)
    ]
    assert np.mean(hotter) > 0.8


# --- pictures ------------------------------------------------------------------------------------


def picture(seed: int, width: int = 50, height: int = 30) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_an_overlay_leaves_what_is_usual_alone() -> None:
    image = picture(0)
    values = np.full((30, 50), 0.9, dtype=np.float32)
    values[:10] = 1.0
    values[0, 0] = -50.0
    values[20:, 25:] = 1.5
    drawn = draw_overlay(image, values, 1.0, 3.0)
    assert (drawn.size, drawn.mode) == ((50, 30), "RGB")
    before, after = np.asarray(image), np.asarray(drawn)
    usual = values <= 1.0
    np.testing.assert_array_equal(after[usual], before[usual])
    assert (after[~usual] != before[~usual]).any(axis=1).mean() > 0.99
    np.testing.assert_array_equal(np.asarray(image), np.asarray(picture(0)))


def test_colours_mean_the_same_in_every_picture() -> None:
    """The colour depends on the value and the pixel alone, not on the picture's other values."""
    image = Image.new("RGB", (40, 1), (100, 150, 200))
    values = np.linspace(-1.0, 5.0, 40, dtype=np.float32)[None]
    whole = np.asarray(draw_overlay(image, values, 1.0, 3.0))[0]
    for column in (0, 20, 24, 39):
        part = image.crop((column, 0, column + 1, 1))
        alone = draw_overlay(part, values[:, column : column + 1], 1.0, 3.0)
        np.testing.assert_array_equal(np.asarray(alone)[0, 0], whole[column])
    # From yellow to red, and no further than the upper end.
    hot = values[0] >= 3.0
    assert len(np.unique(whole[hot], axis=0)) == 1
    red, green, blue = whole[hot][0].astype(int)
    assert red > 180
    assert green < 70
    assert blue < 80
    warm = whole[(values[0] > 1.0) & (values[0] < 3.0)].astype(int)
    assert (np.diff(warm[:, 0]) >= 0).all()
    assert (np.diff(warm[:, 2]) <= 0).all()


def test_any_mode_of_image() -> None:
    values = np.full((30, 50), 2.0, dtype=np.float32)
    grey = picture(0).convert("L")
    expected = draw_overlay(grey.convert("RGB"), values, 1.0, 3.0)
    assert draw_overlay(grey, values, 1.0, 3.0).tobytes() == expected.tobytes()
