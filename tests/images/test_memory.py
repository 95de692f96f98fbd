"""Images in memory: the same picture gives the same pixels, however it is given."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.images.writers import png16
from torch.utils.data import Dataset, TensorDataset

from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet, find_images


def decoded(images: Any, index: int = 0) -> NDArray[np.uint8]:
    return np.asarray(find_images(images).load(index).decode())


def noise(*shape: int, dtype: type[np.unsignedinteger] = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


SHAPES = [(20, 30), (20, 30, 1), (20, 30, 3), (20, 30, 4)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_image_is_the_batch_of_one(
    shape: tuple[int, ...], dtype: type[np.unsignedinteger]
) -> None:
    array = noise(*shape, dtype=dtype)
    one, batch, listed = find_images(array), find_images(array[None]), find_images([array])
    assert one.names == batch.names == listed.names == ("array[0]",)
    for images in (batch, listed):
        assert np.array_equal(decoded(images), decoded(one))
        assert images.load(0).digest == one.load(0).digest


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_floats_from_0_to_1_are_the_bytes_they_come_from(
    shape: tuple[int, ...], dtype: type[np.floating]
) -> None:
    array = noise(*shape)
    assert np.array_equal(decoded((array / 255).astype(dtype)), decoded(array))


def test_arrays_of_different_sizes() -> None:
    arrays = [noise(20, 30, 3), noise(40, 10), noise(9, 9, 4), noise(16, 16, 3) / 255.0]
    images = find_images(arrays)
    assert images.names == ("array[0]", "array[1]", "array[2]", "array[3]")
    assert [images.load(i).decode().size for i in range(4)] == [
        (30, 20),
        (10, 40),
        (9, 9),
        (16, 16),
    ]


def test_alpha_of_an_array_is_over_white() -> None:
    array = noise(20, 30, 4)
    array[:10, :, 3], array[10:, :, 3] = 0, 255
    rgb = decoded(array)
    assert (rgb[:10] == 255).all()
    assert np.array_equal(rgb[10:], array[10:, :, :3])


def test_16_bit_arrays_in_either_byte_order_and_depth() -> None:
    values = noise(3, 20, 30, dtype=np.uint16) % 4096
    images = find_images(values).at_depth(12)
    expected = np.floor(values[1] * (255 / 4095) + 0.5)
    assert np.array_equal(decoded(images, 1)[..., 0], expected)
    swapped = find_images(values.astype(">u2")).at_depth(12)
    assert np.array_equal(decoded(swapped, 1), decoded(images, 1))
    assert swapped.load(1).digest == images.load(1).digest


def test_the_depth_belongs_to_the_set_and_to_the_digest_of_deep_images_alone() -> None:
    deep, shallow = find_images(noise(3, 20, 30, dtype=np.uint16)), find_images(noise(3, 20, 30))
    assert deep.bit_depth is None
    assert deep.at_depth(12).subset([1]).bit_depth == 12
    assert deep.at_depth(12).at_depth(None).bit_depth is None
    assert find_images(deep.at_depth(12)).bit_depth == 12
    digests = [deep.at_depth(d).load(0).digest for d in (None, 16, 12, 10)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert shallow.at_depth(12).load(0).digest == shallow.load(0).digest


def test_the_depth_is_part_of_the_digest_of_deep_files(tmp_path: Path, photo: Image.Image) -> None:
    (tmp_path / "a.png").write_bytes(png16(noise(20, 30, dtype=np.uint16)))
    photo.save(tmp_path / "b.png")
    images = find_images(tmp_path)
    assert images.load(0).digest != images.at_depth(12).load(0).digest
    assert images.load(1).digest == images.at_depth(12).load(1).digest


@pytest.mark.parametrize(
    "form",
    [
        lambda a: torch.from_numpy(a).permute(0, 3, 1, 2),
        lambda a: torch.from_numpy(a).permute(0, 3, 1, 2).float() / 255,
        lambda a: [torch.from_numpy(x).permute(2, 0, 1) for x in a],
        lambda a: TensorDataset(torch.from_numpy(a).permute(0, 3, 1, 2), torch.zeros(len(a))),
        list,
        lambda a: (x for x in a),
        lambda a: [Image.fromarray(x) for x in a],
        lambda a: [Image.fromarray(x) if i else x for i, x in enumerate(a)],
        lambda a: np.concatenate([a, np.full((*a.shape[:3], 1), 255, np.uint8)], axis=3),
    ],
)
def test_every_form_gives_the_same_pixels(form: Callable[[Any], Any]) -> None:
    array = noise(3, 20, 30, 3)
    images = find_images(form(array))
    assert len(images) == 3
    for i in range(3):
        assert np.array_equal(decoded(images, i), array[i])


@pytest.mark.parametrize("shape", [(4, 1, 20, 30), (1, 20, 30), (20, 30)])
def test_grey_tensors(shape: tuple[int, ...]) -> None:
    array = noise(*shape)
    assert np.array_equal(decoded(torch.from_numpy(array))[..., 2], array.reshape(-1, 20, 30)[0])


def test_a_tensor_that_learns_and_one_of_16_bits() -> None:
    tensor = torch.rand(2, 3, 20, 30, requires_grad=True)
    assert len(find_images(tensor)) == 2
    deep = torch.full((3, 20, 30), 4095, dtype=torch.uint16)
    assert (decoded(find_images(deep).at_depth(12)) == 255).all()


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (
            torch.zeros(2, 20, 30, 3),
            r"of shape \(2, 20, 30, 3\): give n x 3 x h x w.*permute",
        ),
        (torch.zeros(5, 20, 30), "a tensor of shape .*n x 1 x h x w for grey"),
        (torch.randn(2, 3, 20, 30), "bring them to 0..1 .undo a normalisation"),
        (torch.zeros(3, 20, 30, dtype=torch.bfloat16), "torch.bfloat16 cannot become an array"),
        (torch.zeros(3, 20, 30, dtype=torch.int64), "an array of int64 .*: give uint8"),
        (torch.zeros(0, 3, 20, 30), "holds no images"),
        (torch.tensor(1.0), "a tensor of shape"),
    ],
)
def test_unusable_tensors(tensor: torch.Tensor, message: str) -> None:
    with pytest.raises(ImageSourceError, match=message) as caught:
        find_images(tensor)
    assert "\n" not in str(caught.value)


class Mixed(Dataset[Any]):
    """Items of every kind, some of them bad."""

    def __init__(self, path: Path) -> None:
        self.path, self.reads = path, 0

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        with Image.open(self.path) as image:
            array = np.asarray(image)
        if index == 6:
            raise KeyError("no such\nrow")
        return [
            self.path,
            str(self.path),
            Image.open(BytesIO(self.path.read_bytes())),
            array,
            (torch.from_numpy(array.copy()).permute(2, 0, 1), 1),
            (array / 255, {"label": 0}),
            None,
            {"image": array},
            array.astype(int),
        ][index]


def test_a_data_set_is_read_item_by_item(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "a.png")
    dataset = Mixed(tmp_path / "a.png")
    images = find_images(dataset)
    assert dataset.reads == 0
    assert images.names == tuple(f"image[{i}]" for i in range(9))
    for i in range(6):
        assert np.array_equal(decoded(images, i), np.asarray(photo))
    assert dataset.reads == 6
    for i, message in (
        (6, "^the data set fails on this item: 'no such"),
        (7, "^an item of type dict: have the data set return a path, PIL image, array"),
        (8, "^an array of int64 of shape"),
    ):
        with pytest.raises(ImageError, match=message) as caught:
            images.load(i)
        assert "\n" not in str(caught.value)


def test_a_data_set_without_items() -> None:
    with pytest.raises(ImageSourceError, match=r"^the data set of images is empty$"):
        find_images(TensorDataset(torch.zeros(0, 3, 20, 30)))


class NotThreadSafe:
    """Fails if two threads read it at once."""

    def __init__(self) -> None:
        self.busy = False

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        assert not self.busy
        self.busy = True
        array = np.full((20, 30, 3), index, np.uint8)
        self.busy = False
        return array


def test_a_data_set_is_read_by_one_thread_at_a_time() -> None:
    images = find_images(NotThreadSafe())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: decoded(images, i)[0, 0, 0], range(40)))
    assert found == list(range(40))


def test_arrays_are_not_copied() -> None:
    array = noise(2, 20, 30, 3)
    images = ImageSet.from_array(array)
    pixels = images.load(1).pixels
    assert isinstance(pixels, np.ndarray)
    assert np.shares_memory(pixels, array)
