from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from twofold.errors import ConfigError, ImageError
from twofold.images import check_bit_depth
from twofold.images.depth import least_depth, to_eight_bit


@pytest.mark.parametrize("value", [9, 10, 12, 16, np.int64(14), None])
def test_depths_that_may_be_stated(value: object) -> None:
    depth = check_bit_depth(value)
    assert depth == value
    assert depth is None or type(depth) is int


@pytest.mark.parametrize("value", [8, 17, 0, -1, 12.0, "12", True, (12,), float("nan")])
def test_other_depths_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^bit_depth is .*: give a whole number from 9 to 16"):
        check_bit_depth(value)


@pytest.mark.parametrize(
    ("largest", "depth"),
    [
        (0, 10),
        (1023, 10),
        (1024, 12),
        (4095, 12),
        (4096, 14),
        (16383, 14),
        (16384, 16),
        (65535, 16),
    ],
)
def test_least_depth(largest: int, depth: int) -> None:
    assert least_depth(largest) == depth


@pytest.mark.parametrize("depth", range(9, 17))
def test_every_value_is_rounded_to_the_nearest(depth: int) -> None:
    top = 2**depth - 1
    values = np.arange(top + 1, dtype=np.uint16)
    eight = to_eight_bit(values, depth)
    exact = [int(Fraction(v * 255, top) + Fraction(1, 2)) for v in range(top + 1)]
    assert eight.tolist() == exact
    assert (to_eight_bit(values, depth, inverted=True) == eight[::-1]).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, r"32-bit pixels have no agreed range: convert to 8 or 16 bit \(a value of -1\)"),
        (65536, r"32-bit pixels .*\(a value of 65536\)"),
        (1024, r"a pixel value of 1024, read with a bit depth of 10 .*: bit_depth=12 states"),
    ],
)
def test_values_outside(value: int, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        to_eight_bit(np.array([5, value]), 10)
