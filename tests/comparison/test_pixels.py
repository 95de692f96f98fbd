"""Images at small sides, as inputs of networks and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.support import toy
from torch import nn

from twofold.comparison import pixels
from twofold.comparison.pixels import (
    as_inputs,
    as_pixels,
    device_of,
    encode_made,
    portions,
    resized,
    run_network,
    small_images,
)
from twofold.encoders.pixels import encode_pixels

PIXELS = toy.make_world().source[:20]


def test_every_value_survives_the_way_there_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    inputs = as_inputs(levels)
    assert inputs.shape == (1, 3, 16, 16)
    assert inputs.dtype == np.float32
    assert (inputs.min(), inputs.max()) == (-1, 1)
    np.testing.assert_array_equal(as_pixels(inputs), levels)
    assert as_pixels(np.full((1, 3, 2, 2), 1.7)).max() == 255
    assert as_pixels(np.full((1, 3, 2, 2), -1.7)).max() == 0


def test_an_image_is_resized_by_itself() -> None:
    small = resized(PIXELS, 24)
    assert small.shape == (20, 24, 24, 3)
    np.testing.assert_array_equal(resized(PIXELS[7:8], 24)[0], small[7])
    np.testing.assert_allclose(small.mean(axis=(1, 2)), PIXELS.mean(axis=(1, 2)), atol=2)
    np.testing.assert_array_equal(resized(PIXELS, 64), PIXELS)
    assert resized(PIXELS[:0], 24).shape == (0, 24, 24, 3)


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = toy.encoded_world().source
    network = nn.Conv2d(3, 3, 3, padding=1)
    with torch.no_grad():
        network.weight.fill_(0.01)
    features, small, run = [], [], []
    for size in (512, 64):
        monkeypatch.setattr(pixels, "PORTION", size)
        small.append(small_images(images, 16))
        many = np.resize(np.arange(len(images)), 150)
        run.append(run_network(network, small[-1][many]))
        chosen = images["pixels"][:].astype(np.uint8)[many]
        features.append(encode_made(toy.encoder(), 150, chosen.__getitem__))
    for one, other in (small, run, features):
        np.testing.assert_array_equal(one, other)
    assert [rows.stop - rows.start for rows in portions(150)] == [64, 64, 22]


def test_made_images_are_brought_to_the_encoders_side() -> None:
    features = encode_made(toy.encoder(), 20, lambda rows: PIXELS[rows])
    wanted = encode_pixels(toy.encoder(), resized(PIXELS, 32), "pooled")
    np.testing.assert_array_equal(features, wanted)


def test_the_cpu_can_be_asked_for() -> None:
    assert device_of("cpu").type == "cpu"
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of("cuda").type == "cuda"
