"""`Detector`: images that are damaged, missing or copies."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.detector.cases import QUICK, Make, Write, same
from tests.support import toy
from tests.support.bad_files import write_bad_files

from twofold import Detector
from twofold.errors import (
    ConfigError,
    ImageSourceError,
    NotEnoughImagesError,
)


@pytest.mark.slow
def test_bad_files_change_no_bit(
    make: Make, fitted: Detector, world: toy.World, write: Write, tmp_path: Path
) -> None:
    expected = fitted.decision_function(world.test)
    folders = {name: tmp_path / name for name in ("source", "pool", "test")}
    bad: dict[str, str] = {}
    for name, folder in folders.items():
        write(folder, getattr(world, name))
        bad = write_bad_files(folder)
    detector = make().fit(folders["source"], folders["pool"])
    assert len(detector.evidence_.problems) == 2 * len(bad)
    assert detector.threshold_ == fitted.threshold_
    with pytest.warns(UserWarning, match=rf"{len(bad)} unusable image") as caught:
        scores = detector.decision_function(folders["test"])
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    result = detector.score(folders["test"])
    good = np.array([Path(name).name not in bad for name in result.names])
    assert good.sum() == len(world.test)
    assert same(scores[good], expected)
    assert np.isnan(scores[~good]).all()
    assert np.isnan(result.percentiles[~good]).all()
    assert (result.anomalous[~good] == -1).all()
    assert np.array_equal(result.usable, good)
    with pytest.warns(UserWarning, match="unusable"):
        assert same(detector.predict(folders["test"]), result.anomalous)
    for problem in result.problems:
        assert bad[Path(problem.path).name] in problem.reason


@pytest.mark.slow
def test_strict(make: Make, world: toy.World, write: Write, tmp_path: Path) -> None:
    good = write(tmp_path / "pool", world.pool)
    (tmp_path / "pool" / "zzz.png").write_text("no image")
    with pytest.raises(ImageSourceError, match=r"zzz.png: not an image"):
        make(strict=True).fit(world.source, tmp_path / "pool")
    with pytest.raises(ImageSourceError, match=r"zzz.png"):
        make("frozen_source", strict=True).fit(tmp_path / "pool")
    detector = make(strict=True).fit(world.source, good)
    with pytest.raises(ImageSourceError, match=r"zzz.png"):
        detector.predict(tmp_path / "pool")


def test_nothing_usable(make: Make, fitted: Detector, world: toy.World, tmp_path: Path) -> None:
    bad = write_bad_files(tmp_path)
    with pytest.raises(NotEnoughImagesError, match=rf"none of the {len(bad)} target images"):
        make().fit(world.source, tmp_path)
    with pytest.raises(NotEnoughImagesError, match=r"none of the .* source images"):
        make().fit(tmp_path, world.pool)
    with pytest.warns(UserWarning, match="unusable"):
        assert (fitted.predict(tmp_path) == -1).all()
    with pytest.raises(ImageSourceError):
        fitted.predict(tmp_path / "nothing")


@pytest.mark.slow
def test_labels_stay_with_their_images(
    make: Make, world: toy.World, write: Write, tmp_path: Path
) -> None:
    """An unusable image in the pool takes its label with it."""
    paths = write(tmp_path / "pool", world.pool)
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    listed = [*paths[:10], broken, *paths[10:]]
    expected = make("oracle", options=QUICK)
    expected.fit(world.source, paths, target_labels=world.pool_labels)
    for label in (0, 1):
        detector = make("oracle", options=QUICK)
        detector.fit(world.source, listed, target_labels=np.insert(world.pool_labels, 10, label))
        scores = detector.decision_function(world.test)
        assert same(scores, expected.decision_function(world.test))
    with pytest.raises(ConfigError, match="80 entries for 81 target images"):
        make("oracle").fit(world.source, listed, target_labels=world.pool_labels)


@pytest.mark.slow
def test_copies_across_are_counted(make: Make, world: toy.World) -> None:
    pool = np.concatenate([world.pool, world.source[:3]])
    with pytest.warns(UserWarning, match=r"3 target image\(s\) are also in the source") as caught:
        detector = make().fit(world.source, pool)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert detector.evidence_.n_copies_across == 3
    pool = np.concatenate([world.pool, world.pool[:2]])
    with pytest.warns(
        UserWarning, match=r"2 target image\(s\) repeat|82 target images count as 80"
    ):
        detector = make().fit(world.source, pool)
    assert detector.evidence_.n_copies_target == 2
    assert detector.evidence_.n_groups == 80


@pytest.mark.slow
def test_one_folder_twice(make: Make, world: toy.World, write: Write, tmp_path: Path) -> None:
    write(tmp_path / "a", world.pool)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        detector = make().fit(tmp_path / "a", tmp_path / "a")
    verdict, note = (str(one.message) for one in caught)
    assert verdict.startswith("no shift: source detector suffices (source and target look alike: ")
    assert note == "source and target hold the same 80 images: is one folder given twice?"
    assert {one.category for one in caught} == {UserWarning}
    assert {one.filename for one in caught} == {__file__}
    assert detector.evidence_.verdict == "no shift: source detector suffices"


@pytest.mark.slow
def test_a_clean_fit_is_silent(make: Make, world: toy.World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = make().fit(world.source, world.pool)
    assert detector.evidence_.notes == ()
    assert detector.evidence_.verdict == "adapt"
    assert (detector.evidence_.n_source, detector.evidence_.n_target) == (60, 80)
