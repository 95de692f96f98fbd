"""Resizing by NumPy gives PyTorch's very pixels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import interpolate

from twofold.encoders.resizing import Filter, resize, resize_by_numpy

SIDES = st.integers(2, 240)


def by_torch(image: np.ndarray, shape: tuple[int, int], kind: Filter) -> np.ndarray:
    tensor = torch.from_numpy(image[None]).permute(0, 3, 1, 2)
    return interpolate(tensor, size=shape, mode=kind, antialias=True)[0].permute(1, 2, 0).numpy()


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(["bicubic", "bilinear"]), st.booleans())
def test_it_is_pytorchs_to_the_last_bit(
    height: int, width: int, down: int, across: int, kind: Filter, extreme: bool
) -> None:
    generator = np.random.default_rng(height * 241 + width)
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if extreme:  # black and white overshoot the most
        image = np.where(image < 128, np.uint8(0), np.uint8(255))
    found = resize_by_numpy(image, (down, across), kind)
    assert np.array_equal(found, by_torch(image, (down, across), kind))


@pytest.mark.parametrize("kind", ["bicubic", "bilinear"])
@pytest.mark.parametrize("before", [(2000, 1500), (1101, 3000)])
def test_large_images_whose_weights_have_many_bits(before: tuple[int, int], kind: Filter) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*before, 3), dtype=np.uint8)
    found = resize_by_numpy(image, (224, 224), kind)
    assert np.array_equal(found, by_torch(image, (224, 224), kind))


def test_it_is_near_pillows() -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 300, 3), dtype=np.uint8)
    pillows = np.asarray(Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC))
    found = resize(image[None], (224, 224), "bicubic")[0]
    assert np.abs(found.astype(int) - pillows).max() <= 2


def test_several_images_are_resized_one_by_one() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 30, 50, 3), dtype=np.uint8)
    alone = [resize_by_numpy(image, (24, 24), "bicubic") for image in images]
    assert np.array_equal(resize(images, (24, 24), "bicubic"), alone)


def test_pytorch_is_not_imported_for_it() -> None:
    code = (
        "import sys, numpy as np; from twofold.encoders.resizing import resize;"
        "images = np.random.default_rng(0).integers(0, 256, (2, 30, 50, 3), dtype=np.uint8);"
        "print(resize(images, (24, 24), 'bicubic').sum(), 'torch' in sys.modules)"
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 30, 50, 3), dtype=np.uint8)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [str(resize(images, (24, 24), "bicubic").sum()), "False"]
