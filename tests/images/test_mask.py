"""Masks of images: painting, sizes, orientation, places of a grid, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from twofold.errors import ConfigError
from twofold.images import ImageSet, Mask, Masks, find_images, survey

HEIGHT, WIDTH = 32, 48


def noise(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def half() -> NDArray[np.bool_]:
    """The left 30 columns and of those the lower 20 rows are looked at."""
    found = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    found[12:, :30] = True
    return found


def seen(images: Any, mask: Any, min_side: int | None = None) -> NDArray[np.uint8]:
    masked = find_images(images).masked(Masks.find(mask))
    return np.asarray(masked.load(0).decode(min_side))


def write_mask(path: Path, looked_at: NDArray[np.bool_]) -> Path:
    Image.fromarray(looked_at.astype(np.uint8) * 255).save(path)
    return path


def test_what_is_left_out_has_the_mean_colour_of_the_rest() -> None:
    pixels, looked_at = noise(), half()
    found = seen(pixels, looked_at)
    assert np.array_equal(found[looked_at], pixels[looked_at])
    assert np.array_equal(np.unique(found[~looked_at], axis=0)[0], pixels[half()].mean(0).round())
    other = np.where(looked_at[..., None], pixels, noise(1))
    assert np.array_equal(seen(other, looked_at), found)
    whole = np.ones((HEIGHT, WIDTH), dtype=np.bool_)
    assert np.array_equal(seen(pixels, whole), pixels)


def test_the_forms_of_a_mask_mean_the_same(tmp_path: Path) -> None:
    looked_at = half()
    grey = np.where(looked_at, 128, 127).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(looked_at).save(tmp_path / "bits.png")
    Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(tmp_path / "colour.bmp")
    deep = np.where(looked_at, 40000, 20000).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    names = ("grey.png", "bits.png", "colour.bmp", "deep.png")
    forms: tuple[Any, ...] = (
        looked_at,
        grey,
        *(tmp_path / name for name in names),
        str(tmp_path / "grey.png"),
    )
    digests = set()
    for form in forms:
        mask = Masks.find(form).of("any")
        assert mask is not None
        assert np.array_equal(mask.looked_at, looked_at)
        digests.add(mask.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_mask_is_of_the_upright_image(
    tmp_path: Path, orientation: int, deep: bool, suffix: str
) -> None:
    values = noise()[..., 0].astype(np.uint16) * 257 if deep else noise()
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(values).save(path, exif=exif)
    plain = np.asarray(find_images(path).load(0).decode())
    looked_at = np.zeros(plain.shape[:2], dtype=np.bool_)
    looked_at[3:20, 5:28] = True
    found = seen(path, looked_at)
    assert np.array_equal(found[looked_at], plain[looked_at])
    if suffix == "png":
        with Image.open(path) as opened:
            opened.load()
            assert np.array_equal(seen(opened, looked_at), found)
    assert len(np.unique(found[~looked_at], axis=0)) == 1
    if plain.shape[:2] != (HEIGHT, WIDTH):
        with pytest.raises(ConfigError, match="and the image 32 x 48"):
            seen(path, half())


@pytest.mark.parametrize("min_side", [None, 100, 50, 25])
@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_a_jpeg_made_smaller_while_it_is_decoded(
    tmp_path: Path, min_side: int | None, orientation: int
) -> None:
    """Blocks that lie wholly inside of what is left out may change."""
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    pixels = noise(0, 213, 309)
    changed = pixels.copy()
    changed[64:128, 96:176] = noise(1, 64, 80)
    for name, values in (("a", pixels), ("b", changed)):
        Image.fromarray(values).save(tmp_path / f"{name}.jpg", exif=exif, quality=95)
    stored = np.ones((213, 309), dtype=np.bool_)
    stored[40:150, 70:200] = False
    turned = {1: stored, 6: np.rot90(stored, -1), 7: stored[::-1, ::-1].T}[orientation]
    first, second = (seen(tmp_path / f"{name}.jpg", turned, min_side) for name in "ab")
    assert np.array_equal(first, second)
    small = {None: 309, 100: 155, 50: 78, 25: 39}[min_side]
    assert max(first.shape) == small
    # Elsewhere it is the image.
    plain = np.asarray(find_images(tmp_path / "a.jpg").load(0).decode(min_side))
    same = (plain == first).all(axis=2).mean()
    assert 0.6 < same < 0.85


def test_of_a_small_spot_something_is_left_whatever_the_size(tmp_path: Path) -> None:
    Image.fromarray(noise(0, 400, 400)).save(tmp_path / "a.jpg")
    spot = np.zeros((400, 400), dtype=np.bool_)
    spot[200:206, 200:206] = True
    found = seen(tmp_path / "a.jpg", spot, 50)
    assert found.shape == (400, 400, 3)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 1


def test_values_that_are_left_out_say_nothing_of_the_bit_depth() -> None:
    values = np.random.default_rng(0).integers(0, 4096, (2, HEIGHT, WIDTH), dtype=np.uint16)
    stamped = values.copy()
    stamped[:, ~half()] = 65535
    found = []
    for array in (values, stamped):
        masked = find_images(array).masked(Masks.find(half()))
        assert survey(masked).bit_depth == 12
        found.append(np.asarray(masked.at_depth(12).load(0).decode()))
    assert np.array_equal(found[0], found[1])


def test_the_digest_is_of_image_and_mask() -> None:
    images = find_images(noise())
    other = half()
    other[0, 0] = True
    turned = np.zeros((WIDTH, HEIGHT), dtype=np.bool_)
    turned[0, 0] = True
    masks = (half(), other, turned, np.ones((HEIGHT, WIDTH), dtype=np.bool_))
    digests = [images.masked(Masks.find(mask)).load(0).digest for mask in masks]
    assert len({images.load(0).digest, *digests}) == 5
    assert images.masked(None).load(0).digest == images.load(0).digest
    again = images.masked(Masks.find(half())).at_depth(12).subset([0])
    assert again.load(0).digest == digests[0]
    assert again.masks is not None


def test_masks_by_name(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise()).save(tmp_path / name)
    (tmp_path / "masks").mkdir()
    write_mask(tmp_path / "masks" / "2.bmp", half())
    masks = Masks.find(tmp_path / "masks")
    images = find_images(tmp_path / "a").masked(masks)
    assert np.array_equal(np.asarray(images.load(0).decode()), noise())
    assert np.array_equal(np.asarray(images.load(1).decode()), seen(noise(), half()))
    first, second = (images.looked_at(row, (4, 6)) for row in (0, 1))
    assert first is not None
    assert first.all()
    assert second is not None
    assert np.array_equal(second, Mask("", half()).places((4, 6)))
    # A mask that is changed counts from the next look at the images on.
    write_mask(tmp_path / "masks" / "2.bmp", half()[:, ::-1])
    third = images.masked(images.masks).looked_at(1, (4, 6))
    assert third is not None
    assert np.array_equal(third, second[:, ::-1])
    (note,) = masks.notes(images.names)
    assert note.startswith("1 of 2 image(s) have no mask in")
    assert "1.png" in note
    assert not Masks.find(half()).notes(images.names)
    Image.fromarray(noise()[..., 0]).save(tmp_path / "masks" / "2.png")
    with pytest.raises(ConfigError, match=r"two files for one name, .*2\.bmp and .*2\.png"):
        Masks.find(tmp_path / "masks")


def test_places_of_a_grid() -> None:
    looked_at = np.zeros((12, 8), dtype=np.bool_)
    looked_at[:6, :4] = True
    # Of the second cell of the first column half is looked at.
    assert Mask("", looked_at).places((3, 2)).tolist() == [
        [True, False],
        [True, False],
        [False] * 2,
    ]
    assert Mask("", np.ones((9, 7), dtype=np.bool_)).places((5, 3)).all()
    # More places than pixels.
    assert Mask("", looked_at).places((24, 16)).sum() == 12 * 8
    with pytest.raises(ConfigError, match="leaves no place of 1 x 1 to look at"):
        Mask("m.png", looked_at).places((1, 1))


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (np.zeros((8, 8), dtype=np.bool_), "the mask is empty"),
        (np.ones((8, 8), dtype=np.uint8), "mask is empty: all of it is darker than 128"),
        (np.ones((8, 8)), r"mask is an array of float64 of shape \(8, 8\)"),
        (np.ones((8, 8, 3), dtype=np.uint8), "mask is an array of uint8"),
        (np.ones((0, 8), dtype=np.bool_), "mask is an array of bool"),
        (3, "mask must be the path of a picture or folder"),
        (b"m.png", "mask must be the path"),
        ("no/such.png", "mask no/such.png: no such file"),
        ("", "mask"),
    ],
    ids=str,
)
def test_masks_that_cannot_be_used(mask: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        Masks.find(mask)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="mask: no images in"):
        Masks.find(tmp_path / "none")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(ConfigError, match=r"mask .*bad\.png: "):
        Masks.find(tmp_path / "bad.png")
    write_mask(tmp_path / "black.png", np.zeros((8, 8), dtype=np.bool_))
    with pytest.raises(ConfigError, match=r"the mask .*black\.png is empty"):
        Masks.find(tmp_path / "black.png")


@pytest.mark.parametrize("kind", ["array", "file", "deep"])
def test_a_mask_of_another_size(tmp_path: Path, kind: str) -> None:
    write_mask(tmp_path / "m.png", half()[:, :40])
    Image.fromarray(noise()).save(tmp_path / "a.png")
    values = noise()[..., 0].astype(np.uint16)
    given: Any = {"array": noise(), "file": [tmp_path / "a.png"], "deep": values}[kind]
    images = find_images(given).masked(Masks.find(tmp_path / "m.png"))
    with pytest.raises(ConfigError) as caught:
        images.load(0).decode()
    text = str(caught.value)
    assert text.startswith(f"{images.names[0]}: the mask {tmp_path / 'm.png'} has 40 x 32 pixels")
    assert text.endswith("and the image 48 x 32")
    assert isinstance(images, ImageSet)
