"""GNL's training data: versions made once, and what a step sees of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.comparison.gnl.cases import pixels_of, small_world
from tests.support import toy
from torch import Tensor, nn

from twofold.comparison.gnl import views as gnl_views
from twofold.comparison.gnl.student import Student
from twofold.comparison.gnl.teacher import Teacher, grey
from twofold.comparison.gnl.views import GnlObjective, Views, encode_views
from twofold.losses import StudentView, gnl_loss
from twofold.training import Step, local_generator


@pytest.fixture(scope="module")
def world() -> toy.Encoded:
    return small_world()


def test_views_are_made_and_encoded_once(
    world: toy.Encoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pixels_of(world)[:11]
    mixed: list[NDArray[np.uint8]] = []

    def recorded(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
        mixed.append(255 - image + generator.integers(0, 2, dtype=np.uint8))
        return mixed[-1]

    monkeypatch.setattr(gnl_views, "augmix", recorded)
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
