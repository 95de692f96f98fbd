"""GNL: training, the score, options."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from tests.comparison.gnl.cases import QUICK, SHAPES, pixels_of, small_world
from tests.support import toy
from torch import nn

from twofold.comparison.gnl.method import Gnl
from twofold.comparison.gnl.student import Student
from twofold.comparison.gnl.teacher import grey
from twofold.errors import ConfigError
from twofold.losses import flat_cosine_distance
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.training import local_generator

# Each fit takes seconds: a comparison system, with the slow tests.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> toy.Encoded:
    return small_world()


def test_the_loss_falls_and_the_teacher_stays(world: toy.Encoded) -> None:
    before = [tensor.clone() for tensor in toy.encoder().state().values()]
    fit = toy.fitting("gnl", world, **QUICK | {"student_epochs": 12})
    assert fit.diagnostics.losses["training"][-1] < fit.diagnostics.losses["training"][0] / 2
    after = toy.encoder().state().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_student_learns_to_look_past_style(world: toy.Encoded) -> None:
    """What L_abs and L_low weigh: embedding and finest map of an image and of its grey version."""
    found = {}
    for weights in ((1.0, 0.0, 0.0), (0.8, 0.2, 0.0), (0.5, 0.25, 0.25)):
        model = toy.fit("gnl", world, **QUICK | {"student_epochs": 12, "loss_weights": weights})
        inputs = model.teacher_.inputs(world.test["pixels"][:].astype(np.uint8))
        with torch.no_grad():
            seen, other = (
                model.student_(model.teacher_.maps(version)) for version in (inputs, grey(inputs))
            )
        found[weights[0]] = (
            float(flat_cosine_distance(seen.bottleneck, other.bottleneck)),
            float(flat_cosine_distance(seen.decoded[0], other.decoded[0])),
        )
    assert found[0.8][0] < 0.6 * found[1.0][0]
    assert found[0.5][0] < 0.6 * found[1.0][0]
    assert found[0.5][1] < 0.6 * found[1.0][1]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, 4),
        ({"student_batch": 8}, 12),
        ({"student_max_steps": 2}, 2),
        ({"student_batch": 99}, 4),
    ],
)
def test_the_number_of_steps(options: dict[str, int], steps: int, world: toy.Encoded) -> None:
    data = toy.fit_data(Gnl, world)
    told: list[tuple[int, int]] = []
    model = Gnl(toy.encoder(), parse_config(Gnl, QUICK | options))
    fit = model.fit(data, progress=lambda *a: told.append(a))
    assert fit.diagnostics.steps == steps
    # Encoding and training count together, and always forward.
    assert told[-1] == (24 + steps, 24 + steps)
    assert {total for _, total in told} == {24 + steps}
    assert all(one[0] < two[0] for one, two in pairwise(told))


def test_the_optimiser_is_the_releases() -> None:
    student = Student(SHAPES, "plain", 4, local_generator(0))
    (group,) = Gnl(toy.encoder())._adam(student).param_groups
    assert (group["lr"], group["betas"]) == (0.005, (0.5, 0.999))
    training = Gnl(toy.encoder())._training()
    assert (training.batch_source, training.epochs) == (16, 20)


@pytest.mark.parametrize("kind", ["max", "mean"])
def test_the_score_is_the_formula(kind: str, world: toy.Encoded) -> None:
    model = toy.fit("gnl", world, **QUICK, image_score=kind)
    pixels = world.test["pixels"][:].astype(np.uint8)
    inputs = model.teacher_.inputs(pixels)
    reference = [m[0] for m in model.teacher_.maps(model.teacher_.inputs(model.reference_[None]))]
    levels = model.teacher_.matched(inputs, reference, 0.5)
    with torch.no_grad():
        decoded = model.student_(levels).decoded
    expected = []
    for i in range(len(pixels)):
        total = np.zeros((32, 32))
        for t, s in zip(levels, decoded, strict=True):
            a, b = t[i].double().numpy(), s[i].double().numpy()
            norms = np.sqrt((a**2).sum(0) * (b**2).sum(0))
            away = torch.from_numpy(1 - (a * b).sum(0) / norms)[None, None]
            larger = nn.functional.interpolate(away, (32, 32), mode="bilinear", align_corners=True)
            total += larger[0, 0].numpy()
        blurred = gaussian_filter(total, 4)
        expected.append(blurred.max() if kind == "max" else blurred.mean())
    np.testing.assert_allclose(model.score(world.test), expected, rtol=1e-3)


def test_the_blur_moves_the_largest_value_and_never_the_mean(world: toy.Encoded) -> None:
    for kind, same in (("max", False), ("mean", True)):
        blurred, sharp = (
            toy.fit("gnl", world, **QUICK, image_score=kind, blur_sigma=s).score(world.test)
            for s in (4.0, 0.0)
        )
        assert np.allclose(blurred, sharp, rtol=1e-6) == same


def test_the_reference_decides_and_is_recorded(world: toy.Encoded) -> None:
    data = toy.fit_data(Gnl, world)
    config = parse_config(Gnl, QUICK)
    scores, states = [], []
    for row in (0, 3):
        one = replace(data, source_reference=world.source.subset(np.array([row])))
        model = Gnl(toy.encoder(), config).fit(one).model
        scores.append(model.score(world.test))
        states.append(model.state())
        assert np.array_equal(model.state()["reference"], pixels_of(world)[row])
    # Training does not see it.
    assert all(
        np.array_equal(states[0][name], states[1][name])
        for name in states[0]
        if name != "reference"
    )
    assert not np.allclose(scores[0], scores[1])
    off = Gnl(toy.encoder(), parse_config(Gnl, QUICK | {"match_keep": 1.0}))
    other = replace(data, source_reference=world.source.subset(np.array([3])))
    assert np.array_equal(
        off.fit(data).model.score(world.test), off.fit(other).model.score(world.test)
    )


def test_one_reference_only(world: toy.Encoded) -> None:
    data = replace(toy.fit_data(Gnl, world), source_reference=world.source)
    with pytest.raises(ConfigError, match="one source_reference, got 24"):
        Gnl(toy.encoder()).fit(data)


def test_it_sees_nothing_of_the_target() -> None:
    assert METHODS.load("gnl") is Gnl
    assert Gnl.needs == {"source_reference"}
    assert Gnl.Config().outputs() == ("pixels",)


def test_it_ranks_the_toy_world_and_matching_helps() -> None:
    """Matching helps the release's score, the worst place, which a new style moves most."""
    world = toy.encoded_world(1)
    options = {"student_blocks": "plain", "student_epochs": 10}
    usual = toy.area(toy.fit("gnl", world, 1, **options), world)
    release = toy.area(toy.fit("gnl", world, 1, **options, image_score="max"), world)
    plain = toy.area(toy.fit("gnl", world, 1, **options, image_score="max", match_keep=1.0), world)
    assert release > 0.75
    assert release > plain + 0.1
    assert usual > release + 0.05


