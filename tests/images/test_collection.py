from __future__ import annotations

import hashlib
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet, find_images
from twofold.images.reading import MAX_FILE_BYTES


def test_load_reads_once_and_gives_digest_and_pixels(tmp_path: Path, photo: Image.Image) -> None:
    path = tmp_path / "a.png"
    photo.save(path)
    content = path.read_bytes()
    images = ImageSet.from_paths([path])
    assert images.read_bytes(0) == content
    loaded = images.load(0)
    path.unlink()
    assert loaded.digest == hashlib.sha256(content).hexdigest()
    assert loaded.decode().tobytes() == photo.tobytes()


def test_subset_keeps_names_and_order(tmp_path: Path) -> None:
    images = ImageSet.from_paths([tmp_path / name for name in "abc"])
    assert images.subset([2, 0]).names == (images.names[2], images.names[0])
    assert images.subset(np.array([1])).names == (images.names[1],)
    assert len(images.subset([])) == 0
    array = ImageSet.from_array(np.zeros((5, 8, 8), np.uint8))
    assert array.subset(np.flatnonzero([0, 1, 0, 0, 1])).names == ("array[1]", "array[4]")


def test_by_time_the_file_that_was_changed_first_comes_first(tmp_path: Path) -> None:
    for name, changed in (("a", 30), ("b", 10), ("c", 20), ("d", 10)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (changed, changed))
    images = ImageSet.from_paths([tmp_path / name for name in ("gone", *"abcd")])
    found = [Path(name).name for name in images.by_time().names]
    assert found == ["b", "d", "c", "a", "gone"]
    array = ImageSet.from_array(np.zeros((2, 8, 8), np.uint8))
    assert images.joined(array).by_time().names[:2] == array.names


def test_every_bad_file_gets_its_reason(tmp_path: Path, support: ModuleType) -> None:
    words = support.write_bad_files(tmp_path)
    images = find_images(tmp_path)
    assert len(words) == len(images) == 12
    for index, name in enumerate(images.names):
        with pytest.raises(ImageError, match=words[Path(name).name]) as caught:
            images.load(index).decode()
        assert "\n" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


def test_pipes_devices_and_folders_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe.png")
    images = ImageSet.from_paths([tmp_path / "pipe.png", tmp_path / "link.png", "/dev/zero"])
    for index in range(3):
        with pytest.raises(ImageError, match=r"^not a regular file$"):
            images.load(index)
    with pytest.raises(ImageError, match=r"^a folder, not a file$"):
        ImageSet.from_paths([tmp_path]).load(0)


def test_refused_files_leave_no_descriptor_open(tmp_path: Path) -> None:
    images = ImageSet.from_paths([tmp_path, "/dev/zero", tmp_path / "gone"])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for index in range(3):
        with pytest.raises(ImageError):
            images.load(index)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ImageError, match="more than the limit"):
        ImageSet.from_paths([path]).load(0)


def test_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "a.png").write_bytes(b"x")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match=r"^cannot be read: Permission denied$"):
        ImageSet.from_paths([tmp_path / "a.png"]).load(0)


def test_impossible_path() -> None:
    with pytest.raises(ImageError, match="not a possible path"):
        ImageSet.from_paths(["a\0b.png"]).load(0)


def test_colour_array(photo: Image.Image) -> None:
    array = np.stack([np.asarray(photo), 255 - np.asarray(photo)])
    images = ImageSet.from_array(array)
    assert images.names == ("array[0]", "array[1]")
    for index in range(2):
        assert np.array_equal(np.asarray(images.load(index).decode()), array[index])


@pytest.mark.parametrize("shape", [(2, 32, 48), (2, 32, 48, 1)])
def test_grey_array(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image = ImageSet.from_array(array).load(1).decode()
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.repeat(array[1].reshape(32, 48, 1), 3, 2))


def test_array_that_is_not_contiguous(photo: Image.Image) -> None:
    array = np.stack([np.asarray(photo)] * 4)[::2, ::-1, :, ::-1]
    loaded = ImageSet.from_array(array).load(1)
    assert np.array_equal(np.asarray(loaded.decode()), array[1])
    assert loaded.digest == ImageSet.from_array(array.copy()).load(1).digest


def test_array_digest_covers_shape_and_pixels() -> None:
    def digest(array: NDArray[Any]) -> str:
        return ImageSet.from_array(array).load(0).digest

    plain = np.zeros((1, 8, 24, 3), np.uint8)
    changed = plain.copy()
    changed[0, 0, 0, 0] = 1
    digests = {digest(a) for a in (plain, changed, plain.reshape(1, 24, 8, 3))}
    assert len(digests) == 3
    assert digest(plain) == digest(plain.copy())


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 32, 32, 3), int), r"int64 of shape \(2, 32, 32, 3\): give uint8 of shape"),
        (np.zeros((2, 32, 32), bool), "an array of bool of shape .*: give uint8"),
        (np.full((2, 32, 32, 3), 255.0), "from 0 to 255: bring them to 0..1"),
        (np.full((2, 32, 32, 3), np.nan), "not finite: replace them"),
        (np.zeros((2, 3, 32, 32), np.uint8), r"uint8 of shape \(2, 3, 32, 32\): give"),
        (np.zeros((2, 32, 32, 2), np.uint8), "give uint8"),
        (np.zeros(32, np.uint8), "give uint8"),
        (np.array(["a.png"]), "give uint8"),
        (np.zeros((0, 32, 32, 3), np.uint8), "holds no images"),
        (np.zeros((32, 7, 3), np.uint8), "7 x 32 pixels: smaller than 8 on a side"),
        (np.zeros((32, 32, 5), np.uint8), "give uint8"),
    ],
)
def test_unusable_arrays(array: NDArray[Any], message: str) -> None:
    with pytest.raises(ImageSourceError, match=message):
        ImageSet.from_array(array)


def test_image_sets_can_be_pickled(tmp_path: Path) -> None:
    for images in (
        ImageSet.from_paths([tmp_path / "a.png"]),
        ImageSet.from_array(np.zeros((2, 8, 8, 3), np.uint8)),
    ):
        assert pickle.loads(pickle.dumps(images)).names == images.names


def test_many_threads_agree_with_one(tmp_path: Path, photo: Image.Image) -> None:
    for i in range(40):
        photo.rotate(i).save(tmp_path / f"{i:02}.jpg")
    images = find_images(tmp_path)

    def work(index: int) -> tuple[str, bytes]:
        loaded = images.load(index)
        return loaded.digest, loaded.decode().tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(40))) == [work(i) for i in range(40)]
