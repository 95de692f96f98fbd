from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base
from tests.images.writers import png16, tiff

from twofold.images import Survey, find_images, survey


def deep(folder: Path, name: str, top: int, **options: Any) -> None:
    values = np.random.default_rng(top).integers(0, top + 1, (40, 40)).astype(np.uint16)
    values[0, 0] = top
    content = tiff(values, **options) if name.endswith(".tif") else png16(values, **options)
    (folder / name).write_bytes(content)


def shallow(folder: Path, name: str, size: tuple[int, int] = (40, 40)) -> None:
    Image.linear_gradient("L").resize(size).save(folder / name)


def test_a_folder_of_8_bit_images_has_nothing_to_say(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "c.webp", "d.bmp", "e.tif"):
        shallow(tmp_path, name)
    assert survey(find_images(tmp_path)) == Survey(5, 0, 5, None, None, ())


@pytest.mark.parametrize(
    ("tops", "depth"),
    [((300, 1000), 10), ((900, 4095), 12), ((4000, 4096), 14), ((9000, 65535), 16)],
)
def test_bit_depth_of_a_set_is_the_least_that_holds_its_largest_value(
    tmp_path: Path, tops: tuple[int, ...], depth: int
) -> None:
    for i, top in enumerate(tops):
        deep(tmp_path, f"{i}.png", top)
        deep(tmp_path, f"{i}.tif", top, order=">", compressed=True)
    images = find_images(tmp_path)
    found = survey(images)
    assert (found.n, found.n_deep, found.n_shallow) == (4, 4, 0)
    assert (found.largest, found.bit_depth, found.notes) == (max(tops), depth, ())
    for i in range(4):
        images.at_depth(found.bit_depth).load(i).decode()


def test_bit_depth_is_not_looked_for_unless_asked(tmp_path: Path) -> None:
    deep(tmp_path, "a.png", 4095)
    shallow(tmp_path, "b.png")
    found = survey(find_images(tmp_path), find_depth=False)
    assert (found.n_deep, found.n_shallow, found.largest, found.bit_depth) == (1, 1, None, None)
    assert len(found.notes) == 1


def test_the_file_itself_may_state_the_depth(tmp_path: Path) -> None:
    deep(tmp_path, "a.png", 900, before=[(b"sBIT", b"\x0c")])
    deep(tmp_path, "b.png", 950)
    assert survey(find_images(tmp_path)).bit_depth == 12
    deep(tmp_path, "c.tif", 980, tags={281: [16383]})
    found = survey(find_images(tmp_path))
    assert (found.bit_depth, found.largest) == (14, 980)
    mixed = "mixed bit depths: the files state 12 bits in 1, 14 bits in 1; the largest is taken"
    assert mixed in found.notes


def test_packed_12_bit_tiff(tmp_path: Path) -> None:
    for name, top in (("a.tif", 100), ("b.tif", 4000)):
        deep(tmp_path, name, top, packed_12=True)
    found = survey(find_images(tmp_path))
    assert (found.bit_depth, found.largest, found.notes) == (12, 4000, ())


def test_8_bit_files_among_deeper_ones(tmp_path: Path) -> None:
    deep(tmp_path, "a.png", 4000)
    shallow(tmp_path, "b.png")
    shallow(tmp_path, "c.jpg")
    assert survey(find_images(tmp_path)).notes == (
        f"mixed bit depths: 2 images with 8 bits a channel and 1 with more (first of the fewer: "
        f"{tmp_path}/a.png); are they of one camera?",
    )


def test_deep_files_of_another_depth(tmp_path: Path) -> None:
    for i, top in enumerate((65535, 60000, 4095, 4000, 4096)):
        deep(tmp_path, f"{i}.png", top)
    (note,) = survey(find_images(tmp_path)).notes
    assert note == (
        "mixed bit depths: 2 images of 5 with more than 8 bits a channel stay below 1/16 of 65535, "
        f"the most that 16 bits hold (first: {tmp_path}/2.png): they look like another bit depth "
        "and are read nearly black"
    )


def test_8_bit_values_in_16_bit_files(tmp_path: Path) -> None:
    deep(tmp_path, "a.png", 255)
    (note,) = survey(find_images(tmp_path)).notes
    assert note.startswith("1 image with more than 8 bits a channel hold no value above 255")


