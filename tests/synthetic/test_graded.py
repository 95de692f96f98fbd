"""Flaws of graded sizes."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.errors import UsageError
from twofold.synthetic import GRADES, flaw_pixels, graded_flaws


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(64, 64), (120, 300), (640, 200)], ids=str)
@pytest.mark.parametrize("first", range(5))
def test_a_flaw_of_each_size_and_nothing_else_changes(shape: tuple[int, int], first: int) -> None:
    image = picture(*shape)
    before = image.copy()
    found = list(graded_flaws(image, first, np.random.default_rng(1), picture(*shape, seed=3)))
    assert [flaw.mask.sum() for flaw in found] == [flaw_pixels(*shape, share) for share in GRADES]
    for flaw in found:
        assert (flaw.image[~flaw.mask] == image[~flaw.mask]).all()
        assert (flaw.image[flaw.mask] != image[flaw.mask]).any(axis=1).all()
    assert (image == before).all()


def test_all_kinds_in_turn_and_the_same_state_gives_the_same_flaws() -> None:
    image, donor = picture(96, 96), picture(96, 96, seed=5)
    one, other = (list(graded_flaws(image, 0, np.random.default_rng(2), donor)) for _ in range(2))
    assert [flaw.kind for flaw in one[:5]] == [
        "cut_paste",
        "scratch",
        "blob",
        "missing",
        "cut_paste",
    ]
    for mine, same in zip(one, other, strict=True):
        assert (mine.image == same.image).all()


def test_a_donor_that_is_too_small_gives_way_to_the_image() -> None:
    found = list(graded_flaws(picture(64, 64), 0, np.random.default_rng(0), picture(16, 20)))
    assert len(found) == len(GRADES)


@pytest.mark.slow
def test_large_images_are_painted_in_a_window() -> None:
    image = np.zeros((3000, 4000, 3), dtype=np.uint8)
    image[:, ::7] = 200
    flaw = list(graded_flaws(image, 2, np.random.default_rng(0)))[-1]
    assert flaw.mask.sum() == flaw_pixels(3000, 4000, GRADES[-1]) == 512**2
    assert flaw_pixels(3000, 4000, GRADES[0]) == 600
    assert flaw_pixels(10, 10, GRADES[0]) == 1


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(UsageError):
        list(graded_flaws(np.zeros((8, 8, 3), dtype=np.uint8), 0, np.random.default_rng(0)))


@pytest.mark.parametrize("first", range(5))
def test_flaws_are_painted_where_images_are_looked_at(first: int) -> None:
    image = picture(200, 200)
    looked_at = np.zeros((200, 200), dtype=np.bool_)
    looked_at[20:100, 10:120] = True
    found = list(graded_flaws(image, first, np.random.default_rng(1), None, looked_at))
    shares = [looked_at[flaw.mask].mean() for flaw in found]
    assert np.mean(shares) > 0.9
    assert min(shares) > 0.4
    same = list(graded_flaws(image, first, np.random.default_rng(1), None, looked_at))
    assert all((one.image == other.image).all() for one, other in zip(found, same, strict=True))
