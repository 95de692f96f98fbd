"""GNL's teacher: levels, matching, grey."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.comparison.gnl.cases import small_world
from tests.support import toy

from twofold.comparison.gnl.method import Gnl
from twofold.comparison.gnl.teacher import Teacher, grey
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.errors import ConfigError
from twofold.losses import match_distribution
from twofold.methods import parse_config
from twofold.training import local_generator


@pytest.fixture(scope="module")
def world() -> toy.Encoded:
    return small_world()


def lite() -> Encoder:
    return load_encoder("efficientnet_lite0", "random").at_size(72)


def test_the_teachers_levels_are_the_encoders_finest_stage_maps(world: toy.Encoded) -> None:
    assert Teacher(toy.encoder()).strides == (4, 8)
    encoder = lite()
    teacher = Teacher(encoder)
    assert teacher.strides == (4, 8, 16)
    images = np.random.default_rng(0).integers(0, 256, (2, 72, 72, 3), dtype=np.uint8)
    found = teacher.maps(teacher.inputs(images))
    assert [tuple(m.shape) for m in found] == [(2, 24, 18, 18), (2, 40, 9, 9), (2, 112, 5, 5)]
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
