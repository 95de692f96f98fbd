"""Vectors of smaller images: names, sides, and the same network on the smaller image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.modules import resized
from twofold.encoders.outputs import BATCH, EngineKind
from twofold.encoders.scales import is_pooled, pooled_name, shape_of

RandomBatch = Callable[..., NDArray[np.uint8]]
SIDE = 96


@pytest.fixture(scope="module")
def larger(tiny: Encoder) -> Encoder:
    return tiny.at_size(SIDE)


def test_names() -> None:
    names = [pooled_name(steps) for steps in range(3)]
    assert names == ["pooled", "pooled-1", "pooled-2"]
    assert all(is_pooled(name) for name in names)
    assert not any(is_pooled(name) for name in ("pooled-0", "pooled-", "pooled1", "stride8"))


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        (224, [224, 160, 128, 64]),
        (256, [256, 192, 128, 96]),
        (32, [32] * 4),
        (40, [40, 32, 32, 32]),
    ],
)
def test_sides_are_half_an_octave_apart(tiny: Encoder, size: int, sides: list[int]) -> None:
    encoder = tiny.at_size(size)
    assert [shape_of(pooled_name(steps), encoder) for steps in range(4)] == [(s, s) for s in sides]
    assert shape_of("stride8", encoder) == shape_of("patches@3", encoder) == (size, size)


def test_a_network_of_one_size_sees_no_smaller_images(
    larger: Encoder, random_batch: RandomBatch
) -> None:
    fixed = replace(larger, spec=replace(larger.spec, any_size=False))
    assert shape_of("pooled-1", fixed) == (SIDE, SIDE)
    whole, smaller = make_engine(fixed, ("pooled", "pooled-1"), "torch")(random_batch(SIDE))
    np.testing.assert_array_equal(whole, smaller)


def test_resizing_is_antialiased() -> None:
    """Against Pillow's filter of the same kind, on single numbers."""
    image = torch.randn(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    expected = Image.fromarray(image[0, 0].numpy()).resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(resized(image, (64, 64))[0, 0], np.asarray(expected), atol=1e-5)
    assert resized(image, (SIDE, SIDE)) is image


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["openvino", "torch"])
def test_the_vector_is_that_of_the_smaller_image(
    larger: Encoder,
    kind: EngineKind,
    random_batch: RandomBatch,
    isolated: Callable[[], AbstractContextManager[None]],
) -> None:
    batch = random_batch(SIDE)
    with isolated():
        whole, smaller, rest = make_engine(larger, ("pooled", "pooled-1", "stride8"), kind)(batch)
    preprocessing = larger.spec.preprocessing
    pixels = (torch.from_numpy(batch).float() - torch.tensor(preprocessing.mean)) / torch.tensor(
        preprocessing.std
    )
    images = pixels.permute(0, 3, 1, 2)
    with torch.inference_mode():
        for found, side in ((whole, SIDE), (smaller, 64)):
            expected = larger.network.backbone(resized(images, (side, side)))
            scale = float(expected.abs().max())
            np.testing.assert_allclose(found, expected, atol=1e-4 * scale)
    assert rest.shape[0] == BATCH
    assert np.abs(whole - smaller).max() > 1e-2
