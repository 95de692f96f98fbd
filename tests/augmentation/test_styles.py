"""Styles of images."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from tests.augmentation.cases import halves, noise

from twofold.augmentation import Style, restyle
from twofold.errors import ConfigError

STYLES: tuple[Style, ...] = get_args(Style)


@pytest.mark.parametrize("side", [2, 3, 7, 33, 64])
@pytest.mark.parametrize("style", STYLES)
def test_a_style_keeps_shape_and_type(style: Style, side: int) -> None:
    image = noise(side)
    before = image.copy()
    made = restyle(image, style, np.random.default_rng(0))
    assert made.shape == image.shape
    assert made.dtype == np.uint8
    assert made.flags.c_contiguous
    assert not np.shares_memory(made, image)
    assert np.array_equal(image, before)
    assert np.array_equal(made, restyle(image, style, np.random.default_rng(0)))


@pytest.mark.parametrize("style", STYLES)
def test_only_jitter_is_random(style: Style) -> None:
    one, two = (restyle(noise(32), style, np.random.default_rng(seed)) for seed in (1, 2))
    assert np.array_equal(one, two) == (style != "jitter")


def test_a_style_does_what_it_says() -> None:
    image, rng = noise(64), np.random.default_rng(0)
    grey = restyle(image, "grey", rng)
    assert (grey == grey[..., :1]).all()
    assert len(np.unique(restyle(image, "posterise", rng))) == 8
    assert restyle(image, "blur", rng).std() < image.std()
    # A step in the middle, and nothing elsewhere.
    for axis in (0, 1):
        edges = np.moveaxis(restyle(halves(16, axis), "edges", rng), axis, 0)
        assert (edges[7:9] < 100).all()
        assert (np.delete(edges, (7, 8), axis=0) == 255).all()


def test_an_unknown_style() -> None:
    with pytest.raises(ConfigError, match="unknown style 'fog': choose one of grey, jitter"):
        restyle(noise(8), "fog", np.random.default_rng(0))  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        restyle(noise(8).astype(np.float32), "grey", np.random.default_rng(0))
