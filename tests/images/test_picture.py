"""PIL images: the same picture as file, as PIL image and as array."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.ExifTags import Base
from tests.images.writers import png16, tiff

from twofold.errors import ImageError
from twofold.images import find_images

FILES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bits": ("1", "PNG", {}),
    "grey": ("L", "PNG", {}),
    "grey alpha": ("LA", "PNG", {}),
    "palette": ("P", "PNG", {}),
    "palette alpha": ("P", "PNG", {"transparency": b"\0\x80\xff"}),
    "colour": ("RGB", "BMP", {}),
    "colour key": ("RGB", "PNG", {"transparency": (5, 7, 4)}),
    "colour alpha": ("RGBA", "WEBP", {"lossless": True}),
    "cmyk": ("CMYK", "TIFF", {}),
    "cmyk jpeg": ("CMYK", "JPEG", {}),
    "ycbcr": ("YCbCr", "TIFF", {}),
    "lab": ("LAB", "TIFF", {}),
    "deep": ("I;16", "PNG", {}),
    "deep key": ("I;16", "PNG", {"transparency": 257}),
    "integers": ("I", "TIFF", {}),
    "floats": ("F", "TIFF", {}),
}


def in_mode(photo: Image.Image, mode: str) -> Image.Image:
    if mode == "F":
        return Image.fromarray(np.asarray(photo.convert("L"), dtype=np.float32) / 255)
    if mode in {"I", "I;16"}:
        grey = np.asarray(photo.convert("L"))
        return Image.fromarray(grey.astype(np.int32 if mode == "I" else np.uint16) * 257)
    return photo.quantize() if mode == "P" else photo.convert(mode)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", FILES)
def test_the_same_picture_as_file_pil_and_array(
    tmp_path: Path, photo: Image.Image, kind: str, orientation: int
) -> None:
    mode, form, options = FILES[kind]
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    path = tmp_path / "a"
    if form != "BMP":  # which has no EXIF
        options = {**options, "exif": exif}
    in_mode(photo, mode).save(path, form, **options)
    expected = find_images(path).load(0)
    pixels = np.asarray(expected.decode())
    with Image.open(path) as opened:
        lazy = find_images(opened)
        assert lazy.names == (str(path),)
        assert np.array_equal(np.asarray(lazy.load(0).decode()), pixels)
        if form != "WEBP":  # Pillow does not tell whether it has loaded one
            assert lazy.load(0).digest == expected.digest
        opened.load()
    if form != "TIFF" or orientation == 1:  # Pillow itself forgets to turn some of them
        assert np.array_equal(np.asarray(find_images(opened).load(0).decode()), pixels)
    assert np.array_equal(np.asarray(find_images(pixels).load(0).decode()), pixels)


def test_one_image_without_a_file() -> None:
    image = Image.radial_gradient("L")
    images = find_images([image, image.convert("RGB")])
    assert images.names == ("image[0]", "image[1]")
    assert find_images(image).names == ("image[0]",)
    assert images.load(0).digest == find_images(np.asarray(image)).load(0).digest


@pytest.mark.parametrize("colours", [3, 4])
def test_16_bit_colours_keep_their_bits_or_are_refused(tmp_path: Path, colours: int) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (20, 30, colours)).astype(np.uint16)
    for name, content in (("a.png", png16(values)), ("a.tif", tiff(values))):
        path = tmp_path / name
        path.write_bytes(content)
        expected = find_images(path).at_depth(12).load(0).decode().tobytes()
        with Image.open(path) as opened:
            assert find_images(opened).at_depth(12).load(0).decode().tobytes() == expected
            opened.load()
            with pytest.raises(ImageError, match=r"^Pillow has kept only the upper 8 bits"):
                find_images(opened).load(0)
        assert find_images(values).at_depth(12).load(0).decode().tobytes() == expected


def test_white_is_zero_of_an_image_opened_by_others(tmp_path: Path) -> None:
    values = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    (tmp_path / "a.tif").write_bytes(tiff(values, photometric=0))
    expected = find_images(tmp_path).at_depth(10).load(0).decode().tobytes()
    with Image.open(tmp_path / "a.tif") as opened:
        opened.load()
    loaded = find_images(opened).at_depth(10).load(0)
    assert loaded.decode().tobytes() == expected
    assert loaded.digest != find_images(values).at_depth(10).load(0).digest


def test_an_image_that_was_turned_already_is_not_turned_again(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    file = BytesIO()
    photo.save(file, "PNG", exif=exif)
    turned = ImageOps.exif_transpose(Image.open(file))
    assert find_images(turned).load(0).decode().tobytes() == turned.tobytes()


def test_frames_and_small_images(photo: Image.Image) -> None:
    file = BytesIO()
    photo.save(file, "GIF", save_all=True, append_images=[photo.rotate(90)])
    with pytest.raises(ImageError, match="several frames: give one of them"):
        find_images(Image.open(file)).load(0)
    with pytest.raises(ImageError, match="7 x 9 pixels: smaller than 8 on a side"):
        find_images(photo.resize((7, 9))).load(0)
    file = BytesIO()
    photo.save(file, "TIFF", save_all=True, append_images=[ImageOps.invert(photo)])
    pages = Image.open(file)
    assert find_images(pages).load(0).decode().tobytes() == photo.tobytes()
    pages.seek(1)
    assert find_images(pages).load(0).decode().tobytes() == ImageOps.invert(photo).tobytes()


def test_a_file_that_was_closed_is_refused_in_one_line(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        images = find_images(opened)
    with pytest.raises(ImageError, match=r"^truncated or damaged: "):
        images.load(0)


def test_damaged_pictures_are_refused_in_one_line(photo: Image.Image) -> None:
    file = BytesIO()
    photo.save(file, "PNG")
    opened = Image.open(BytesIO(file.getvalue()[:-60]))
    with pytest.raises(ImageError, match=r"^truncated or damaged: "):
        find_images(opened).load(0).decode()


def test_many_threads_read_one_opened_image(tmp_path: Path, photo: Image.Image) -> None:
    photo.resize((400, 300)).save(tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as opened, ThreadPoolExecutor(4) as pool:
        images = find_images([opened] * 40)
        seen = set(pool.map(lambda i: images.load(i).decode().tobytes(), range(40)))
    assert len(seen) == 1


def test_sets_of_pictures_can_be_pickled(photo: Image.Image) -> None:
    images = pickle.loads(pickle.dumps(find_images([photo])))
    assert images.load(0).decode().tobytes() == photo.tobytes()