def test_the_score_can_be_watched_and_the_last_look_is_the_fits(world: toy.Encoded) -> None:
    seen: list[Any] = []
    method = Gnl(toy.encoder(), parse_config(Gnl, QUICK | {"student_batch": 8}))
    data = toy.fit_data(Gnl, world)
    fit = method.fit(data, watch=lambda score: seen.append(score(world.test)))
    assert len(seen) == QUICK["student_epochs"]
    assert not np.allclose(seen[0], seen[-1])
    assert np.array_equal(seen[-1], fit.model.score(world.test))
    assert np.array_equal(seen[-1], method.fit(data).model.score(world.test))


@pytest.mark.parametrize(
    "options",
    [
        {"augmix_views": 2},
        {"student_blocks": "residual"},
        {"student_width": 5},
        {"student_width": None},
        {"teacher_strides": (4, 8), "loss_weights": (0.5, 0.3, 0.2)},
        {"student_epochs": 5},
        {"student_max_steps": 2},
        {"student_batch": 8},
        {"match_keep": 0.0},
        {"image_score": "max"},
        {"student_learning_rate": 0.001},
    ],
)
def test_options_reach_the_result(options: dict[str, Any], world: toy.Encoded) -> None:
    usual = toy.fit("gnl", world, **QUICK)
    model = toy.fit("gnl", world, **QUICK | options)
    scores = model.score(world.test)
    assert np.isfinite(scores).all()
    # The toy has fewer channels than the usual width.
    assert np.allclose(scores, usual.score(world.test)) == (options == {"student_width": None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("augmix_views", 0),
        ("student_blocks", "dense"),
        ("student_width", 0),
        ("student_batch", 1),
        ("student_max_steps", 0),
        ("student_learning_rate", 0),
        ("match_keep", 1.5),
        ("blur_sigma", -1),
        ("image_score", "median"),
        ("loss_weights", (1.0, 1.0)),
        ("loss_weights", (1.0, -1.0, 1.0)),
    ],
)
def test_impossible_options(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"option {name}"):
        parse_config(Gnl, {name: value})
