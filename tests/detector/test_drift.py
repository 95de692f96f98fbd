"""`Detector.drift`: what is kept for it, saved, loaded and fitted again."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.detector.cases import Make, Write
from tests.detector.file.test_tampering import forge_tensors
from tests.support import toy

from twofold import Detector
from twofold.densities import power_normalise
from twofold.encoders.encode import FrozenEncoder
from twofold.errors import (
    BundleError,
    ConfigError,
    ImageSourceError,
    NotEnoughImagesError,
    NotFittedError,
    UsageError,
)
from twofold.images import find_images


@pytest.fixture(scope="module")
def later() -> toy.World:
    """The same two domains, other images; few anomalies."""
    return toy.make_world(9, n_source=150, n_pool=120)


def test_a_fit_keeps_scores_and_places_of_the_target(fitted: Detector, world: toy.World) -> None:
    reference = fitted.drift_reference_
    assert reference is not None
    np.testing.assert_array_equal(reference.values[:, 0], fitted.decision_scores_)
    frozen = FrozenEncoder(toy.encoder(), ("pooled",), engine="torch")
    known, new = (
        power_normalise(frozen.encode(find_images(images))["pooled"]).astype(np.float64)
        for images in (world.source, world.pool)
    )
    along = new @ reference.directions.T
    np.testing.assert_allclose(reference.values[:, 1:], along, rtol=1e-6)
    # The first direction is that in which the source varies most.
    assert np.var(known @ reference.directions[0]) == pytest.approx(
        np.linalg.eigvalsh(np.cov(known.T, bias=True))[-1], rel=1e-5
    )


def test_the_target_has_not_moved_and_the_source_is_elsewhere(
    fitted: Detector, later: toy.World
) -> None:
    same = fitted.drift(later.pool)
    assert (same.kind, same.n_images, dict(same.warnings)) == ("none", 120, {})
    both = fitted.drift(np.concatenate([later.pool[:60], later.source]))
    assert both.kind == "domain"
    assert 60 < both.warnings["domain"].at < 210
    assert both.warnings["domain"].change.since == pytest.approx(60, abs=10)


def test_a_monitor_goes_on(fitted: Detector, later: toy.World) -> None:
    stream = np.concatenate([later.pool[:40], later.source])
    monitor = fitted.drift_monitor(0.05)
    for part in np.split(stream, [1, 17, 100]):
        last = fitted.drift(part, monitor=monitor)
    whole = fitted.drift(stream, false_warnings=0.05)
    assert last.n_images == whole.n_images == len(stream)
    assert last.warnings == whole.warnings
    assert last.false_warnings == 0.05
    with pytest.raises(UsageError, match="monitor or false_warnings"):
        fitted.drift(stream, monitor=monitor, false_warnings=0.1)


def test_it_is_saved_and_loaded(fitted: Detector, later: toy.World, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = Detector.load(tmp_path / "model", weights="random")
    assert loaded.drift_reference_ is not None
    assert fitted.drift_reference_ is not None
    np.testing.assert_array_equal(loaded.drift_reference_.values, fitted.drift_reference_.values)
    loaded.engine = "torch"
    assert loaded.drift(later.source) == fitted.drift(later.source)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("values", np.zeros((4, 2))),
        ("values", np.zeros((4, 9), dtype=np.float32)),
        ("directions", np.zeros((8, 3))),
        ("directions", None),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(
    fitted: Detector, tmp_path: Path, name: str, wrong: NDArray[Any] | None
) -> None:
    fitted.save(tmp_path / "model")

    def change(tensors: dict[str, NDArray[Any]]) -> None:
        tensors.pop(f"drift.{name}")
        if wrong is not None:
            tensors[f"drift.{name}"] = wrong

    forge_tensors(tmp_path / "model", change)
    with pytest.raises(BundleError, match="reference of drift"):
        Detector.load(tmp_path / "model", weights="random")


@pytest.mark.slow
def test_marks_give_another_reference(make: Make, world: toy.World) -> None:
    detector = make().fit(world.source, world.pool)
    marks = np.where(np.arange(len(world.pool)) % 2, np.nan, world.pool_labels)
    better = detector.refit(world.pool, marks, source=world.source)
    assert better.drift_reference_ is not None
    assert len(better.drift_reference_.values) == len(world.pool)
    assert better.drift(world.pool).kind == "none"


def test_unusable_images_are_left_out_with_a_warning(
    fitted: Detector, later: toy.World, tmp_path: Path, write: Write
) -> None:
    write(tmp_path / "new", later.pool[:3])
    (tmp_path / "new" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing follows")
    with pytest.warns(UserWarning, match=r"damaged\.png"):
        found = fitted.drift(tmp_path / "new")
    assert found.n_images == 3


@pytest.mark.slow
def test_wrong_use(make: Make, fitted: Detector, world: toy.World) -> None:
    with pytest.raises(NotFittedError):
        make().drift(world.test)
    with pytest.warns(UserWarning, match="rests on source images"):
        alone = make("frozen_source").fit(world.source)
    with pytest.raises(UsageError, match="fit it again"):
        alone.drift(world.test)
    with pytest.raises(NotEnoughImagesError, match="drift needs at least 20"):
        make(false_alarm_rate=0.2).fit(world.source, world.pool[:12]).drift(world.test)
    with pytest.raises(ConfigError, match="false warning"):
        fitted.drift(world.test, false_warnings=0.0)
    with pytest.raises(ImageSourceError):
        fitted.drift([])


def test_following_gives_the_scores_and_what_drift_looks_at(
    fitted: Detector,
    later: toy.World,
    tmp_path: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A portion at a time it is the same test, and the cache stays as it is."""
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    paths: list[str | Path] = list(write(tmp_path / "new", later.pool[:30]))
    bad = tmp_path / "new" / "bad.png"
    bad.write_bytes(b"no image")
    paths.insert(10, bad)
    monitor = fitted.drift_monitor()
    once = copy.copy(fitted)
    once.cached = False
    for part in (paths[:7], paths[7:]):
        result, numbers = once.follow(part)
        assert np.isnan(numbers[~result.usable]).all()
        monitor.update(numbers[result.usable])
    assert not (tmp_path / "cache").exists()
    result, numbers = once.follow(paths)
    assert not (tmp_path / "cache").exists()
    assert [problem.path for problem in result.problems] == [str(bad)]
    with pytest.warns(UserWarning, match="no score"):
        expected = fitted.drift(paths, monitor=(whole := fitted.drift_monitor()))
    assert monitor.current() == expected
    np.testing.assert_allclose(numbers[result.usable], whole.recent(), rtol=1e-6)
    np.testing.assert_allclose(
        result.scores[result.usable], fitted.score(paths).scores[result.usable], rtol=1e-6
    )


def test_a_model_without_a_reference_is_followed_too(fitted: Detector, later: toy.World) -> None:
    plain = copy.copy(fitted)
    plain.drift_reference_ = None
    result, numbers = plain.follow(later.pool[:5])
    assert numbers.shape == (5, 0)
    np.testing.assert_array_equal(result.scores, fitted.follow(later.pool[:5])[0].scores)
    with pytest.raises(NotFittedError):
        Detector().follow(later.pool[:5])
