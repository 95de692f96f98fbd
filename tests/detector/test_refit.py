"""A detector that learns from marks."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.detector.cases import QUICK, Make, Write, same
from tests.support import toy

from twofold import Detector
from twofold.detector.refitting import refit_encoded
from twofold.errors import BundleError, ImageSourceError, TwofoldError, UsageError
from twofold.marks import draw_design, estimate
from twofold.metrics import auroc

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def crowded() -> toy.World:
    """A pool of which so many images are anomalous that nobody can tell them apart unlabelled."""
    return toy.make_world(3, share=0.45)


@pytest.fixture(scope="module")
def before(crowded: toy.World) -> Detector:
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        return Detector("auto", toy.ENCODER, weights="random", engine="torch").fit(
            crowded.source, crowded.pool
        )


def marked(world: toy.World, count: int, seed: int = 0) -> Array:
    """Marks of so many images of the pool, drawn at random."""
    rows = np.random.default_rng(seed).permutation(len(world.pool))[:count]
    found = np.full(len(world.pool), np.nan)
    found[rows] = world.pool_labels[rows]
    return found


def area(detector: Detector, world: toy.World) -> float:
    scores = detector.decision_function(world.test)
    return auroc(scores[world.test_labels == 0], scores[world.test_labels == 1])


def refit(detector: Detector, world: toy.World, marks: Array) -> Detector:
    # The images are arrays: where they lay is nowhere.
    return detector.refit(world.pool, marks, source=world.source)


@pytest.mark.slow
def test_marks_make_it_better(before: Detector, crowded: toy.World) -> None:
    old = before.decision_function(crowded.test)
    after = refit(before, crowded, marked(crowded, 24))
    assert area(after, crowded) > area(before, crowded) + 0.02
    # The old one stays.
    assert same(before.decision_function(crowded.test), old)
    assert type(after) is Detector
    assert after.get_params() == before.get_params()


@pytest.mark.slow
def test_a_pool_on_disk_is_refitted_to_the_same(
    make: Make, crowded: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of a thousand images is; few of its marks are of anomalies."""
    detector = make().fit(crowded.source, crowded.pool)
    marks = marked(crowded, 12)
    marks[np.flatnonzero(marks == 1)[3:]] = np.nan
    expected = refit(detector, crowded, marks).decision_function(crowded.test)
    monkeypatch.setattr("twofold.encoders.disk_rows._IN_MEMORY", 0)
    again = refit(detector, crowded, marks).decision_function(crowded.test)
    np.testing.assert_allclose(again, expected, rtol=1e-6)


@pytest.mark.slow
def test_confirmed_anomalies_leave_the_pool(before: Detector, crowded: toy.World) -> None:
    marks = np.where(crowded.pool_labels == 1, 1.0, np.nan)
    # One that says nothing of what it settled, so that all is settled as without the anomalies.
    bare = copy(before)
    bare.evidence_ = replace(before.evidence_, choices={})
    after = refit(bare, crowded, marks)
    # Of marks of one kind nothing but that is learned.
    assert after.correction_ is None
    assert after.evidence_.n_target == int((crowded.pool_labels == 0).sum())
    alone = Detector("auto", toy.ENCODER, weights="random", engine="torch")
    alone.fit(crowded.source, crowded.pool[crowded.pool_labels == 0])
    np.testing.assert_allclose(
        after.decision_function(crowded.test), alone.decision_function(crowded.test), rtol=1e-9
    )


SETTLED = ("global_source_weight", "source_weight", "starts_like_source", "local_weight")


@pytest.mark.slow
def test_what_the_first_fit_settled_stays(make: Make, tmp_path: Path) -> None:
    """In a pool of 24 images ten marks would turn two choices over."""
    world = toy.make_world(5, n_pool=24, n_source=30)
    before, marks = make().fit(world.source, world.pool), marked(world, 10)
    after = refit(before, world, marks)
    assert settled(after) == settled(before)
    before.save(tmp_path / "m")
    loaded = Detector.load(tmp_path / "m", weights="random")
    loaded.engine = "torch"
    again = refit(loaded, world, marks)
    assert same(again.decision_function(world.test), after.decision_function(world.test))
    # Models of before say nothing of one of them, or of none: then it is chosen anew.
    before.evidence_ = replace(before.evidence_, choices={})
    anew = settled(refit(before, world, marks))
    assert sum(anew[name] != settled(after)[name] for name in SETTLED[:3]) == 2
    known = {name: settled(after)[name] for name in ("global_source_weight", "source_weight")}
    before.evidence_ = replace(before.evidence_, choices=known)
    partly = settled(refit(before, world, marks))
    assert partly == anew | {"global_source_weight": known["global_source_weight"]}


