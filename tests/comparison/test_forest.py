"""An isolation forest: its formula, its state, its independence of neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.comparison.forest import Forest, grow
from twofold.images.quiet import quiet

ROWS = np.random.default_rng(0).normal(size=(90, 6))


def test_far_rows_are_isolated_early() -> None:
    forest = grow(ROWS, 100, 0)
    scores = forest.scores(np.concatenate([ROWS[:20], ROWS[:20] + 9]))
    assert scores.dtype == np.float64
    assert scores[20:].min() > scores[:20].max()
    assert (scores > 0).all()
    assert (scores <= 1).all()


def harmonic(n: int) -> float:
    return float(np.log(n - 1) + np.euler_gamma)


def test_the_score_is_that_of_the_article() -> None:
    """Depths by a walk through each tree; Liu et al. 2008, eq. 1 and 2."""
    forest = grow(ROWS, 7, 3)
    row = ROWS[4].astype(np.float32)

    def expected(n: int) -> float:
        return 0.0 if n <= 1 else 1.0 if n == 2 else 2 * harmonic(n) - 2 * (n - 1) / n

    depths = []
    for tree in (estimator.tree_ for estimator in forest.model.estimators_):
        node, depth = 0, 0
        while tree.children_left[node] != -1:
            goes_left = row[tree.feature[node]] <= tree.threshold[node]
            node = (tree.children_left if goes_left else tree.children_right)[node]
            depth += 1
        depths.append(depth + expected(int(tree.n_node_samples[node])))
    wanted = 2 ** (-np.mean(depths) / expected(90))
    assert forest.scores(ROWS[4:5])[0] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("seed", [0, 5, 2**32 + 5])
def test_state_grows_the_same_forest(seed: int) -> None:
    forest = grow(ROWS, 20, seed)
    again = Forest.from_state(forest.state(), 20, 6)
    test = np.random.default_rng(1).normal(size=(33, 6))
    assert forest.scores(test).tobytes() == again.scores(test).tobytes()
    assert not np.array_equal(forest.scores(test), grow(ROWS, 20, seed + 1).scores(test))


def test_a_row_is_scored_by_itself() -> None:
    forest = grow(ROWS, 20, 0)
    whole = forest.scores(ROWS)
    assert whole.tobytes() == np.concatenate([forest.scores(row[None]) for row in ROWS]).tobytes()
    assert whole[::-1].tobytes() == forest.scores(ROWS[::-1]).tobytes()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(n: int) -> None:
    assert np.isfinite(grow(ROWS[:n], 10, 0).scores(ROWS)).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", ROWS),
        ("rows", np.concatenate([ROWS, ROWS]).astype(np.float32)),
        ("rows", ROWS[:, :5].astype(np.float32)),
        ("shape", np.array([90, 7])),
    ],
)
def test_strange_states_are_refused(name: str, value: NDArray[np.generic]) -> None:
    state = grow(ROWS, 10, 0).state() | {name: value}
    with pytest.raises(ValueError, match="rows of a forest"):
        Forest.from_state(state, 10, 6)
    with pytest.raises(KeyError):
        Forest.from_state({k: v for k, v in state.items() if k != name}, 10, 6)


def test_a_forest_grows_after_an_image_was_decoded() -> None:
    """scikit-learn copies the filters of warnings, to which decoding has added its own."""
    with quiet():
        pass
    assert len(grow(ROWS, 5, 0).model.estimators_) == 5
