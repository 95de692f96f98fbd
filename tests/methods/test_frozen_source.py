"""Distances in the frozen space against scipy and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors
from tests.support import toy

from twofold.densities import unit_rows
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config


def vectors(world: toy.Encoded) -> tuple[Any, Any]:
    return unit_rows(world.source["pooled"]), unit_rows(world.test["pooled"])


@pytest.mark.parametrize("world", [toy.clouds(), toy.encoded_world()], ids=["clouds", "images"])
@pytest.mark.parametrize(("scoring", "metric"), [("center", "sqeuclidean"), ("cosine", "cosine")])
def test_nearness_to_the_mean(world: toy.Encoded, scoring: str, metric: Any) -> None:
    source, test = vectors(world)
    scores = toy.fit("frozen_source", world, scoring=scoring).score(world.test)
    expected = cdist(test, source.mean(axis=0, keepdims=True), metric)[:, 0]
    np.testing.assert_allclose(scores, expected, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5, 60])
def test_nearest_neighbours(k: int) -> None:
    world = toy.encoded_world()
    source, test = vectors(world)
    scores = toy.fit("frozen_source", world, scoring="knn", neighbours=k).score(world.test)
    distances, _ = NearestNeighbors(n_neighbors=k).fit(source).kneighbors(test)
    np.testing.assert_allclose(scores, np.square(distances).mean(axis=1), atol=1e-12)


def test_more_neighbours_than_normals_are_all_of_them() -> None:
    world = toy.encoded_world()
    n = len(world.source)
    few, many = (
        toy.fit("frozen_source", world, scoring="knn", neighbours=k).score(world.test)
        for k in (n, n + 100)
    )
    assert np.array_equal(few, many)


def test_a_normal_is_its_own_neighbour_but_not_in_the_reference() -> None:
    """Cross-fitted: the image that is scored was left out."""
    world = toy.encoded_world()
    method = METHODS.load("frozen_source")
    data = toy.fit_data(method, world)
    model = method(toy.encoder(), parse_config(method, {"scoring": "knn", "neighbours": 1}))
    fit = model.fit(data)
    inside = fit.model.score(world.source)
    np.testing.assert_allclose(inside, 0, atol=1e-12)
    reference = fit.out_of_sample
    assert reference.origin == "source"
    source = unit_rows(world.source["pooled"])
    between = cdist(source, source, "sqeuclidean")
    np.fill_diagonal(between, np.inf)
    assert (reference.scores >= between.min(axis=1) - 1e-12).all()


@pytest.mark.parametrize("scoring", ["center", "cosine", "knn"])
def test_saved_and_restored(scoring: str) -> None:
    world = toy.encoded_world()
    method = METHODS.load("frozen_source")
    config = parse_config(method, {"scoring": scoring})
    model = toy.fit("frozen_source", world, scoring=scoring)
    state = model.state()
    assert state["normals"].shape == (60 if scoring == "knn" else 1, toy.DIM)
    restored = method(toy.encoder(), config).restore(state)
    assert np.array_equal(restored.score(world.test), model.score(world.test))
    for bad in (state["normals"][:0], state["normals"][:, :-1], state["normals"][0]):
        with pytest.raises(ConfigError, match="do not fit method frozen_source"):
            method(toy.encoder(), config).restore({"normals": bad})


def test_all_normals_are_no_mean() -> None:
    world = toy.encoded_world()
    state = toy.fit("frozen_source", world, scoring="knn").state()
    with pytest.raises(ConfigError, match="expected one mean"):
        METHODS.load("frozen_source")(toy.encoder()).restore(state)


@pytest.mark.parametrize("options", [{"scoring": "median"}, {"neighbours": 0}], ids=str)
def test_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"frozen_source, option {next(iter(options))}"):
        parse_config(METHODS.load("frozen_source"), options)