def settled(detector: Detector) -> dict[str, float]:
    return {name: detector.evidence_.choices[name] for name in SETTLED}


@pytest.mark.slow
def test_what_changed_is_told(before: Detector, crowded: toy.World) -> None:
    marks = marked(crowded, 24)
    after = refit(before, crowded, marks)
    told = after.changes_
    assert told.n_images == len(crowded.pool)
    assert (told.n_normal, told.n_anomalous) == ((marks == 0).sum(), (marks == 1).sum())
    old = before.decision_function(crowded.pool) > before.threshold_.value
    assert told.flagged_before == old.sum()
    assert told.flagged_after == after.labels_.sum()
    moved = {*told.newly_flagged, *told.no_longer_flagged}
    assert len(moved) == (old != (after.labels_ == 1)).sum()
    assert any("24 marks" in note for note in after.evidence_.notes)
    assert told.auroc_before is not None
    assert told.auroc_after is not None


@pytest.mark.slow
def test_rates_by_the_design_are_told(before: Detector, crowded: toy.World) -> None:
    """Those of the library's estimate, before and after; of all images marked, exact."""
    scores = before.decision_function(crowded.pool)
    design = draw_design(scores, before.threshold_.value, 0)
    marks = np.full(len(scores), np.nan)
    marks[design.order[:24]] = crowded.pool_labels[design.order[:24]]
    after = before.refit(crowded.pool, marks, source=crowded.source, strata=design.strata)
    told = after.changes_
    assert told.rates_before == estimate(scores, before.threshold_.value, design.strata, marks)
    new = after.decision_scores_
    assert told.rates_after == estimate(new, after.threshold_.value, design.strata, marks)
    every = crowded.pool_labels.astype(float)
    known = before.refit(crowded.pool, every, source=crowded.source, strata=design.strata)
    rates = known.changes_.rates_after
    assert rates is not None
    odd = crowded.pool_labels == 1
    assert rates.detection_rate.value == pytest.approx(known.labels_[odd].mean())
    assert rates.detection_rate.low == rates.detection_rate.high
    assert refit(before, crowded, marks).changes_.rates_before is None
    with pytest.raises(UsageError, match="strata"):
        before.refit(crowded.pool, marks, source=crowded.source, strata=design.strata[1:])


@pytest.mark.slow
def test_a_saved_one_scores_the_same_and_can_be_refitted_again(
    before: Detector, crowded: toy.World, tmp_path: Path
) -> None:
    after = refit(before, crowded, marked(crowded, 24))
    after.save(tmp_path / "m")
    loaded = Detector.load(tmp_path / "m", weights="random")
    loaded.engine = "torch"
    assert same(loaded.decision_function(crowded.test), after.decision_function(crowded.test))
    assert loaded.threshold_ == after.threshold_
    again = refit(loaded, crowded, marked(crowded, 24))
    assert same(again.decision_function(crowded.test), after.decision_function(crowded.test))


@pytest.mark.slow
def test_files_are_found_where_they_lay(
    make: Make, crowded: toy.World, write: Write, tmp_path: Path
) -> None:
    for name in ("source", "pool"):
        write(tmp_path / name, getattr(crowded, name))
    detector = make().fit(tmp_path / "source", str(tmp_path / "pool"))
    detector.save(tmp_path / "m")
    loaded = Detector.load(tmp_path / "m", weights="random")
    some = sorted((tmp_path / "pool").iterdir())[:30]
    marks = crowded.pool_labels[:30].astype(float)
    after = loaded.refit(some, marks)
    assert after.changes_.n_images == 30
    # The others of the pool are still there, and none is there twice.
    assert after.evidence_.n_target == len(crowded.pool) - int(marks.sum())
    # Elsewhere they are given.
    (tmp_path / "source").rename(tmp_path / "moved")
    with pytest.raises(ImageSourceError, match="source"):
        loaded.refit(some, marks)
    assert same(
        loaded.refit(some, marks, source=tmp_path / "moved").decision_function(crowded.test),
        after.decision_function(crowded.test),
    )


@pytest.mark.slow
def test_the_rate_holds_on_fresh_normals(before: Detector, crowded: toy.World) -> None:
    after = refit(before, crowded, marked(crowded, 40))
    alarms = after.predict(toy.normals(300, 5), false_alarm_rate=0.1).mean()
    assert alarms < 0.2


