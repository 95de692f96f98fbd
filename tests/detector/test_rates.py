"""Rates of false alarms and of false discoveries: of a fit, after it, and for one set."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from tests.support import toy

from twofold import Detector
from twofold.errors import ConfigError, NotFittedError
from twofold.method_table import METHODS
from twofold.thresholds import fit_threshold

Make = Callable[..., Detector]
Write = Callable[[Path, NDArray[Any]], list[Path]]


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def alarms_of(detector: Detector, *, n_pool: int, share: float) -> tuple[int, int]:
    """How many of fresh normals are flagged by fits on three worlds, and how many there are."""
    alarms, n = 0, 0
    for seed in range(3):
        world = toy.make_world(seed, n_source=60, n_pool=n_pool, n_test=2, share=share)
        detector.fit(world.source, world.pool)
        alarms += int(detector.predict(toy.normals(500, seed)).sum())
        n += 500
    return alarms, n


@pytest.mark.slow
@pytest.mark.parametrize("name", ["auto", "target_only"])
def test_fresh_normals_alarm_at_about_the_rate(make: Make, name: str) -> None:
    """With 600 images in the pool the rate of one fit varies by about a point either way."""
    alarms, n = alarms_of(make(name, false_alarm_rate=0.05), n_pool=600, share=0.05)
    # At most the rate, as far as 1500 draws and three calibrations of 600 can tell (99.9%); with
    # anomalies in the pool it may be less.
    assert alarms / n < 0.085, (alarms, n, binomtest(alarms, n).proportion_ci())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["auto", "target_only"])
def test_a_clean_pool_alarms_at_the_rate(make: Make, name: str) -> None:
    alarms, n = alarms_of(make(name, false_alarm_rate=0.1), n_pool=400, share=0.0)
    assert 0.06 < alarms / n < 0.14, (alarms, n, binomtest(alarms, n).proportion_ci())


@pytest.mark.slow
def test_too_few_images_for_the_rate(make: Make, world: toy.World) -> None:
    """The strictest threshold that they allow, and a warning."""
    with pytest.warns(UserWarning, match=r"rate of 0.01 needs 99 independent target images"):
        detector = make(false_alarm_rate=0.01).fit(world.source, world.pool)
    threshold = detector.threshold_
    assert (threshold.requested_rate, threshold.false_alarm_rate) == (0.01, 1 / 81)
    assert detector.evidence_.notes == (threshold.note,)
    with pytest.warns(UserWarning, match="a false-alarm rate of 0.05 needs 19"):
        few = make(false_alarm_rate=0.05).fit(world.source, world.pool[:12])
    assert few.threshold_.value == few.calibration_.scores.max()
    assert np.isfinite(few.decision_function(world.test)).all()
    assert not few.evidence_.verdict.startswith("do not trust: too few")


@pytest.mark.slow
def test_the_rate_is_changed_after_the_fit(make: Make, world: toy.World, tmp_path: Path) -> None:
    detector = make(false_alarm_rate=0.05).fit(world.source, world.pool)
    strict = make(false_alarm_rate=0.2).fit(world.source, world.pool)
    once = detector.predict(world.test, false_alarm_rate=0.2)
    assert same(once, strict.predict(world.test))
    assert same(once, detector.score(world.test, false_alarm_rate=0.2).anomalous)
    assert detector.threshold_.false_alarm_rate == 0.05
    detector.save(tmp_path / "m")
    for changed in (detector, Detector.load(tmp_path / "m", weights="random")):
        changed.engine = "torch"
        assert changed.set_false_alarm_rate(0.2) is changed
        assert asdict(changed.threshold_) == asdict(strict.threshold_)
        assert changed.false_alarm_rate == 0.2
        assert same(changed.predict(world.test), once)
    assert same(detector.labels_, strict.labels_)
    detector.save(tmp_path / "m")
    again = Detector.load(tmp_path / "m", weights="random")
    assert again.threshold_.false_alarm_rate == again.false_alarm_rate == 0.2
    with pytest.warns(UserWarning, match="rate of 0.001 needs 999"):
        detector.set_false_alarm_rate(0.001)
    assert detector.evidence_.notes == (detector.threshold_.note,)
    detector.set_false_alarm_rate(0.2)
    assert not list(detector.evidence_.notes)
    for rate in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError, match="strictly between 0 and 1"):
            detector.set_false_alarm_rate(rate)
        with pytest.raises(ConfigError, match="strictly between 0 and 1"):
            detector.predict("nowhere", false_alarm_rate=rate)
    with pytest.raises(ConfigError, match="not both"):
        detector.predict("nowhere", false_alarm_rate=0.1, false_discovery_rate=0.1)
    with pytest.raises(NotFittedError):
        make().set_false_alarm_rate(0.1)


@pytest.mark.slow
def test_a_false_discovery_rate_needs_a_calibration_on_the_target(
    make: Make, world: toy.World
) -> None:
    with pytest.warns(UserWarning, match="rests on source images"):
        detector = make("frozen_source").fit(world.source, world.pool)
    with pytest.raises(ConfigError, match="calibrated on the target: the scores of method frozen"):
        detector.predict(world.test, false_discovery_rate=0.1)


@pytest.mark.slow
def test_a_false_discovery_rate(make: Make, world: toy.World) -> None:
    # Of a clean pool: what looks like the pool's own anomalies is not reported.
    clean = toy.make_world(5, n_source=60, n_pool=120, n_test=2, share=0.0)
    fitted = make().fit(clean.source, clean.pool)
    alone = fitted.predict(world.test)
    together = fitted.predict(world.test, false_discovery_rate=0.1)
    result = fitted.score(world.test, false_discovery_rate=0.1)
    assert same(together, result.anomalous)
    assert set(together.tolist()) == {0, 1}
    assert ((result.p_values > 0) & (result.p_values <= 1)).all()
    assert result.p_values[together == 1].max() < result.p_values[together == 0].min()
    assert (together[world.test_labels == 1] == 1).mean() > 0.8
    # One image alone can never be reported at a rate below 1 / (images of the pool + 1).
    assert alone[world.test_labels == 1].any()
    assert not fitted.predict(world.test[:1], false_discovery_rate=0.001).any()
    # Before the images are even looked for.
    for rate in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError, match="false_discovery_rate must lie strictly between"):
            fitted.predict("nowhere", false_discovery_rate=rate)


# --- one rate for one set of images --------------------------------------------------------------


@pytest.mark.slow
def test_changing_the_rate_fits_and_encodes_nothing(
    make: Make, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = make().fit(world.source, world.pool)
    before, method, calibration = detector.evidence_, detector.method_, detector.calibration_
    scores = detector.decision_scores_.copy()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is fitted or encoded again")

    for name in ("fit", "score"):
        monkeypatch.setattr(METHODS.load("auto"), name, refuse)
    monkeypatch.setattr(Detector, "_reader", refuse)
    for rate in (0.02, 0.3, 0.1, 0.05):
        detector.set_false_alarm_rate(rate)
        assert asdict(detector.threshold_) == asdict(fit_threshold(calibration, rate))
        above = detector.decision_scores_ > detector.threshold_.value
        assert np.array_equal(detector.labels_, above.astype(np.int64))
        assert detector.get_params()["false_alarm_rate"] == rate
    assert detector.method_ is method
    assert detector.calibration_ is calibration
    # Back at the rate of the fit it says what it said.
    assert detector.evidence_ == before
    assert same(detector.decision_scores_, scores)


def test_larger_rates_report_more(fitted: Detector, world: toy.World) -> None:
    rates = (0.02, 0.05, 0.1, 0.2, 0.5, 0.9)
    found = [fitted.predict(world.test, false_alarm_rate=rate) for rate in rates]
    assert (np.diff(found, axis=0) >= 0).all()
    assert found[0].sum() < found[-1].sum()
    # Scores, p-values and percentiles are those of the images, whatever is decided.
    usual, other = (fitted.score(world.test, false_alarm_rate=rate) for rate in (None, 0.5))
    for name in ("scores", "p_values", "percentiles"):
        assert same(getattr(usual, name), getattr(other, name))


@pytest.mark.slow
def test_labels_of_unusable_images_stay(
    make: Make, world: toy.World, write: Write, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    paths = write(tmp_path / "pool", world.pool)
    detector = make("target_only").fit(world.source, [*paths, broken])
    detector.set_false_alarm_rate(0.5)
    assert detector.labels_.tolist()[-1] == -1
    assert set(detector.labels_.tolist()[:-1]) == {0, 1}


@pytest.mark.slow
def test_a_rate_out_of_reach_for_one_set_is_a_note_and_a_warning(
    make: Make, world: toy.World
) -> None:
    detector = make().fit(world.source, world.pool)
    with pytest.warns(UserWarning, match="rate of 0.01 needs 99 independent target") as caught:
        found = detector.predict(world.test, false_alarm_rate=0.01)
    assert [warning.filename for warning in caught] == [__file__]
    scored = detector.score(world.test, false_alarm_rate=0.01)
    assert len(scored.notes) == 1
    assert scored.notes[0].endswith("for a rate of 0.0123")
    assert same(found, scored.anomalous)
    # The detector's own decisions, and what is said of its fit, are as they were.
    assert detector.threshold_.false_alarm_rate == detector.false_alarm_rate == 0.05
    assert detector.score(world.test).notes == detector.evidence_.notes == ()


@pytest.mark.slow
def test_a_rate_out_of_reach_is_known_to_a_loaded_detector(
    make: Make, world: toy.World, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="needs 999"):
        detector = make(false_alarm_rate=0.001).fit(world.source, world.pool)
    detector.save(tmp_path / "m")
    loaded = Detector.load(tmp_path / "m", weights="random")
    assert loaded.false_alarm_rate == loaded.threshold_.requested_rate == 0.001
    assert loaded.threshold_.note == detector.threshold_.note
    assert loaded.evidence_.notes == (detector.threshold_.note,)
    with pytest.warns(UserWarning, match="needs 99 "):
        loaded.set_false_alarm_rate(0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded.set_false_alarm_rate(0.05)
    assert loaded.threshold_.note is None


# --- which images count as normal ----------------------------------------------------------------


@pytest.mark.slow
def test_both_rules_come_back(make: Make, tmp_path: Path) -> None:
    """PaDiM sees the anomalies of this pool far beyond its normals."""
    world = toy.make_world(4)
    made = {
        rule: make("padim", calibration=rule).fit(world.source, world.pool)
        for rule in ("pool", "tail")
    }
    for rule, detector in made.items():
        assert detector.threshold_.rule == detector.calibration_.rule == rule
        detector.save(tmp_path / rule)
        header = json.loads((tmp_path / rule / "detector.json").read_text(encoding="utf-8"))
        assert (header["threshold"]["rule"], header["threshold"]["scale"]) == (rule, "log")
        loaded = Detector.load(tmp_path / rule, weights="random")
        loaded.engine = "torch"
        assert loaded.calibration == rule
        assert asdict(loaded.threshold_) == asdict(detector.threshold_)
        one, two = (made.score(world.test) for made in (detector, loaded))
        for name in ("scores", "p_values", "percentiles", "anomalous"):
            assert same(getattr(one, name), getattr(two, name))
        for one_again in (detector, loaded):
            one_again.set_false_alarm_rate(0.1)
        assert asdict(loaded.threshold_) == asdict(detector.threshold_)
        assert loaded.threshold_.rule == rule
        # A second fit keeps the rule.
        assert loaded.fit(world.source, world.pool).threshold_.rule == rule
    whole, cut = made["pool"].threshold_, made["tail"].threshold_
    assert whole.n_kept == whole.n_groups == 80
    assert cut.n_kept < cut.n_groups == 80
    assert cut.value < whole.value


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("name", ["auto", "target_only", "padim"])
def test_the_tail_only_ever_lowers_a_threshold(make: Make, name: str, share: float) -> None:
    world = toy.make_world(6, n_pool=100, n_test=2, share=share)
    pool, tail = (
        make(name, calibration=rule).fit(world.source, world.pool) for rule in ("pool", "tail")
    )
    assert same(pool.calibration_.scores, tail.calibration_.scores)
    for rate in (0.02, 0.05, 0.1, 0.3):
        for detector in (pool, tail):
            detector.set_false_alarm_rate(rate)
        assert tail.threshold_.value <= pool.threshold_.value
        if share == 0.0:
            assert asdict(tail.threshold_) == asdict(pool.threshold_) | {"rule": "tail"}


@pytest.mark.slow
def test_known_normals_are_all_kept(make: Make, world: toy.World, tmp_path: Path) -> None:
    """Images of the source are known to be normal, whatever rule is asked for."""
    with pytest.warns(UserWarning, match="rests on source images"):
        detector = make("frozen_source", calibration="tail").fit(world.source, world.pool)
    threshold = detector.threshold_
    assert (threshold.origin, threshold.rule, threshold.n_kept) == ("source", "pool", 60)
    detector.save(tmp_path / "m")
    # A fit of the loaded one, perhaps of another method, goes by what was asked for.
    assert Detector.load(tmp_path / "m", weights="random").calibration == "tail"


@pytest.mark.parametrize("rule", ["both", "", None, 3, ["tail"]])
def test_an_unknown_rule(make: Make, world: toy.World, rule: Any) -> None:
    with pytest.raises(ConfigError, match="calibration must be pool or tail, not"):
        make(calibration=rule).fit(world.source, world.pool)
