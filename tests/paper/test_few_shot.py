"""A few known target normals, and pseudo-anomalies made from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy

from twofold.encoders import pixels as pixels_module
from twofold.encoders.encoder import Encoder
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.paper import few_shot as paper_few_shot

QUICK: dict[str, Any] = {"training": {"epochs": 3}}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """The images that fits encode from memory."""
    found: list[NDArray[np.uint8]] = []

    def recorded(encoder: Encoder, images: NDArray[np.uint8], output: str) -> Any:
        found.append(images)
        return pixels_module.encode_pixels(encoder, images, output)

    monkeypatch.setattr(paper_few_shot, "encode_pixels", recorded)
    return found


def colours(image: NDArray[np.uint8]) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}


@pytest.mark.slow
def test_views_of_the_shots_and_a_pseudo_anomaly_of_each(
    encoded: list[NDArray[np.uint8]],
) -> None:
    fit = toy.fitting("paper_few_shot", toy.encoded_world(), views=3, batch_others=4, **QUICK)
    (images,) = encoded
    n = 3 * toy.N_SHOTS
    assert images.shape == (2 * n, 32, 32, 3)
    assert images.dtype == np.uint8
    assert fit.diagnostics.partition.dominant.tolist() == list(range(n))
    assert fit.diagnostics.partition.others.tolist() == list(range(n, 2 * n))
    assert len({image.tobytes() for image in images}) == 2 * n
    for view, shuffled in zip(images[:n], images[n:], strict=True):
        assert colours(shuffled) <= colours(view)


def test_no_pseudo_anomaly_is_made_where_none_is_used(
    encoded: list[NDArray[np.uint8]],
) -> None:
    fit = toy.fitting("paper_few_shot", toy.encoded_world(), views=3, **QUICK)
    assert len(encoded[0]) == 3 * toy.N_SHOTS
    assert fit.diagnostics.partition.dominant.tolist() == list(range(3 * toy.N_SHOTS))
    assert not len(fit.diagnostics.partition.others)


def test_views_belong_to_their_shot(encoded: list[NDArray[np.uint8]]) -> None:
    """Shots of one colour each: the middle of each of their views has it."""
    world = toy.encoded_world()
    plain = np.zeros((3, 32, 32, 3), dtype=np.float32)
    plain[:] = np.array([40.0, 120.0, 200.0])[:, None, None, None]
    data = toy.fit_data(METHODS.load("paper_few_shot"), world)
    data = replace(data, target_shots=toy.from_arrays(pixels=plain))
    method = METHODS.load("paper_few_shot")
    method(toy.encoder(), parse_config(method, {"views": 4} | QUICK)).fit(data)
    middles = encoded[0][:12, 16, 16, 0]
    assert middles.tolist() == [40] * 4 + [120] * 4 + [200] * 4


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"augmentation": "moco"}, {"patch_sides": (100, 200)}])
def test_options_reach_the_images(
    encoded: list[NDArray[np.uint8]], options: dict[str, Any]
) -> None:
    world = toy.encoded_world()
    quick = QUICK | {"views": 2, "batch_others": 4}
    toy.fit("paper_few_shot", world, **quick)
    toy.fit("paper_few_shot", world, **quick, **options)
    assert not np.array_equal(encoded[0], encoded[1])


@pytest.mark.slow
def test_the_random_state_decides_the_views(encoded: list[NDArray[np.uint8]]) -> None:
    world = toy.encoded_world()
    for seed in (1, 1, 2):
        toy.fit("paper_few_shot", world, seed, views=2, **QUICK)
    assert np.array_equal(encoded[0], encoded[1])
    assert not np.array_equal(encoded[0], encoded[2])


def test_alignment_changes_the_result() -> None:
    world = toy.encoded_world()
    with_it, without = (
        toy.fit("paper_few_shot", world, lambda_uda=weight, **QUICK).score(world.test)
        for weight in (0.1, 0.0)
    )
    assert not np.allclose(with_it, without, rtol=1e-3)


def test_its_loss_falls() -> None:
    losses = toy.fitting("paper_few_shot", toy.encoded_world(), lambda_ad=0).diagnostics.losses[
        "training"
    ]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.parametrize("trainable", ["head", "last_stage"])
def test_one_shot_is_enough(trainable: str) -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    one = replace(world, shots=world.shots.subset(np.array([0])))
    model = toy.fit("paper_few_shot", one, training={"trainable": trainable, "epochs": 3})
    assert np.isfinite(model.score(world.test)).all()


@pytest.mark.slow
def test_shots_help() -> None:
    for seed in range(2):
        world = toy.encoded_world(seed)
        area = toy.area(toy.fit("paper_few_shot", world, seed), world)
        assert area > 0.95
        assert area > toy.area(toy.fit("source_only", world, seed), world)


@pytest.mark.slow
def test_shuffled_patches_turn_a_weak_encoder_from_what_matters() -> None:
    """Why none are made by default."""
    world = toy.encoded_world()
    areas = [toy.area(toy.fit("paper_few_shot", world, batch_others=n), world) for n in (0, 32)]
    assert areas[0] > areas[1] + 0.1, areas


@pytest.mark.slow
def test_the_threshold_rests_on_the_source() -> None:
    method = METHODS.load("paper_few_shot")
    world = toy.encoded_world()
    data = toy.fit_data(method, world)
    fit = method(toy.encoder(), parse_config(method, {"views": 2} | QUICK)).fit(data)
    reference = fit.out_of_sample
    assert reference.origin == "source"
    assert len(reference.scores) == len(world.source)


def test_shots_are_needed_as_pixels() -> None:
    method = METHODS.load("paper_few_shot")
    world = toy.encoded_world()
    data = toy.fit_data(method, world)
    assert data.target_shots is not None
    assert set(data.target_shots.arrays) == {"pixels"}
    model = method(toy.encoder(), parse_config(method, QUICK))
    with pytest.raises(ConfigError, match="without the output 'pixels'"):
        model.fit(replace(data, target_shots=toy.only(world.pool, "pooled")))
    with pytest.raises(NotEnoughImagesError, match="target_shots holds no usable image"):
        model.fit(replace(data, target_shots=data.target_shots.subset(np.array([], dtype=int))))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_sides": (20, 10)}, r"patch_sides: give two ascending numbers within 1..224"),
        ({"patch_sides": (0, 10)}, "option patch_sides"),
        ({"patch_sides": (10, 225)}, "option patch_sides"),
        ({"patch_sides": (10,)}, "option patch_sides"),
        ({"augmentation": "cutout"}, "option augmentation"),
        ({"views": 0}, "option views"),
        ({"psi": "self"}, "option psi"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(METHODS.load("paper_few_shot"), options)
    assert len(str(caught.value).splitlines()) == 1


def test_sides_from_json() -> None:
    config: Any = parse_config(METHODS.load("paper_few_shot"), {"patch_sides": [8, 30]})
    assert config.patch_sides == (8, 30)