@pytest.mark.slow
def test_a_new_target_takes_the_place_of_the_old_one(
    make: Make, write: Write, world: toy.World, tmp_path: Path
) -> None:
    write(tmp_path / "source", world.source)
    half = len(world.pool) // 2
    detector = make(false_alarm_rate=0.1).fit(tmp_path / "source", world.pool[:half])
    detector.save(tmp_path / "m", embed_weights=True)
    loaded = Detector.load(tmp_path / "m").set_params(engine="torch")
    after = loaded.refit_to(world.pool[half:])
    fresh = make(false_alarm_rate=0.1).fit(tmp_path / "source", world.pool[half:])
    assert same(after.decision_function(world.test), fresh.decision_function(world.test))
    assert after.threshold_ == fresh.threshold_
    assert after.evidence_.n_target == len(world.pool) - half
    assert not same(after.decision_function(world.test), loaded.decision_function(world.test))
    with pytest.raises(UsageError, match="give source"):
        make().fit(world.source, world.pool).refit_to(world.pool)


@pytest.mark.slow
def test_methods_of_the_source_learn_too(make: Make, crowded: toy.World) -> None:
    with pytest.warns(UserWarning, match="rests on source"):
        detector = make("frozen_source").fit(crowded.source, crowded.pool)
    after = detector.refit(crowded.pool, marked(crowded, 40), source=crowded.source)
    assert after.threshold_.origin == "target"
    assert area(after, crowded) > area(detector, crowded)


@pytest.mark.slow
def test_wrong_uses(make: Make, before: Detector, crowded: toy.World) -> None:
    marks = marked(crowded, 10)
    with pytest.raises(UsageError, match="give source"):
        before.refit(crowded.pool, marks)
    with pytest.raises(UsageError, match="marks must be 80 numbers"):
        before.refit(crowded.pool, marks[1:], source=crowded.source)
    with pytest.raises(UsageError, match="no image is marked"):
        before.refit(crowded.pool, np.full(80, np.nan), source=crowded.source)
    with pytest.raises(UsageError, match="a mark is 1"):
        before.refit(crowded.pool, np.full(80, 2.0), source=crowded.source)
    twice = np.concatenate([crowded.pool[:1], crowded.pool[:5]])
    with pytest.raises(UsageError, match="a copy of this file is marked differently"):
        before.refit(twice, np.array([0.0, 1, 0, 0, 0, 0]), source=crowded.source)
    labelled = make("oracle", options=QUICK)
    labelled.fit(crowded.source, crowded.pool, target_labels=crowded.pool_labels)
    with pytest.raises(UsageError, match=r"method oracle .* needs target_labels"):
        labelled.refit(crowded.pool, marks, source=crowded.source)
    with pytest.raises(TwofoldError, match="not fitted"):
        make().refit(crowded.pool, marks)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["short", "lost", "spread", "views"])
def test_a_damaged_correction_is_refused(
    before: Detector, crowded: toy.World, tmp_path: Path, how: str
) -> None:
    from dataclasses import replace

    after = refit(before, crowded, marked(crowded, 24))
    found = after.correction_
    assert found is not None
    after.correction_ = {
        "short": replace(found, mean=found.mean[1:]),
        "lost": replace(found, direction=np.empty((0,))),
        "spread": replace(found, spread=0.0),
        "views": replace(found, views=np.empty(0)),
    }[how]
    after.save(tmp_path / "m")
    with pytest.raises(BundleError, match="correction by marks"):
        Detector.load(tmp_path / "m", weights="random")


def test_confirmed_normals_are_kept_in_the_fit() -> None:
    world = toy.encoded_world()
    plain = toy.fitting("target_only", world)
    method, data = plain.model, toy.fit_data(type(plain.model), world)
    left_out = ~plain.diagnostics.presumed_normal["whole"] & (world.pool_labels == 0)
    found = refit_encoded(
        method,
        data,
        world.pool,
        np.where(left_out, 0.0, np.nan),
        settled=plain.diagnostics.choices,
        false_alarm_rate=0.05,
        random_state=0,
        rule="tail",
    )
    digests = frozenset(world.pool.subset(left_out).digests)
    expected = type(method)(method.encoder, method.config).fit(
        replace(data, known_normal=digests), random_state=0
    )
    scores = found.fitted.model.score(world.test)
    assert same(scores, expected.model.score(world.test))
    assert not same(scores, method.score(world.test))
