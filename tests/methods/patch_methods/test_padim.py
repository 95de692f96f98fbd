"""PaDiM against scipy's distances place by place, and on images with a flaw at a known place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from tests.methods.patch_methods import patch_cases
from tests.support import toy

from twofold.errors import CollapseError, ConfigError, NotEnoughImagesError, NotFittedError
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config
from twofold.methods.patch_methods.padim import Padim, PadimConfig

Options = dict[str, Any]


@pytest.mark.parametrize("regularisation", [0.01, 1.0])
@pytest.mark.parametrize("n", [12, 200])
def test_distances_are_those_of_scipy(n: int, regularisation: float) -> None:
    pool, test = patch_cases.patches(n), patch_cases.patches(5, 1)
    model = patch_cases.fit("padim", pool, pool, regularisation=regularisation)
    distances = model.model_.distances(test)
    rows = pool.astype(np.float64).reshape(n, toy.DIM, -1)
    covariances = [np.cov(rows[:, :, place], rowvar=False, bias=True) for place in range(16)]
    level = np.mean([np.diag(covariance).mean() for covariance in covariances])
    for place, covariance in enumerate(covariances):
        inverse = np.linalg.inv(covariance + regularisation * level * np.eye(toy.DIM))
        for image in range(len(test)):
            patch = test[image].reshape(toy.DIM, -1)[:, place]
            expected = mahalanobis(patch, rows[:, :, place].mean(axis=0), inverse) ** 2
            assert distances[image, place] == pytest.approx(expected, rel=2e-3)


def test_the_score_is_the_largest_distance() -> None:
    pool, test = patch_cases.patches(50), patch_cases.patches(5, 1)
    model = patch_cases.fit("padim", pool, pool)
    scores = model.score(patch_cases.images(test))
    assert np.array_equal(scores, model.model_.distances(test).max(axis=1))


def test_the_unit_of_the_features_does_not_matter() -> None:
    """The reason for a relative regularisation."""
    pool, test = patch_cases.patches(50), patch_cases.patches(9, 1)
    one, hundred = (
        patch_cases.fit("padim", factor * pool, factor * pool).score(
            patch_cases.images(factor * test)
        )
        for factor in (np.float32(1), np.float32(100))
    )
    np.testing.assert_allclose(one, hundred, rtol=1e-3)


@pytest.mark.parametrize("fit_on", ["source", "pool"])
def test_a_flaw_is_found_at_its_place(fit_on: str) -> None:
    known, shifted = patch_cases.patches(80), patch_cases.patches(80, 2, shift=1.0)
    source, pool = (known, None) if fit_on == "source" else (shifted, known)
    model = patch_cases.fit("padim", source, pool, fit_on=fit_on)
    odd = patch_cases.images(patch_cases.flawed(12, (1, 3)))
    maps = model.anomaly_map(odd)
    assert patch_cases.hottest(maps) == [(1, 3)] * 12
    normal = patch_cases.images(patch_cases.patches(12, 4))
    assert model.score(odd).min() > model.score(normal).max()
    low, high = model.map_range()
    assert maps[:, 1, 3].min() > high
    assert np.median(model.anomaly_map(normal).max(axis=(1, 2))) < (low + high) / 2


def test_nothing_is_left_out_of_the_fit() -> None:
    pool = patch_cases.patches(40)
    pool[0] += 3
    model = patch_cases.fit("padim", pool, pool)
    np.testing.assert_allclose(
        model.state()["mean"], pool.reshape(40, toy.DIM, -1).mean(axis=0).T, atol=1e-5
    )


@pytest.mark.slow
def test_the_toy_world_without_anomalies_in_the_pool() -> None:
    for seed in range(3):
        world = toy.encoded_world(seed, share=0.0)
        assert toy.area(toy.fit("padim", world), world) > 0.95


def test_on_the_source_no_target_is_needed_nor_seen() -> None:
    world = toy.encoded_world()
    config = PadimConfig(fit_on="source")
    assert PadimConfig().wanted(Padim.needs) == Padim.needs == {"target_pool"}
    assert config.wanted(Padim.needs) == set()
    method = Padim(toy.encoder(), config)
    data = FitData(source=world.source)
    fit = method.fit(data)
    reference = fit.out_of_sample
    assert reference.origin == "source"
    assert reference.scores.shape == (len(world.source),)
    assert toy.area(fit.model, world) > 0.7
    with pytest.raises(ConfigError, match="must not see target_pool"):
        method.fit(FitData(source=world.source, target_pool=world.pool))
    with pytest.raises(ConfigError, match="needs target_pool"):
        Padim(toy.encoder()).fit(data)


def test_on_the_pool_the_source_does_not_matter() -> None:
    pool, other = patch_cases.patches(30), patch_cases.patches(20, 7, shift=5.0)
    one, two = (patch_cases.fit("padim", source, pool) for source in (pool, other))
    assert np.array_equal(one.state()["whitening"], two.state()["whitening"])
    world = toy.encoded_world()
    data = toy.fit_data(Padim, world)
    assert Padim(toy.encoder()).fit(data).out_of_sample.origin == "target"


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    data = toy.fit_data(Padim, toy.encoded_world())
    Padim(toy.encoder()).fit(data, progress=lambda done, total: told.append((done, total)))
    assert told == [(step, 6) for step in range(1, 7)]


@pytest.mark.parametrize("name", ["padim", "patchcore"])
@pytest.mark.parametrize("layers", [None, (8,), (4, 8)])
@pytest.mark.parametrize("neighbourhood", [1, 5])
def test_layers_and_neighbourhood(name: str, layers: Any, neighbourhood: int) -> None:
    method = METHODS.load(name)
    options = {"fit_on": "source", "layers": layers, "neighbourhood": neighbourhood}
    config = parse_config(method, options)
    (output,) = config.outputs()
    images = toy.encode(toy.normals(12, 3), (output,))
    model = method(toy.encoder(), config).fit(FitData(source=images)).model
    channels, side = {None: (toy.DIM, 4), (8,): (toy.DIM, 4), (4, 8): (24 + toy.DIM, 4)}[layers]
    assert images[output].shape == (12, channels, side, side)
    restored = method(toy.encoder(), config).restore(model.state())
    assert np.array_equal(restored.anomaly_map(images), model.anomaly_map(images))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"regularisation": 0}, "regularisation"),
        ({"neighbourhood": 2}, "must be odd"),
        ({"neighbourhood": 17}, "neighbourhood"),
        ({"layers": ()}, "layers"),
        ({"fit_on": "both"}, "fit_on"),
    ],
)
def test_impossible_options(options: Options, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_config(Padim, options)


@pytest.mark.parametrize("fit_on", ["source", "pool"])
def test_too_few_images(fit_on: str) -> None:
    two = patch_cases.patches(2)
    pool = None if fit_on == "source" else two
    with pytest.raises(NotEnoughImagesError, match=f"at least 3 images of the {fit_on}, got 2"):
        patch_cases.fit("padim", two, pool, fit_on=fit_on)
    three = patch_cases.patches(3)
    model = patch_cases.fit("padim", three, three)
    assert np.isfinite(model.score(patch_cases.images(patch_cases.patches(4, 1)))).all()


def test_copies_collapse() -> None:
    same = np.repeat(patch_cases.patches(1), 9, axis=0)
    with pytest.raises(CollapseError, match="all 9 images have the same patches"):
        patch_cases.fit("padim", same, same)


def test_saved_arrays_are_checked() -> None:
    pool = patch_cases.patches(20)
    model = patch_cases.fit("padim", pool, pool)
    state = model.state()
    maps = state["maps"]
    for name, bad in (
        ("mean", state["mean"][:, :-1]),
        ("whitening", state["whitening"][:-1]),
        ("log_determinant", state["log_determinant"][:-1]),
        ("maps", maps[:6]),
        ("maps", np.where(np.arange(len(maps)) == 1, 0.0, maps)),
        ("maps", np.where(np.arange(len(maps)) == 3, maps[2], maps)),
        ("maps", np.where(np.arange(len(maps)) == 0, np.nan, maps)),
    ):
        with pytest.raises(ConfigError, match="do not fit method padim"):
            Padim(toy.encoder()).restore(state | {name: bad})


def test_no_maps_before_the_fit() -> None:
    model = Padim(toy.encoder())
    with pytest.raises(NotFittedError):
        model.anomaly_map(toy.encoded_world().test)
    with pytest.raises(NotFittedError):
        model.map_range()
