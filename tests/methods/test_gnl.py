"""Reverse distillation under several styles, and matching at test time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tests.support import toy
from torch import Tensor, nn

from twofold.encoders.encoder import Encoder, load_encoder
from twofold.errors import ConfigError
from twofold.losses import StudentView, gnl_loss, match_distribution
from twofold.methods import METHODS, _gnl_views, parse_config
from twofold.methods._gnl_student import Blocks, Student
from twofold.methods._gnl_teacher import Teacher, grey
from twofold.methods._gnl_views import GnlObjective, Views, encode_views
from twofold.methods.gnl import Gnl
from twofold.training import Step, local_generator

QUICK: dict[str, Any] = {"student_blocks": "plain", "student_epochs": 4}
SHAPES = [(6, 13, 9), (10, 7, 5), (8, 4, 3)]  # Odd sizes, halved and rounded up.


@pytest.fixture(scope="module")
def world() -> toy.Encoded:
    return toy.encoded_world(n_source=24, n_pool=4, n_test=12)


def pixels_of(world: toy.Encoded) -> NDArray[np.uint8]:
    return world.source["pixels"][:].astype(np.uint8)


def maps(n: int = 2, seed: int = 0) -> tuple[Tensor, ...]:
    generator = local_generator(seed)
    return tuple(torch.randn(n, *shape, generator=generator) for shape in SHAPES)


# --- the teacher ----------------------------------------------------------------------------------


def lite() -> Encoder:
    return load_encoder("efficientnet_lite0", "random").at_size(72)


def test_the_teachers_levels_are_the_encoders_finest_stage_maps(world: toy.Encoded) -> None:
    assert Teacher(toy.encoder()).strides == (4, 8)
    encoder = lite()
    teacher = Teacher(encoder)
    assert teacher.strides == (8, 16, 32)
    images = np.random.default_rng(0).integers(0, 256, (2, 72, 72, 3), dtype=np.uint8)
    found = teacher.maps(teacher.inputs(images))
    assert [tuple(m.shape) for m in found] == [(2, 40, 9, 9), (2, 112, 5, 5), (2, 320, 3, 3)]
    assert Teacher(encoder, (16, 32)).strides == (16, 32)
    # The same maps as any other method sees.
    outputs = ("stride4", "stride8", "pixels")
    encoded = toy.encode(toy.make_world(0, n_source=5).source, outputs)
    teacher = Teacher(toy.encoder())
    found = teacher.maps(teacher.inputs(encoded["pixels"][:].astype(np.uint8)))
    for level, name in zip(found, outputs[:2], strict=True):
        np.testing.assert_allclose(level.numpy(), encoded[name], atol=1e-5)


@pytest.mark.parametrize("strides", [(), (8,), (4, 16), (8, 4), (8, 16)])
def test_levels_that_an_encoder_does_not_have(strides: tuple[int, ...], world: toy.Encoded) -> None:
    method = Gnl(toy.encoder(), parse_config(Gnl, {"teacher_strides": strides}))
    with pytest.raises(ConfigError, match=r"two or more stage maps.*toy has the strides 4, 8"):
        method.fit(toy.fit_data(Gnl, world))


def test_matching_follows_the_first_and_second_level_but_not_the_last() -> None:
    teacher = Teacher(lite())
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (3, 72, 72, 3), dtype=np.uint8)
    inputs = teacher.inputs(images)
    reference = [m[0] for m in teacher.maps(inputs[2:])]
    one, two, three = teacher.matched(inputs, reference, 0.5)
    with torch.no_grad():
        parts = teacher._parts
        first = match_distribution(parts[0](inputs), reference[0], 0.5)
        second = match_distribution(parts[1](first), reference[1], 0.5)
        third = parts[2](second)
    for found, expected in ((one, first), (two, second), (three, third)):
        assert torch.equal(found, expected)
    plain = teacher.maps(inputs)
    assert not any(torch.allclose(a, b) for a, b in zip((one, two, three), plain, strict=True))
    # lambda = 1 matches nothing; and the reference matched to itself stays as it is.
    kept = teacher.matched(inputs, reference, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(kept, plain, strict=True))
    for level, own in zip(teacher.matched(inputs[2:], reference, 0.5), reference, strict=True):
        torch.testing.assert_close(level[0], own, rtol=1e-3, atol=1e-4)


def test_grey_is_that_of_the_normalised_tensor() -> None:
    inputs = torch.randn(2, 3, 4, 5, generator=local_generator(0))
    made = grey(inputs)
    assert made.shape == inputs.shape
    r, g, b = inputs.unbind(1)
    for channel in range(3):
        torch.testing.assert_close(made[:, channel], 0.2989 * r + 0.587 * g + 0.114 * b)


# --- the student ----------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("width", [None, 1, 7])
@pytest.mark.parametrize("blocks", ["residual", "plain"])
def test_the_student_mirrors_its_teacher(blocks: Blocks, width: int | None, levels: int) -> None:
    shapes, inputs = SHAPES[:levels], maps()[:levels]
    student = Student(shapes, blocks, width, local_generator(0))
    made = student(inputs)
    assert [m.shape for m in made.decoded] == [m.shape for m in inputs]
    c, h, w = shapes[-1]
    expected = 2 * c if width is None else min(2 * c, width)
    # Stride 2 behind the coarsest level, twice its channels.
    assert made.bottleneck.shape == (2, expected, -(-h // 2), -(-w // 2))
    # Every level is read and every weight matters.
    torch.autograd.backward(sum((m.sum() for m in made.decoded), torch.zeros(())))
    assert all(p.grad is not None for p in student.parameters())


def test_each_level_enters_the_bottleneck() -> None:
    student = Student(SHAPES, "plain", None, local_generator(0)).eval()
    inputs = maps()
    before = student(inputs).bottleneck
    for level in range(3):
        changed = [m + (i == level) for i, m in enumerate(inputs)]
        assert not torch.allclose(student(changed).bottleneck, before)


def test_the_architecture_of_the_release() -> None:
    """Strides 4, 8 and 16 of WideResNet-50-2 at 256 pixels, with a 16th of its channels."""
    student: Any = Student([(16, 64, 64), (32, 32, 32), (64, 16, 16)], "residual", None)
    # layer1 comes down by two stride-2 convolutions, layer2 by one.
    widths = [
        [(m.in_channels, m.out_channels, m.stride) for m in d if isinstance(m, nn.Conv2d)]
        for d in student.down
    ]
    assert widths == [[(16, 32, (2, 2)), (32, 64, (2, 2))], [(32, 64, (2, 2))]]
    first = student.bottleneck[0]
    assert first.body[0].in_channels == 3 * 64
    assert (len(student.bottleneck), first.body[-2].out_channels) == (3, 128)
    assert [len(stage) for stage in student.up] == [3, 4, 6]
    assert [stage[0].body[-2].out_channels for stage in student.up] == [64, 32, 16]
    ups = [stage[0].body[3] for stage in student.up]
    assert all(isinstance(up, nn.ConvTranspose2d) and up.kernel_size == (2, 2) for up in ups)
    assert [up.stride for up in ups] == [(2, 2)] * 3


def test_the_first_weights_are_the_generators() -> None:
    before = torch.get_rng_state()
    one, two, other = (Student(SHAPES, "plain", 7, local_generator(s)) for s in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    states = [student.state_dict() for student in (one, two, other)]
    assert all(
        torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True)
    )
    name = "out.0.weight"
    assert not torch.equal(states[0][name], states[2][name])


# --- the training ---------------------------------------------------------------------------------


def test_views_are_made_and_encoded_once(
    world: toy.Encoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pixels_of(world)[:11]
    mixed: list[NDArray[np.uint8]] = []

    def recorded(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
        mixed.append(255 - image + generator.integers(0, 2, dtype=np.uint8))
        return mixed[-1]

    monkeypatch.setattr(_gnl_views, "augmix", recorded)
    told: list[tuple[int, int]] = []
    teacher = Teacher(toy.encoder())
    views = encode_views(teacher, images, 2, 0, lambda *a: told.append(a))
    assert told == [(8, 11), (11, 11)]
    assert len(mixed) == 22
    assert views.shapes == [(24, 8, 8), (32, 4, 4)]
    assert len(views) == 11
    inputs = teacher.inputs(images)
    # The first version of the first block, then its second one, then the second block's.
    order = [np.r_[0:8, 16:19], np.r_[8:16, 19:22]]
    versions = [(views.original, inputs), (views.grey, grey(inputs))]
    versions += [
        (views.mixed[v], teacher.inputs(np.stack([mixed[i] for i in order[v]]))) for v in (0, 1)
    ]
    for found, tensor in versions:
        for level, expected in zip(found, teacher.maps(tensor), strict=True):
            assert level.dtype == np.float32
            np.testing.assert_allclose(level, expected.numpy(), atol=1e-5)
    per_image = sum(a.nbytes for v in (views.original, *views.mixed, views.grey) for a in v) / 11
    assert per_image == 4 * (2 + 2) * (24 * 64 + 32 * 16)


def numbered(n: int, versions: int = 2) -> Views:
    """Views whose every value says which image it is of, and in which version."""

    def made(offset: float) -> tuple[NDArray[np.float32], ...]:
        rows = np.arange(n, dtype=np.float32) + offset
        return tuple(np.tile(rows[:, None, None, None], (1, 1, s, s)) for s in (4, 2))

    return Views(made(0), tuple(made(100 * (v + 1)) for v in range(versions)), made(1000))


class Seen(nn.Module):
    """A student that notes the image numbers it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.calls: list[list[float]] = []

    def forward(self, levels: tuple[Tensor, ...]) -> StudentView:
        self.calls.append(levels[0][:, 0, 0, 0].tolist())
        return StudentView(self.weight * levels[-1], tuple(self.weight * m for m in levels))


