"""In which space the target is clustered, and when."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy

from twofold.densities import unit_rows
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import FitData, Method, parse_config
from twofold.paper.paper import Paper
from twofold.selection import SELECTORS

OTHER = "efficientnet_lite0"
HEAD: dict[str, Any] = {"training": {"trainable": "head", "epochs": 4}}


@pytest.fixture
def clustered(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float64]]:
    """What the selector is given, call by call."""
    seen: list[NDArray[np.float64]] = []
    load = SELECTORS.load

    def recorded(name: str) -> Any:
        selector = load(name)

        def select(vectors: NDArray[np.float64], **options: Any) -> Any:
            seen.append(vectors.copy())
            return selector(vectors, **options)

        return select

    monkeypatch.setattr(SELECTORS, "load", recorded)
    return seen


def paper(**options: Any) -> Method:
    return Paper(toy.encoder(), parse_config(Paper, HEAD | options))


def with_selection(world: toy.Encoded, vectors: NDArray[np.floating]) -> FitData:
    data = toy.fit_data(Paper, world)
    return replace(data, target_selection=toy.from_arrays(pooled=vectors))


def two_groups(n: int, first: int) -> NDArray[np.float64]:
    """``first`` rows that point one way, the others another way."""
    rows = np.random.default_rng(0).normal(0, 0.05, (n, 5))
    rows[:first, 0] += 1
    rows[first:, 1] += 1
    return rows


def test_the_frozen_space_is_clustered_once(clustered: list[NDArray[np.float64]]) -> None:
    world = toy.clouds()
    toy.printed_fit("paper", world, **HEAD)
    assert len(clustered) == 1
    assert np.array_equal(clustered[0], unit_rows(world.pool["pooled"]))


@pytest.mark.parametrize("name", ["paper", "paper_mmd", "paper_grl"])
def test_the_network_itself_is_clustered_before_each_epoch(
    name: str, clustered: list[NDArray[np.float64]]
) -> None:
    world = toy.clouds()
    fit = toy.printed_fitting(name, world, psi="self", **HEAD)
    assert len(clustered) == 4
    # At first it is the frozen encoder: the head starts as the identity.
    np.testing.assert_allclose(clustered[0], unit_rows(world.pool["pooled"]), atol=1e-6)
    moves = [np.abs(a - b).max() for a, b in pairwise(clustered)]
    assert min(moves) > 1e-6
    partition = fit.diagnostics.partition
    assert len(partition.dominant) + len(partition.others) == len(world.pool)


def test_one_step_is_one_clustering(clustered: list[NDArray[np.float64]]) -> None:
    toy.printed_fit(
        "paper", toy.clouds(), psi="self", training={"trainable": "head", "max_steps": 1}
    )
    assert len(clustered) == 1


def test_asking_the_network_does_not_disturb_its_training(
    clustered: list[NDArray[np.float64]],
) -> None:
    """Where both spaces agree on the clusters, training is the same bit by bit."""
    world = toy.clouds()
    one, two = (toy.printed_fitting("paper", world, psi=psi, **HEAD) for psi in ("frozen", "self"))
    assert len(clustered) == 5
    assert np.array_equal(one.diagnostics.partition.dominant, two.diagnostics.partition.dominant)
    assert np.array_equal(one.model.score(world.test), two.model.score(world.test))


def test_another_encoder_decides_the_clusters() -> None:
    world = toy.clouds()
    data = with_selection(world, two_groups(100, first=30))
    fit: Any = paper(psi=OTHER).fit(data)
    assert fit.diagnostics.partition.others.tolist() == list(range(30))
    assert fit.diagnostics.partition.dominant.tolist() == list(range(30, 100))
    # It has no part in the score.
    assert np.isfinite(fit.model.score(world.test)).all()


def test_which_encoder_is_asked_for() -> None:
    for psi, expected in (("frozen", None), ("self", None), (OTHER, OTHER)):
        assert parse_config(Paper, {"psi": psi}).selection_encoder() == expected
    method = METHODS.load("auto")
    assert method.Config().selection_encoder() is None


def test_the_rows_must_be_those_of_the_pool() -> None:
    world = toy.clouds()
    short = with_selection(world, two_groups(99, first=30))
    with pytest.raises(ConfigError, match="target_selection has 99 images, target_pool 100"):
        paper(psi=OTHER).fit(short)
    with pytest.raises(
        ConfigError, match=f"paper needs target_selection: the pool encoded by {OTHER}"
    ):
        paper(psi=OTHER).fit(toy.fit_data(Paper, world))
    with pytest.raises(ConfigError, match=r"paper must not see target_selection$"):
        paper().fit(with_selection(world, two_groups(100, first=30)))
    auto = METHODS.load("auto")
    data = replace(toy.fit_data(auto, world), target_selection=world.pool)
    with pytest.raises(ConfigError, match=r"auto must not see target_selection$"):
        auto(toy.encoder()).fit(data)


@pytest.mark.slow
def test_folds_of_the_threshold_leave_the_same_rows_out_of_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = toy.clouds()
    vectors = two_groups(100, first=30)
    data = with_selection(world, vectors)
    fit = paper(psi=OTHER).fit(data)
    pool = {digest: row for row, digest in enumerate(world.pool.digests)}
    seen: list[list[int]] = []
    partition = Paper._partition

    def recorded(self: Paper, data: FitData, *arguments: Any) -> Any:
        assert data.target_pool is not None
        assert data.target_selection is not None
        rows = [pool[digest] for digest in data.target_pool.digests]
        assert np.array_equal(data.target_selection["pooled"], vectors[rows].astype(np.float32))
        seen.append(rows)
        return partition(self, data, *arguments)

    monkeypatch.setattr(Paper, "_partition", recorded)
    reference = fit.out_of_sample
    assert reference.origin == "target"
    assert [len(rows) for rows in seen] == [50, 50]
    assert sorted(seen[0] + seen[1]) == list(range(100))
