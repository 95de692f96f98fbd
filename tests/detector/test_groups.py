"""Images that are no independent draws: copies, and what the user says belongs together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy

from twofold import Detector
from twofold.errors import ConfigError, ImageSourceError

Make = Callable[..., Detector]
Write = Callable[[Path, NDArray[Any]], list[Path]]


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


@pytest.mark.slow
def test_groups_count_as_one(make: Make, world: toy.World) -> None:
    detector = make().fit(world.source, world.pool)
    assert detector.evidence_.n_groups == detector.threshold_.n_groups == 80
    lots = [f"lot {row // 2}" for row in range(80)]
    with pytest.warns(UserWarning, match="the 80 target images count as 40: the others repeat"):
        grouped = make().fit(world.source, world.pool, groups=lots)
    assert grouped.evidence_.n_groups == 40
    assert (grouped.calibration_.weights == 0.5).all()
    wrong: Any
    for wrong in (lots[:-1], [lots], 7, []):
        with pytest.raises(ConfigError, match="one entry for each of the 80 target images"):
            make().fit(world.source, world.pool, groups=wrong)
    with pytest.raises(ConfigError, match="each of the 0 target images"):
        make("frozen_source").fit(world.source, groups=lots)
    with pytest.raises(ConfigError, match="names a column"):
        make().fit(world.source, world.pool, groups="lot")


@pytest.mark.slow
@pytest.mark.parametrize("times", [2, 5])
@pytest.mark.parametrize("name", ["auto", "target_only", "padim"])
def test_copies_of_the_pool_change_no_rate(make: Make, name: str, times: int) -> None:
    world = toy.make_world(3, n_source=40, n_pool=60, n_test=2, share=0.0)
    fresh = toy.normals(200, 9)
    once = make(name, false_alarm_rate=0.1).fit(world.source, world.pool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        often = make(name, false_alarm_rate=0.1).fit(
            world.source, np.repeat(world.pool, times, axis=0)
        )
    assert often.threshold_.n_groups == once.threshold_.n_groups
    assert same(once.decision_function(fresh), often.decision_function(fresh))
    assert same(once.predict(fresh), often.predict(fresh))
    assert same(np.repeat(once.decision_scores_, times), often.decision_scores_)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["auto", "target_only", "padim"])
def test_a_copied_pool_alarms_like_the_pool_it_copies(make: Make, name: str) -> None:
    """The realised rate of fresh normals at several rates, with every image five times."""
    world = toy.make_world(8, n_source=40, n_pool=60, n_test=2, share=0.1)
    fresh = toy.normals(400, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        once, often = (
            make(name).fit(world.source, np.repeat(world.pool, times, axis=0)) for times in (1, 5)
        )
        for rate in (0.05, 0.1, 0.2, 0.4):
            alarms = [
                detector.predict(fresh, false_alarm_rate=rate).mean() for detector in (once, often)
            ]
            assert alarms[0] == alarms[1]
    assert often.evidence_.n_copies_target == 240
    assert often.evidence_.n_groups == once.evidence_.n_groups


@pytest.mark.slow
@pytest.mark.parametrize("name", ["auto", "target_only", "frozen_source", "padim"])
def test_copies_of_the_source_change_nothing(make: Make, world: toy.World, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        once, often = (
            make(name).fit(np.repeat(world.source, times, axis=0), world.pool) for times in (1, 3)
        )
    assert once.threshold_ == often.threshold_
    assert same(once.decision_function(world.test), often.decision_function(world.test))


@pytest.mark.slow
def test_what_groups_are_called_does_not_matter(make: Make, world: toy.World) -> None:
    lots = np.arange(80) // 4
    found = []
    given: Any
    for given in (lots, lots.tolist(), [f"lot {lot}" for lot in 100 - lots], lots * 1.5):
        with pytest.warns(UserWarning, match="the 80 target images count as 20"):
            found.append(make().fit(world.source, world.pool, groups=given))
    for other in found[1:]:
        assert same(found[0].calibration_.scores, other.calibration_.scores)
        assert same(found[0].calibration_.weights, other.calibration_.weights)
        assert float(found[0].threshold_) == float(other.threshold_)
    # The rate that 20 images support, and no lower one.
    with pytest.warns(UserWarning, match="rate of 0.02 needs 49 .* there are 20"):
        found[0].set_false_alarm_rate(0.02)
    assert found[0].threshold_.false_alarm_rate == 1 / 21


@pytest.mark.slow
def test_groups_of_one_are_no_groups(make: Make, fitted: Detector, world: toy.World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = make().fit(world.source, world.pool, groups=np.arange(80)[::-1])
    assert same(detector.calibration_.scores, fitted.calibration_.scores)
    assert same(detector.calibration_.weights, np.ones(80))
    assert float(detector.threshold_) == float(fitted.threshold_)


@pytest.mark.slow
def test_groups_of_uneven_size_weigh_the_same(make: Make, world: toy.World) -> None:
    lots = np.concatenate([np.zeros(20, dtype=np.int64), np.arange(1, 61)])
    with pytest.warns(UserWarning, match="the 80 target images count as 61"):
        detector = make().fit(world.source, world.pool, groups=lots)
    assert (detector.threshold_.n_images, detector.threshold_.n_groups) == (80, 61)
    weights = detector.calibration_.weights
    assert np.isclose(weights, 1 / 20).sum() == 20
    assert (weights == 1.0).sum() == 60


@pytest.mark.slow
def test_groups_stay_with_their_images(
    make: Make, world: toy.World, write: Write, tmp_path: Path
) -> None:
    """An unusable image in the pool takes its group with it."""
    paths = write(tmp_path / "pool", world.pool)
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    lots = np.arange(80) // 2
    with pytest.warns(UserWarning, match="80 target images count as 40"):
        expected = make().fit(world.source, paths, groups=lots)
    with pytest.warns(UserWarning, match="80 target images count as 40"):
        detector = make().fit(
            world.source, [*paths[:9], broken, *paths[9:]], groups=np.insert(lots, 9, 700)
        )
    assert same(detector.calibration_.scores, expected.calibration_.scores)
    assert float(detector.threshold_) == float(expected.threshold_)
    with pytest.raises(ConfigError, match="one entry for each of the 81 target images"):
        make().fit(world.source, [*paths, broken], groups=lots)


def manifest_of(paths: Sequence[Path], lots: Sequence[object]) -> Path:
    """A table of images and their lots, beside the images."""
    rows = [f"{path.name},{lot}" for path, lot in zip(paths, lots, strict=True)]
    manifest = paths[0].parent / "pool.csv"
    manifest.write_text("\n".join(["path,lot", *rows]), encoding="utf-8")
    return manifest


@pytest.mark.slow
def test_groups_by_a_column_of_the_manifest(
    make: Make, world: toy.World, write: Write, tmp_path: Path
) -> None:
    manifest = manifest_of(write(tmp_path, world.pool), [row // 2 for row in range(80)])
    with pytest.warns(UserWarning, match="80 target images count as 40"):
        detector = make().fit(world.source, manifest, groups="lot")
    with pytest.warns(UserWarning, match="80 target images count as 40"):
        expected = make().fit(world.source, world.pool, groups=np.arange(80) // 2)
    assert same(detector.calibration_.scores, expected.calibration_.scores)
    with pytest.raises(ImageSourceError, match="part"):
        make().fit(world.source, manifest, groups="part")
    with pytest.raises(ImageSourceError, match="no manifest"):
        make().fit(world.source, tmp_path, groups="lot")


@pytest.mark.slow
def test_groups_are_kept_by_a_model(make: Make, world: toy.World, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="count as 40"):
        detector = make().fit(world.source, world.pool, groups=np.arange(80) // 2)
    detector.save(tmp_path / "m")
    loaded = Detector.load(tmp_path / "m", weights="random")
    loaded.engine = "torch"
    assert loaded.evidence_.n_groups == loaded.threshold_.n_groups == 40
    assert same(loaded.calibration_.weights, detector.calibration_.weights)
    for rate in (0.1, 0.3):
        one, two = (made.predict(world.test, false_alarm_rate=rate) for made in (detector, loaded))
        assert same(one, two)
    one, two = (made.predict(world.test, false_discovery_rate=0.3) for made in (detector, loaded))
    assert same(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("blank", [None, float("nan"), "", "  ", np.datetime64("NaT")], ids=str)
def test_an_image_without_an_entry_is_a_group_of_its_own(
    make: Make, world: toy.World, blank: object
) -> None:
    lots: list[object] = [str(row // 2) for row in range(80)]
    lots[:30] = [blank] * 30
    with pytest.warns(UserWarning, match="80 target images count as 55"):
        detector = make().fit(world.source, world.pool, groups=lots)
    assert detector.evidence_.n_groups == 55


@pytest.mark.slow
def test_a_blank_cell_of_the_manifest_is_a_group_of_its_own(
    make: Make, world: toy.World, write: Write, tmp_path: Path
) -> None:
    lots = [row // 2 if row >= 30 else "" for row in range(80)]
    manifest = manifest_of(write(tmp_path, world.pool), lots)
    with pytest.warns(UserWarning, match="80 target images count as 55"):
        make().fit(world.source, manifest, groups="lot")


@pytest.mark.slow
def test_the_verdict_counts_groups(make: Make, world: toy.World) -> None:
    """Sixteen parts support a rate of 1/17, however many images there are of each."""
    with (
        pytest.warns(UserWarning, match="80 target images count as 16"),
        pytest.warns(UserWarning, match="needs 19 independent"),
    ):
        detector = make().fit(world.source, world.pool, groups=np.arange(80) // 5)
    assert any(
        reason.startswith("16 independent of 80 target images rank new ones")
        for reason in detector.evidence_.reasons
    )