def test_pages_and_small_images(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "a.tif", save_all=True, append_images=[photo])
    shallow(tmp_path, "b.png", (31, 200))
    shallow(tmp_path, "c.jpg", (200, 31))
    shallow(tmp_path, "d.png", (32, 32))
    *notes, shapes = survey(find_images(tmp_path)).notes
    assert notes == [
        f"1 image with several pages, of which the first is used (first: {tmp_path}/a.tif)",
        f"2 images smaller than 32 pixels on a side, which tells little (first: {tmp_path}/b.png)",
    ]
    assert shapes.startswith("mixed shapes: ")


def test_bad_files_are_not_counted(tmp_path: Path, support: ModuleType) -> None:
    support.write_bad_files(tmp_path)
    deep(tmp_path, "deep.png", 4000)
    deep(tmp_path, "half.png", 60000)
    (tmp_path / "half.png").write_bytes((tmp_path / "half.png").read_bytes()[:300])
    found = survey(find_images(tmp_path))
    assert (found.n, found.n_deep, found.n_shallow, found.bit_depth) == (14, 1, 2, 12)
    assert len(found.notes) == 1  # that of 8 bits and more; neither frames nor dots are counted


@pytest.mark.parametrize("shape", [(2, 40, 40), (2, 40, 40, 3), (40, 40, 3), (2, 40, 40, 4)])
def test_arrays(shape: tuple[int, ...]) -> None:
    values = np.full(shape, 2000, np.uint16)
    if shape[-1] == 4:
        values[..., 3] = 65535  # alpha has a range of its own
    found = survey(find_images(values))
    assert (found.n_deep, found.largest, found.bit_depth) == (found.n, 2000, 12)
    assert survey(find_images(values.astype(np.uint8))).n_shallow == found.n


class Items:
    """A data set that counts how often it is read."""

    def __init__(self, items: list[NDArray[np.uint16]]) -> None:
        self.items, self.reads = items, 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> NDArray[np.uint16]:
        self.reads += 1
        return self.items[index]


def test_items_of_a_data_set_are_read_for_their_depth_alone() -> None:
    items = Items([np.full((40, 40), top, np.uint16) for top in (100, 5000)])
    assert survey(find_images(items), find_depth=False) == Survey(2, 0, 0, None, None, ())
    assert items.reads == 0
    assert survey(find_images(items)).bit_depth == 14


def test_pictures_of_pillow(tmp_path: Path) -> None:
    deep(tmp_path, "a.png", 4000)
    with Image.open(tmp_path / "a.png") as opened:
        assert survey(find_images(opened)).bit_depth == 12
        opened.load()
        assert survey(find_images(opened)).bit_depth == 12


@pytest.mark.slow
def test_headers_are_cheap(tmp_path: Path) -> None:
    file = BytesIO()
    Image.effect_noise((400, 400), 60).convert("RGB").save(file, "JPEG")
    for i in range(1000):
        (tmp_path / f"{i}.jpg").write_bytes(file.getvalue())
    images = find_images(tmp_path)
    started = time.process_time()
    survey(images)
    assert time.process_time() - started < 1.0  # 150 us an image, with room for a busy machine


def saved(folder: Path, *sizes: tuple[int, int]) -> Path:
    """Grey pictures of these widths and heights."""
    for number, size in enumerate(sizes):
        Image.new("L", size, 90).save(folder / f"{number}.png")
    return folder


def test_mixed_shapes_are_counted_and_named(tmp_path: Path) -> None:
    found = survey(find_images(saved(tmp_path, *[(64, 48)] * 5, (128, 96), (48, 64), (200, 40))))
    assert found.shape == pytest.approx(4 / 3)
    (note,) = found.notes
    assert note.startswith("mixed shapes: 6 images like 64 x 48 pixels and 2 of other shapes")
    assert "6.png, 48 x 64)" in note


def test_one_shape_in_many_sizes_is_no_mixture(tmp_path: Path) -> None:
    sizes = [(64, 48), (128, 96), (65, 48), (1000, 760)]
    assert survey(find_images(saved(tmp_path, *sizes))).notes == ()


def test_a_lying_photograph_has_the_shape_that_it_is_seen_in(tmp_path: Path) -> None:
    image, exif = Image.new("RGB", (64, 48)), Image.Exif()
    exif[Base.Orientation] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    found = find_images(tmp_path)
    header = found.header(0)
    assert header is not None
    assert (header.width, header.height) == (48, 64) == found.load(0).decode().size
    assert survey(found).shape == pytest.approx(0.75)
