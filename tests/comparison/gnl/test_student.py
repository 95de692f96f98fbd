"""GNL's student: a bottleneck and a mirrored decoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.comparison.gnl.cases import SHAPES, maps
from torch import nn

from twofold.comparison.gnl.student import Blocks, Student
from twofold.training import local_generator


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
