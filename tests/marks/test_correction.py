"""What marks teach: against fits written out, where there is something to learn and where not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from twofold.errors import UsageError
from twofold.marks import draw_design
from twofold.marks.correction import STRENGTHS, Correction, fit_correction
from twofold.marks.logistic import log_loss
from twofold.metrics import auroc

Array = NDArray[np.float64]
N, DIM = 200, 40


class World:
    """Scores that rank so well, and vectors in which anomalies lie ``apart`` in one direction."""

    def __init__(self, seed: int, *, apart: float, n: int = N) -> None:
        rng = np.random.default_rng(seed)
        self.labels = (rng.random(n) < 0.15).astype(float)
        self.scores = rng.normal(size=n) + 1.5 * self.labels
        self.vectors = rng.normal(size=(n, DIM)) / np.sqrt(DIM)
        self.vectors[:, 3] += apart * self.labels
        self.threshold = float(np.quantile(self.scores, 0.9))

    def marks(self, count: int, seed: int = 0) -> Array:
        rows = draw_design(self.scores, self.threshold, seed).order[:count]
        found = np.full(len(self.labels), np.nan)
        found[rows] = self.labels[rows]
        return found

    def learned(self, marks: Array) -> Correction | None:
        return fit_correction(self.scores, self.vectors, marks, self.scores <= self.threshold)

    def gain(self, count: int, other: World, seed: int = 0) -> float:
        found = self.learned(self.marks(count, seed))
        return 0.0 if found is None else area(other, found) - area(other)


def area(world: World, found: Correction | None = None) -> float:
    scores = world.scores if found is None else found.scores(world.scores, world.vectors)
    return auroc(scores[world.labels == 0], scores[world.labels == 1])


def test_it_learns_a_direction_that_the_scores_do_not_know() -> None:
    gains = [World(s, apart=1.0).gain(40, World(s + 50, apart=1.0, n=1000)) for s in range(6)]
    assert np.mean(gains) > 0.05
    assert min(gains) > 0.0


def test_more_marks_teach_more() -> None:
    other = World(99, apart=1.0, n=2000)
    few, many = (
        np.mean([World(seed, apart=1.0).gain(count, other) for seed in range(6)])
        for count in (10, 120)
    )
    assert many > few


@pytest.mark.slow
def test_where_there_is_nothing_to_learn_nothing_is_lost() -> None:
    other = World(99, apart=0.0, n=2000)
    gains = [World(s, apart=0.0).gain(count, other, s) for s in range(8) for count in (5, 20, 80)]
    assert np.mean(gains) > -0.003
    assert min(gains) > -0.03


def test_a_better_mixture_of_views_is_learned() -> None:
    """The score is the mean of a view that ranks and of one that is noise."""
    gains = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        labels = (rng.random(1200) < 0.15).astype(float)
        views = rng.normal(size=(1200, 2)) * [1.0, 2.0] + [2.0, 0.0] * labels[:, None]
        scores, vectors = views.mean(axis=1), np.zeros((1200, DIM))
        threshold = float(np.quantile(scores[:N], 0.9))
        marks = np.full(N, np.nan)
        rows = draw_design(scores[:N], threshold, seed).order[:40]
        marks[rows] = labels[rows]
        found = fit_correction(
            scores[:N], vectors[:N], marks, scores[:N] <= threshold, views=views[:N]
        )
        assert found is not None
        assert found.views[0] > found.views[1]
        new, odd = found.scores(scores[N:], vectors[N:], views[N:]), labels[N:] == 1
        gains.append(auroc(new[~odd], new[odd]) - auroc(scores[N:][~odd], scores[N:][odd]))
        with pytest.raises(UsageError, match="0 views, but the fit had 2"):
            found.scores(scores, vectors)
    assert np.mean(gains) > 0.03
    assert min(gains) > 0.0


def test_marks_of_one_kind_say_nothing() -> None:
    world = World(0, apart=1.0)
    assert world.learned(np.full(N, np.nan)) is None
    assert world.learned(np.where(world.labels == 1, 1.0, np.nan)) is None
    assert world.learned(np.where(world.labels == 0, 0.0, np.nan)) is None


def test_one_anomaly_teaches_nothing_and_three_little() -> None:
    """However well a direction fits them: what three have in common they may have by chance."""
    world = World(0, apart=3.0)
    odd, normal = np.flatnonzero(world.labels == 1), np.flatnonzero(world.labels == 0)
    without = []
    for count in (1, 3, 10):
        marks = np.full(N, np.nan)
        marks[normal[:40]], marks[odd[:count]] = 0.0, 1.0
        found = world.learned(marks)
        assert found is not None
        without.append(found.without)
    assert without[0] == 1.0
    assert without[0] > without[1] > without[2]


def test_vectors_that_are_all_alike_leave_the_ranking() -> None:
    world = World(0, apart=0.0)
    world.vectors[:] = 1.0
    found = world.learned(world.marks(40))
    assert found is not None
    new = found.scores(world.scores, world.vectors)
    assert (np.argsort(new) == np.argsort(world.scores)).all()


def test_an_image_scores_the_same_alone() -> None:
    world = World(1, apart=1.0)
    found = world.learned(world.marks(40))
    assert found is not None
    together = found.scores(world.scores, world.vectors)
    alone = [found.scores(world.scores[i : i + 1], world.vectors[i : i + 1])[0] for i in range(N)]
    assert (together == alone).all()


@pytest.mark.slow
@pytest.mark.parametrize(("count", "viewed"), [(24, False), (40, False), (24, True)])
def test_it_is_what_the_page_says(count: int, viewed: bool) -> None:
    """The same from fits by scipy in the vectors themselves, each mark left out in turn."""
    world = World(2, apart=1.0, n=60)
    marks, presumed = world.marks(count), world.scores <= world.threshold
    noise = np.random.default_rng(5).normal(size=60)
    views = world.scores[:, None] + np.outer(noise, [0.7, -0.3]) if viewed else np.empty((60, 0))
    found = fit_correction(world.scores, world.vectors, marks, presumed, views=views)
    assert found is not None
    marked = np.flatnonzero(~np.isnan(marks))
    beside = np.flatnonzero(np.isnan(marks) & presumed)
    rows = np.append(marked, beside)
    labels = np.append(marks[marked], np.zeros(len(beside)))
    low, median, high = np.quantile(world.scores, [0.25, 0.5, 0.75])
    own = (world.scores[rows] - median) / ((high - low) / 1.349)
    away = world.vectors[rows] - world.vectors[rows][labels == 0].mean(axis=0)
    away /= np.sqrt(np.square(away[labels == 0]).sum(axis=1).mean())
    counts = np.append(np.ones(count), np.full(len(beside), min(0.5 * count / len(beside), 1.0)))

    above = (views - world.scores[:, None])[rows] / ((high - low) / 1.349)

    def slow(strength: float, anew: float, kept: NDArray[np.bool_]) -> Array:
        features = np.column_stack([own, np.sqrt(strength) * away, anew * above])

        def objective(values: Array) -> tuple[float, Array]:
            logits = own + features @ values[:-1] + values[-1]
            errors = counts * (1 / (1 + np.exp(-logits)) - labels) * kept
            loss = float((counts * kept) @ log_loss(logits, labels))
            slope = np.append(features.T @ errors + values[:-1], errors.sum())
            return loss + 0.5 * float(values[:-1] @ values[:-1]), slope

        start = np.zeros(features.shape[1] + 1)
        values = minimize(objective, start, jac=True, tol=1e-12).x
        return np.asarray(own + features @ values[:-1] + values[-1])

    every = np.ones(len(rows), dtype=bool)
    fits, losses = [], []
    mixed = (0.0, 1.0) if viewed else (0.0,)
    for anew in mixed:
        for strength in (0.0, *STRENGTHS):
            fits.append(slow(strength, anew, every))
            others = [np.arange(len(rows)) != row for row in range(count)]
            left_out = [slow(strength, anew, kept)[row] for row, kept in enumerate(others)]
            losses.append(log_loss(np.array(left_out), labels[:count]).sum())
    # Half of the say from ten marks of the rarer kind on, for a direction and for views alike.
    rarer = min(labels[:count].sum(), count - labels[:count].sum())
    pairs = sum(1 for i in range(int(rarer)) for j in range(i))
    share = 0.5 * min(pairs / 45, 1.0)
    direction = np.array([1 - share, *[share / len(STRENGTHS)] * len(STRENGTHS)])
    prior = np.concatenate([direction * part for part in ((1 - share, share) if viewed else (1,))])
    weights = prior * np.exp(-np.array(losses))
    expected = (weights / weights.sum()) @ np.array(fits)
    scores = found.scores(world.scores[rows], world.vectors[rows], views[rows])
    # What is left out is found to first order.
    assert np.abs(scores - expected).max() < 0.05 * np.ptp(expected)


def test_of_many_presumed_normals_some_are_drawn_by_the_random_state() -> None:
    world = World(3, apart=1.0, n=900)
    marks, presumed = world.marks(20), world.scores <= world.threshold

    def scores(state: int) -> Array:
        found = fit_correction(world.scores, world.vectors, marks, presumed, random_state=state)
        assert found is not None
        return found.scores(world.scores, world.vectors)

    assert (scores(0) == scores(0)).all()
    assert (scores(0) != scores(1)).any()
    assert np.corrcoef(scores(0), scores(1))[0, 1] > 0.95


def test_images_of_another_number_are_refused() -> None:
    world = World(0, apart=1.0)
    marks, presumed = world.marks(20), world.scores <= world.threshold
    with pytest.raises(UsageError, match="same images"):
        fit_correction(world.scores, world.vectors[1:], marks, presumed)
    with pytest.raises(UsageError, match="marks"):
        fit_correction(world.scores, world.vectors, marks[1:], presumed)
    with pytest.raises(UsageError, match="a mark is 1"):
        fit_correction(world.scores, world.vectors, np.full(N, 0.5), presumed)
