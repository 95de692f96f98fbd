"""Views and pseudo-anomalies by rearranged patches."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from tests.augmentation.cases import Pixels, halves, noise

from twofold.augmentation import Policy, augment, patch_pseudo_anomaly
from twofold.augmentation.policies import random_crop
from twofold.errors import ConfigError

POLICIES: tuple[Policy, ...] = get_args(Policy)

SIDES = (1, 2, 3, 7, 19, 20, 33, 64)


def coordinates(side: int) -> Pixels:
    """Each pixel says where it is: (row, column, 0)."""
    rows, columns = np.mgrid[:side, :side]
    return np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype(np.uint8)


def make(kind: str, image: Pixels, seed: int) -> Pixels:
    generator = np.random.default_rng(seed)
    if kind == "patches":
        return patch_pseudo_anomaly(image, generator)
    return augment(image, kind, generator)  # type: ignore[arg-type]


KINDS = (*POLICIES, "patches")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_shape_and_type_are_kept_and_the_image_is_left_alone(kind: str, side: int) -> None:
    image = noise(side)
    before = image.copy()
    for seed in range(12):
        made = make(kind, image, seed)
        assert made.shape == image.shape
        assert made.dtype == np.uint8
        assert made.flags.c_contiguous
        assert not np.shares_memory(made, image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_decides_everything(kind: str) -> None:
    image = noise(32)
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    one, two, other = (make(kind, image, seed) for seed in (5, 5, 6))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert torch.equal(torch.get_rng_state(), torch_state)
    now = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(now, numpy_state, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_each_other(kind: str) -> None:
    image, generator = noise(32), np.random.default_rng(0)
    policy: Any = kind
    made = [
        patch_pseudo_anomaly(image, generator)
        if kind == "patches"
        else augment(image, policy, generator)
        for _ in range(10)
    ]
    assert len({one.tobytes() for one in made}) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_memory_order_does_not_matter(kind: str) -> None:
    image = noise(16)
    turned = np.ascontiguousarray(image.transpose(1, 0, 2)).transpose(1, 0, 2)
    assert not turned.flags.c_contiguous
    assert np.array_equal(make(kind, image, 3), make(kind, turned, 3))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((8, 8, 3), dtype=np.float32), "uint8"),
        (np.zeros((8, 8), dtype=np.uint8), r"\(s, s, 3\)"),
        (np.zeros((8, 8, 4), dtype=np.uint8), r"\(s, s, 3\)"),
        (np.zeros((8, 9, 3), dtype=np.uint8), "square, not 8 x 9"),
        (np.zeros((0, 0, 3), dtype=np.uint8), "square, not 0 x 0"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_no_image(kind: str, bad: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make(kind, bad, 0)
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_policy() -> None:
    policy: Any = "cutout"
    with pytest.raises(ConfigError, match="unknown augmentation 'cutout': choose msra or moco"):
        augment(noise(8), policy, np.random.default_rng(0))


@pytest.mark.parametrize("policy", POLICIES)
def test_half_of_the_views_are_mirrored(policy: Policy) -> None:
    image = halves(64, axis=1)
    generator = np.random.default_rng(0)
    mirrored = 0
    for _ in range(100):
        view = augment(image, policy, generator).astype(float)
        mirrored += view[16:48, :16].mean() > view[16:48, -16:].mean()
    assert 30 < mirrored < 70


@pytest.mark.parametrize("policy", POLICIES)
def test_no_view_is_upside_down(policy: Policy) -> None:
    image = halves(64, axis=0)
    generator = np.random.default_rng(0)
    for _ in range(50):
        view = augment(image, policy, generator).astype(float)
        assert view[:12, 24:40].mean() <= view[-12:, 24:40].mean() + 1


def test_msra_keeps_colours_inside_and_turns_the_image() -> None:
    image = np.full((64, 64, 3), (200, 100, 50), dtype=np.uint8)
    generator = np.random.default_rng(0)
    empty = []
    for _ in range(100):
        view = augment(image, "msra", generator)
        assert np.array_equal(view[20:44, 20:44], image[20:44, 20:44])
        empty.append((view == 0).all(axis=2).mean())
    # A turn by 30 degrees leaves 14% of a square empty, in its corners.
    assert min(empty) < 0.02
    assert 0.12 < max(empty) < 0.16


def test_moco_changes_colours_and_sometimes_takes_them_away() -> None:
    image = np.full((32, 32, 3), (200, 100, 50), dtype=np.uint8)
    generator = np.random.default_rng(0)
    views = [augment(image, "moco", generator)[16, 16].astype(int) for _ in range(200)]
    grey = np.mean([np.ptp(view) == 0 for view in views])
    same = np.mean([np.array_equal(view, image[0, 0]) for view in views])
    assert 0.12 < grey < 0.3
    assert 0.08 < same < 0.25  # Neither jitter (80%) nor grey (20%): about 16%.


def test_moco_blurs_at_the_size_of_the_network_and_not_tiny_images() -> None:
    edge = halves(224, axis=1)
    tones = [len(np.unique(augment(edge, "moco", np.random.default_rng(s)))) for s in range(12)]
    assert max(tones) > min(tones)


@pytest.mark.parametrize("side", [1, 2, 5, 33, 224])
def test_a_crop_lies_inside_and_has_the_published_area(side: int) -> None:
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        top, left, height, width = random_crop(side, generator)
        assert 1 <= height <= side - top
        assert 1 <= width <= side - left
        assert min(top, left) >= 0
        shares.append(height * width / side**2)
        if side == 224:
            assert 0.74 < height / width < 1.35
    if side == 224:
        assert 0.19 < min(shares) < 0.25
        assert 0.9 < max(shares) <= 1


def patch_side(made: Pixels) -> int:
    """The largest d for which each cell of the grid is one d x d crop of `coordinates`."""
    side = len(made)
    offsets = made[..., :2].astype(int) - coordinates(side)[..., :2].astype(int)
    for d in range(side, 0, -1):
        cells = [
            offsets[top : top + d, left : left + d].reshape(-1, 2)
            for top in range(0, side, d)
            for left in range(0, side, d)
        ]
        if all((cell == cell[0]).all() for cell in cells):
            return d
    raise AssertionError("a cell of one pixel is always a crop")


@pytest.mark.parametrize("side", [7, 32, 45, 64])
def test_a_grid_of_whole_crops_of_one_size(side: int) -> None:
    """All of a patch, the part cut off at the border too, comes from one place in the image."""
    least, most = round(16 * side / 224), round(72 * side / 224)
    found = []
    for seed in range(60):
        made = patch_pseudo_anomaly(coordinates(side), np.random.default_rng(seed))
        d = patch_side(made)
        found.append(d)
        for top in range(0, side, d):
            for left in range(0, side, d):
                row, column = made[top, left, :2].astype(int)
                assert row + d <= side
                assert column + d <= side
    assert (min(found), max(found)) == (max(1, least), most)


def test_crops_come_from_everywhere() -> None:
    places = np.zeros((32, 32), dtype=bool)
    for seed in range(60):
        made = patch_pseudo_anomaly(coordinates(32), np.random.default_rng(seed), (56, 56))
        assert patch_side(made) == 8
        places[made[::8, ::8, 0], made[::8, ::8, 1]] = True
    assert places[:25, :25].mean() > 0.7  # Corners of 8 x 8 crops: 0..24, both ends included.
    assert not places[25:].any()
    assert not places[:, 25:].any()
    assert places[24].any()
    assert places[:, 24].any()


@pytest.mark.parametrize("side", SIDES)
def test_nothing_but_pixels_of_the_image(side: int) -> None:
    image = noise(side)
    known = {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}
    for seed in range(8):
        made = patch_pseudo_anomaly(image, np.random.default_rng(seed))
        assert {tuple(pixel) for pixel in made.reshape(-1, 3).tolist()} <= known


def test_sides_are_those_of_inputs_of_224_pixels() -> None:
    for side, expected in ((224, 32), (112, 16), (28, 4)):
        made = patch_pseudo_anomaly(coordinates(side), np.random.default_rng(0), (32, 32))
        assert patch_side(made) == expected


@pytest.mark.parametrize("sides", [(1, 1), (224, 224)])
def test_the_least_and_the_largest_sides(sides: tuple[int, int]) -> None:
    image = noise(8)
    made = patch_pseudo_anomaly(image, np.random.default_rng(0), sides)
    assert made.shape == image.shape
    # Single pixels come from anywhere; the largest patch is the image.
    assert np.array_equal(made, image) == (sides[0] == 224)


def test_a_patch_of_the_whole_image_is_the_image() -> None:
    image = noise(33)
    assert np.array_equal(patch_pseudo_anomaly(image, np.random.default_rng(0), (224, 224)), image)


@pytest.mark.parametrize("sides", [(0, 16), (20, 10), (16, 225), (-3, 4)])
def test_impossible_sides(sides: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"ascending within 1\.\.224"):
        patch_pseudo_anomaly(noise(8), np.random.default_rng(0), sides)
