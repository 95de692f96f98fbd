"""`Detector`: what is given, decisions, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.detector.cases import QUICK, Make, Write, same
from tests.support import toy
from tests.support.each_method import each_method

from twofold import Detector
from twofold.defaults import DEFAULT_ENCODER, DEFAULT_METHOD
from twofold.errors import (
    ConfigError,
    NotFittedError,
    TwofoldError,
    UsageError,
)
from twofold.method_table import METHODS
from twofold.metrics import auroc


def test_parameters_are_stored_as_they_are() -> None:
    options = {"trim": 0.2}
    given: dict[str, Any] = {
        "method": "target_only",
        "encoder": toy.ENCODER,
        "false_alarm_rate": 0.1,
        "random_state": 7,
        "options": options,
        "weights": "random",
        "strict": True,
        "engine": "torch",
        "progress": print,
    }
    detector = Detector(**given)
    assert all(getattr(detector, name) is value for name, value in given.items())
    assert options == {"trim": 0.2}
    default = Detector()
    assert (default.method, default.encoder) == (DEFAULT_METHOD, DEFAULT_ENCODER)
    assert (default.false_alarm_rate, default.random_state) == (0.05, 0)


@pytest.mark.slow
def test_fit_changes_no_parameter_and_no_input(make: Make, world: toy.World) -> None:
    detector = make("oracle", options=QUICK, random_state=None)
    before = {k: v for k, v in vars(detector).items() if not k.startswith("_")}
    arrays: list[NDArray[Any]] = [world.source, world.pool, world.pool_labels, world.test]
    copies = [array.copy() for array in arrays]
    assert detector.fit(world.source, world.pool, target_labels=world.pool_labels) is detector
    detector.predict(world.test)
    after = {k: v for k, v in vars(detector).items() if not (k.startswith("_") or k.endswith("_"))}
    assert after == before
    assert detector.options is before["options"]
    for one, two in zip(copies, arrays, strict=True):
        assert same(one, two)


@pytest.mark.slow
def test_arrays_folders_lists_globs_and_manifests_are_the_same(
    make: Make, fitted: Detector, world: toy.World, write: Write, tmp_path: Path
) -> None:
    expected = fitted.decision_function(world.test)
    source, pool, test = (
        write(tmp_path / name, getattr(world, name)) for name in ("source", "pool", "test")
    )
    manifest = tmp_path / "test.csv"
    manifest.write_text("path\n" + "\n".join(f"test/{path.name}" for path in test) + "\n")
    for near, far in (
        (tmp_path / "source", str(tmp_path / "pool")),
        (source, [str(path) for path in pool]),
    ):
        detector = make().fit(near, far)
        for images in (tmp_path / "test", test, str(tmp_path / "test" / "*.png"), manifest):
            assert same(detector.decision_function(images), expected)


@pytest.mark.slow
@each_method
def test_every_method(fit_of: Callable[[str], Any], world: toy.World, name: str) -> None:
    uses_pool = "target_pool" in METHODS.load(name).needs
    fit = fit_of(name)
    # Where the rate holds for the source only, the user hears it.
    heard = ["rests on source images" in note for note in fit.warned]
    assert heard == ([] if uses_pool else [True])
    detector = fit.detector
    scores = detector.score(world.test)
    normal = scores.scores[world.test_labels == 0]
    if name not in toy.WEAK:
        assert auroc(normal, scores.scores[world.test_labels == 1]) > 0.75
    assert detector.threshold_.origin == ("target" if uses_pool else "source")
    assert np.array_equal(scores.anomalous, scores.scores > detector.threshold_.value)


def test_methods_that_only_use_the_source_need_no_target(make: Make, world: toy.World) -> None:
    alone, beside = make("frozen_source"), make("frozen_source")
    with pytest.warns(UserWarning, match="rests on source images"):
        alone.fit(world.source)
    with pytest.warns(UserWarning, match="rests on source images"):
        beside.fit(world.source, world.pool)
    assert same(alone.decision_function(world.test), beside.decision_function(world.test))
    assert alone.evidence_.n_target == 0
    assert beside.evidence_.n_target == len(world.pool)


def test_wrong_uses(make: Make, world: toy.World) -> None:
    with pytest.raises(UsageError, match="needs target images"):
        make().fit(world.source)
    with pytest.raises(ConfigError, match="must not see target_labels"):
        make("paper").fit(world.source, world.pool, target_labels=world.pool_labels)
    with pytest.raises(ConfigError, match="needs target_labels"):
        make("oracle", options=QUICK).fit(world.source, world.pool)
    with pytest.raises(UsageError, match="needs target_shots"):
        make("paper_few_shot").fit(world.source, world.pool)
    with pytest.raises(ConfigError, match="must not see target_shots"):
        make().fit(world.source, world.pool, target_shots=world.pool[:3])
    with pytest.raises(ConfigError, match="unknown method 'x': choose one of auto"):
        make("x").fit(world.source, world.pool)
    with pytest.raises(ConfigError, match="unknown encoder 'x'"):
        make(encoder="x").fit(world.source, world.pool)
    with pytest.raises(ConfigError, match=r"option speed.*its options: trim, shrinkage"):
        make(options={"speed": 1}).fit(world.source, world.pool)
    for rate in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="strictly between 0 and 1"):
            make(false_alarm_rate=rate).fit(world.source, world.pool)
    with pytest.raises(ConfigError, match="unknown engine"):
        make(engine="steam").fit(world.source, world.pool)
    detector = make()
    for use in (detector.decision_function, detector.predict, detector.score):
        with pytest.raises(NotFittedError, match="call fit first"):
            use(world.test)


def test_decisions_follow_the_threshold(fitted: Detector, world: toy.World) -> None:
    result = fitted.score(world.test)
    assert result.scores.dtype == np.float64
    assert result.anomalous.dtype == np.int64
    assert same(fitted.decision_function(world.test), result.scores)
    assert same(fitted.predict(world.test), result.anomalous)
    assert np.array_equal(result.anomalous == 1, result.scores > fitted.threshold_.value)
    assert result.usable.all()
    assert result.names[3] == "array[3]"
    assert ((result.percentiles >= 0) & (result.percentiles <= 100)).all()
    order = np.argsort(result.scores)
    assert (np.diff(result.percentiles[order]) >= 0).all()
    # A tenth of the pool is anomalous and counts as normal: at a rate that leaves room for it all
    # are found.
    roomy = fitted.predict(world.test, false_alarm_rate=0.2)
    assert roomy[world.test_labels == 1].mean() > 0.8
    assert roomy[world.test_labels == 0].mean() < 0.2


def test_scores_are_never_clamped(fitted: Detector, world: toy.World) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    flat = np.full((2, 64, 64, 3), [[[[255]]], [[[0]]]], dtype=np.uint8)
    far = fitted.decision_function(np.concatenate([noise, flat]))
    usual = fitted.decision_function(world.test)
    assert (far > 2 * np.median(usual)).all()
    assert len(np.unique(far)) == 5
    assert (fitted.score(noise).percentiles == 100).all()


def test_one_image(fitted: Detector, world: toy.World, write: Write, tmp_path: Path) -> None:
    whole = fitted.decision_function(world.test)
    assert same(fitted.decision_function(world.test[:1]), whole[:1])
    path = write(tmp_path / "one", world.test[:1])[0]
    assert same(fitted.decision_function(path), whole[:1])
    assert fitted.predict(str(path)).shape == (1,)


def test_a_failed_fit_leaves_the_earlier_one_whole(make: Make, world: toy.World) -> None:
    detector = make().fit(world.source, world.pool)
    before = detector.score(world.test)
    for source, target in (
        (world.source, world.pool[:1]),
        (world.source[:1], world.pool),
        (world.source, "nowhere"),
    ):
        with pytest.raises(TwofoldError):
            detector.fit(source, target)
        after = detector.score(world.test)
        assert same(before.scores, after.scores)
        assert same(before.anomalous, after.anomalous)
