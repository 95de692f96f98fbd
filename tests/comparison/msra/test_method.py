"""MsRA: which images it sees, its centre and score, and the release's oddities as options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.comparison import watching
from tests.support import toy

from twofold.comparison.msra import method as msra
from twofold.encoders.pixels import encode_pixels
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.training import forward_all

FEW: dict[str, Any] = {"views": 2}
STRONG = FEW | {"msra_learning_rate": 0.01, "shot_epochs": 15}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """See :func:`watching.encoded_images`."""
    return watching.encoded_images(monkeypatch, msra)


def test_views_of_the_shots_are_made_once(encoded: list[NDArray[np.uint8]]) -> None:
    toy.fit("msra", toy.encoded_world(), views=3)
    (images,) = encoded
    assert images.shape == (toy.N_SHOTS * 4, 32, 32, 3)
    shots = toy.encoded_world().shots
    assert shots is not None
    assert np.array_equal(images[: toy.N_SHOTS], shots["pixels"][:])
    assert len({image.tobytes() for image in images}) == toy.N_SHOTS * 4


def test_views_of_the_source_are_an_option(encoded: list[NDArray[np.uint8]]) -> None:
    method = METHODS.load("msra")
    config = parse_config(method, {"source_views": 2})
    assert "pixels" in config.outputs()
    assert "pixels" not in method.Config().outputs()
    world = toy.encoded_world()
    toy.fit("msra", world, source_views=2, **FEW)
    assert encoded[1].shape == (2 * len(world.source), 32, 32, 3)


def test_the_centre_is_the_mean_over_source_and_shots() -> None:
    world = toy.encoded_world()
    model = toy.fit("msra", world, **FEW)
    shots = world.shots
    assert shots is not None
    features = np.concatenate(
        [forward_all(model.network_, part["split:last_stage"]) for part in (world.source, shots)]
    )
    np.testing.assert_allclose(model.center_, features.mean(axis=0), rtol=1e-4)
    augmented = toy.fit("msra", world, center_augmented=True, **FEW)
    assert not np.allclose(model.center_, augmented.center_, rtol=1e-3)


def test_however_many_views_there_are_an_image_counts_once_in_the_augmented_centre(
    encoded: list[NDArray[np.uint8]],
) -> None:
    world = toy.encoded_world()
    model = toy.fit("msra", world, center_augmented=True, views=8)
    made = encode_pixels(toy.encoder(), encoded[0][toy.N_SHOTS :], "split:last_stage")
    far = forward_all(model.network_, made).reshape(toy.N_SHOTS, 8, -1).mean(axis=1)
    near = forward_all(model.network_, world.source["split:last_stage"])
    expected = np.concatenate([near, far]).mean(axis=0)
    np.testing.assert_allclose(model.center_, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_ranks_a_world_without_a_shift(seed: int) -> None:
    """Its centre is a mean of source images and shots: where both look alike, it lies right."""
    world = toy.encode_world(toy.make_world(seed, target=toy.SOURCE))
    options = toy.quick_options(METHODS.load("msra"))
    assert toy.area(toy.fit("msra", world, seed, **options), world) > 0.7


def test_the_score_is_the_distance_to_the_centre() -> None:
    world = toy.encoded_world()
    model = toy.fit("msra", world, **FEW)
    features = forward_all(model.network_, world.test["split:last_stage"])
    expected = np.sqrt(((features - model.center_) ** 2).sum(axis=1))
    np.testing.assert_allclose(model.score(world.test), expected, rtol=1e-12)


def test_one_shot_is_enough() -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    one = replace(world, shots=world.shots.subset(np.array([0])))
    assert np.isfinite(toy.fit("msra", one, views=1).score(world.test)).all()


OTHER: dict[str, Any] = {
    "trains": "last_stage",
    "bottleneck_dim": 20,
    "head_hidden": 20,
    "dropout": 0.0,
    "compact_weight": 1.0,
    "geometry": "euclidean",
    "sigmoid_twice": False,
    "views": 3,
    "augmentation": "moco",
    "source_views": 1,
    "domain_batch": 4,
    "shot_epochs": 3,
    "steps": 4,
    "msra_learning_rate": 0.001,
    "msra_weight_decay": 0.1,
    "sgd_momentum": 0.0,
    "always_eval": True,
    "center_augmented": True,
}


@pytest.fixture(scope="module")
def usual() -> NDArray[np.float64]:
    """Scores of a fit that differs from the defaults in what makes effects large."""
    world = toy.encoded_world()
    scores: NDArray[np.float64] = toy.fit("msra", world, **STRONG).score(world.test)
    return scores


@pytest.mark.parametrize("name", METHODS.load("msra").Config.model_fields)
def test_each_option_has_an_effect(name: str, usual: NDArray[np.float64]) -> None:
    world = toy.encoded_world()
    scores = toy.fit("msra", world, **STRONG | {name: OTHER[name]}).score(world.test)
    assert np.isfinite(scores).all()
    assert not np.allclose(scores, usual, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"trains": "tail"},
        {"views": 0},
        {"domain_batch": 0},
        {"dropout": 1.0},
        {"geometry": "hyperbolic"},
        {"select": "best_test"},
    ],
)
def test_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"option {next(iter(options))}"):
        parse_config(METHODS.load("msra"), options)