def test_an_epoch_shows_each_image_once_in_all_versions() -> None:
    student = Seen()
    objective = GnlObjective(numbered(9), 4, (0.9, 0.05, 0.05), local_generator(0))
    orders = []
    for epoch in range(6):
        for step in range(2):
            objective(student, Step(2 * epoch + step, 12, step == 0))
        calls, student.calls = student.calls, []
        for original, mixed, colourless in zip(calls[::3], calls[1::3], calls[2::3], strict=True):
            rows = np.array(original)
            assert (np.array(colourless) == rows + 1000).all()
            assert set(np.array(mixed) - rows) <= {100, 200}
        orders.append(calls[0] + calls[3])
        assert len(set(orders[-1])) == 8
        assert set(orders[-1]) <= set(range(9))
    assert len({tuple(order) for order in orders}) == 6


def test_both_mixed_versions_are_used() -> None:
    student = Seen()
    objective = GnlObjective(numbered(4), 4, (0.9, 0.05, 0.05), local_generator(0))
    for step in range(20):
        objective(student, Step(step, 20, True))
    firsts = {int(call[0]) // 100 for call in student.calls[1::3]}
    assert firsts == {1, 2}


def test_a_step_is_the_loss_of_the_three_versions(world: toy.Encoded) -> None:
    teacher = Teacher(toy.encoder())
    views = encode_views(teacher, pixels_of(world)[:4], 1, 0, lambda *_: None)
    student = Student(views.shapes, "plain", None, local_generator(0)).eval()
    loss = GnlObjective(views, 4, (0.5, 0.2, 0.3), local_generator(0))(student, Step(0, 1, True))
    rows = torch.randperm(4, generator=local_generator(0)).numpy()
    original, mixed, colourless = (
        tuple(torch.from_numpy(level[rows]) for level in version)
        for version in (views.original, views.mixed[0], views.grey)
    )
    others = [student(mixed), student(colourless)]
    expected = gnl_loss(original, student(original), others, (0.5, 0.2, 0.3))
    torch.testing.assert_close(loss, expected)


def test_the_loss_falls_and_the_teacher_stays(world: toy.Encoded) -> None:
    before = [tensor.clone() for tensor in toy.encoder().state().values()]
    model = toy.fit("gnl", world, **QUICK | {"student_epochs": 12})
    assert model.log_.losses[-1] < model.log_.losses[0] / 2
    after = toy.encoder().state().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


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
    model.fit(data, progress=lambda *a: told.append(a))
    assert model.log_.steps == steps
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


# --- the score ------------------------------------------------------------------------------------


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
            total += nn.functional.interpolate(away, (32, 32), mode="bilinear")[0, 0].numpy()
        blurred = gaussian_filter(total, 4)
        expected.append(blurred.max() if kind == "max" else blurred.mean())
    np.testing.assert_allclose(model.score(world.test), expected, rtol=1e-3)


def test_the_reference_decides_and_is_recorded(world: toy.Encoded) -> None:
    data = toy.fit_data(Gnl, world)
    config = parse_config(Gnl, QUICK)
    scores, states = [], []
    for row in (0, 3):
        one = replace(data, source_reference=world.source.subset(np.array([row])))
        model = Gnl(toy.encoder(), config).fit(one)
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
    assert np.array_equal(off.fit(data).score(world.test), off.fit(other).score(world.test))


def test_one_reference_only(world: toy.Encoded) -> None:
    data = replace(toy.fit_data(Gnl, world), source_reference=world.source)
    with pytest.raises(ConfigError, match="one source_reference, got 24"):
        Gnl(toy.encoder()).fit(data)


def test_it_sees_nothing_of_the_target() -> None:
    assert METHODS.load("gnl") is Gnl
    assert Gnl.needs == {"source_reference"}
    assert Gnl.outputs(Gnl.Config()) == ("pixels",)


def test_it_ranks_the_toy_world_and_matching_helps() -> None:
    world = toy.encoded_world(1)
    options = {"student_blocks": "plain", "student_epochs": 10}
    matched = toy.area(toy.fit("gnl", world, 1, **options), world)
    plain = toy.area(toy.fit("gnl", world, 1, **options, match_keep=1.0), world)
    assert matched > 0.75
    assert matched > plain + 0.1


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"augmix_views": 2},
        {"student_blocks": "residual"},
        {"student_width": 5},
        {"student_width": None},
        {"teacher_strides": (4, 8), "loss_weights": (0.5, 0.3, 0.2)},
        {"blur_sigma": 0.0},
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
