"""Defects over many random states: seen, where the mask says, as large as asked, never twice."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label

from twofold.errors import ConfigError, UsageError
from twofold.synthetic import CONTRAST, DEFECTS, VISIBLE, Defective, add_defect

Pixels = NDArray[np.uint8]
STATES = 200  # of each kind on each texture
AREA = (0.005, 0.03)

each_kind = pytest.mark.parametrize("kind", DEFECTS)


def textures(height: int = 64, width: int = 64) -> dict[str, Pixels]:
    rows, columns = np.indices((height, width))
    rng = np.random.default_rng(0)
    noise = rng.normal(120, 40, (height, width, 3))
    slope = (rows + columns)[..., None] * 255 / (height + width) * np.array([1, 0.8, 0.6])
    stripes = np.where(columns // 4 % 2, 255, 0)[..., None].repeat(3, axis=2)
    faint = rng.normal(128, 2, (height, width, 1)).repeat(3, axis=2)
    made = {"noise": noise, "slope": slope, "stripes": stripes, "faint": faint}
    return {name: np.clip(image, 0, 255).astype(np.uint8) for name, image in made.items()}


def flat(level: int, side: int = 64) -> Pixels:
    return np.full((side, side, 3), level, dtype=np.uint8)


def draw(image: Pixels, kind: str, state: int, **options: Any) -> Defective:
    return add_defect(image, kind, np.random.default_rng(state), **options)


def change(image: Pixels, defective: Defective) -> NDArray[np.float64]:
    """The absolute change of the grey, (h, w)."""
    difference = defective.image.astype(np.float64) - image
    return np.asarray(np.abs(difference.mean(axis=-1)))


def assert_sound(image: Pixels, defective: Defective) -> None:
    """All that is promised of any defect, whatever its area."""
    mask = defective.mask
    assert defective.image.dtype == np.uint8
    assert defective.image.shape == image.shape
    assert mask.dtype == np.bool_
    assert mask.shape == image.shape[:2]
    assert np.array_equal(mask, (defective.image != image).any(axis=-1))
    inside = change(image, defective)[mask]
    assert inside.min() >= VISIBLE - 1e-9
    assert inside.mean() >= CONTRAST - 1e-9


@pytest.mark.slow
@each_kind
@pytest.mark.parametrize("name", textures())
def test_each_state_gives_its_own_sound_defect(kind: str, name: str) -> None:
    image = textures()[name]
    original = image.copy()
    images, masks, shares = set(), set(), []
    for state in range(STATES):
        defective = draw(image, kind, state, area=AREA)
        assert_sound(image, defective)
        assert defective.kind == kind
        images.add(defective.image.tobytes())
        masks.add(defective.mask.tobytes())
        shares.append(defective.mask.mean())
    assert len(images) == len(masks) == STATES
    assert np.array_equal(image, original)
    half_a_pixel = 0.5 / 64**2
    assert AREA[0] - half_a_pixel <= min(shares)
    assert max(shares) <= AREA[1] + half_a_pixel
    middle = np.sqrt(AREA[0] * AREA[1])  # the median of a log-uniform draw
    assert 0.8 * middle < np.median(shares) < 1.25 * middle


@each_kind
@pytest.mark.parametrize("level", [0, 7, 100, 128, 250, 255])
def test_a_flat_image_takes_every_kind(kind: str, level: int) -> None:
    for state in range(10):
        assert_sound(flat(level), draw(flat(level), kind, state))


@each_kind
@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (97, 16), (16, 200)])
def test_any_shape_from_16_px_up(kind: str, shape: tuple[int, int]) -> None:
    for name, image in textures(*shape).items():
        for state, area in enumerate([(1e-5, 1e-5), (0.002, 0.03), (0.1, 0.1), (0.5, 0.5)]):
            defective = draw(image, kind, state, area=area)
            assert_sound(image, defective)
            if area[0] == area[1]:
                wanted = max(1, round(area[0] * shape[0] * shape[1]))
                assert defective.mask.sum() == wanted, name


@each_kind
def test_one_state_gives_one_defect(kind: str) -> None:
    image = textures()["noise"]
    first, second = draw(image, kind, 5), draw(image, kind, 5)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.mask, second.mask)
    rng = np.random.default_rng(5)
    add_defect(image, kind, rng)
    assert not np.array_equal(add_defect(image, kind, rng).mask, first.mask)


@each_kind
def test_a_grey_image_stays_grey(kind: str) -> None:
    grey = textures()["noise"][..., :1].repeat(3, axis=2)
    for state in range(20):
        painted = draw(grey, kind, state).image
        assert (painted == painted[..., :1]).all()


@each_kind
def test_a_defect_is_in_one_piece(kind: str) -> None:
    image = textures()["noise"]
    for state in range(100):
        _, pieces = label(draw(image, kind, state, area=AREA).mask, np.ones((3, 3)))
        assert pieces == 1, state


def test_a_patch_is_cut_from_the_image_without_change() -> None:
    image = textures()["noise"]
    colours = {tuple(pixel) for pixel in image.reshape(-1, 3)}
    for state in range(20):
        defective = draw(image, "cut_paste", state)
        inside = defective.image[defective.mask]
        known = [tuple(pixel) in colours for pixel in inside]
        assert np.mean(known) > 0.75  # the rest would not have been seen and was moved


def test_a_patch_comes_from_the_donor() -> None:
    donor = np.random.default_rng(1).integers(200, 220, (80, 70, 3)).astype(np.uint8)
    for image in (flat(90), textures()["slope"] // 2):
        defective = draw(image, "cut_paste", 3, donor=donor)
        assert_sound(image, defective)
        assert defective.image[defective.mask].min() >= 200
    before = donor.copy()
    grey = draw(flat(90), "cut_paste", 4, donor=donor).image
    assert (grey == grey[..., :1]).all()
    assert np.array_equal(donor, before)


def test_a_scratch_is_long_and_thin_and_a_blob_is_not() -> None:
    for state in range(20):
        for kind, longest in (("scratch", (0.35, 1)), ("blob", (0.05, 0.3))):
            mask = draw(flat(100, 128), kind, state, area=(0.01, 0.01)).mask
            height, width = (float(np.ptp(places)) + 1 for places in np.nonzero(mask))
            assert longest[0] <= np.hypot(height, width) / 128 <= longest[1], (kind, state)


@pytest.mark.parametrize("kind", ["scratch", "blob"])
def test_lines_and_stains_are_darker_or_lighter(kind: str) -> None:
    means = []
    for state in range(40):
        defective = draw(flat(128), kind, state)
        means.append(defective.image[defective.mask].mean() - 128)
    assert min(means) < -CONTRAST
    assert max(means) > CONTRAST
    dark, light = draw(flat(10), kind, 0), draw(flat(245), kind, 0)
    assert dark.image[dark.mask].mean() > 10
    assert light.image[light.mask].mean() < 245


def test_a_stain_fades_towards_its_rim() -> None:
    defective = draw(flat(128, 128), "blob", 2, area=(0.05, 0.05))
    inside = np.sort(change(flat(128, 128), defective)[defective.mask])
    assert inside[-1] > 2.5 * inside[0]
    assert len(np.unique(inside)) > 15


def test_missing_texture_is_gone() -> None:
    for name in ("noise", "stripes"):
        image = textures()[name]
        for state in range(30):
            defective = draw(image, "missing", state, area=(0.03, 0.1))
            left = defective.image[defective.mask].std(axis=0).mean()
            assert left < 0.4 * image[defective.mask].std(axis=0).mean(), (name, state)


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ConfigError, "kind: unknown defect 'dent'", {"kind": "dent"}),
        (ConfigError, "area:", {"area": (0, 0.1)}),
        (ConfigError, "area:", {"area": (0.2, 0.1)}),
        (ConfigError, "area:", {"area": (0.1, 0.6)}),
        (ConfigError, "area:", {"area": (0.1, float("nan"))}),
        (ConfigError, "donor: smaller", {"donor": flat(1, 63)}),
        (ConfigError, "donor: 'blob' takes none", {"kind": "blob", "donor": flat(1)}),
        (UsageError, "donor: wanted uint8", {"donor": flat(1)[..., 0]}),
        (UsageError, "image: wanted uint8", {"image": flat(1) / 255}),
        (UsageError, "image: wanted uint8", {"image": flat(1)[..., :1]}),
        (UsageError, "image: sides", {"image": flat(1)[:15]}),
    ],
)
def test_what_makes_no_sense_is_refused(
    error: type[Exception], message: str, options: dict[str, Any]
) -> None:
    options = {"image": flat(1), "kind": "cut_paste", "rng": np.random.default_rng(0), **options}
    with pytest.raises(error, match=re.escape(message)):
        add_defect(**options)
