"""An ordered collection of named images that are read and decoded one at a time."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.errors import ImageError, ImageSourceError
from twofold.images.colour import to_rgb
from twofold.images.decode import check_size, decode

__all__ = ["ImageSet", "LoadedImage", "Problem", "display_name", "read_file"]

MAX_FILE_BYTES: Final = 2**30
"""No photograph comes near 1 GiB; a file beyond it is a mistake that would fill the memory."""


@dataclass(frozen=True)
class Problem:
    """One unusable image.

    `path` is the image's name as `ImageSet.names` gives it, `reason` one line for the user.
    """

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """The content of one image, read but not decoded.

    `content` is the file's bytes, or for an array a header of dtype and shape before the pixels.
    `pixels` is None for a file, else the (h, w, 3) or (h, w) uint8 array itself.
    """

    content: bytes
    pixels: NDArray[np.uint8] | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    def decode(self, min_side: int | None = None) -> Image.Image:
        """Return the image as 8-bit RGB; see `twofold.images.decode` for `min_side` and errors.

        An array has nothing to gain from `min_side` and ignores it.
        """
        if self.pixels is None:
            return decode(self.content, min_side)
        return to_rgb(Image.fromarray(self.pixels))


class _Item(Protocol):
    @property
    def name(self) -> str: ...

    def load(self) -> LoadedImage: ...


@dataclass(frozen=True)
class _File:
    path: str

    @property
    def name(self) -> str:
        return display_name(self.path)

    def load(self) -> LoadedImage:
        return LoadedImage(read_file(self.path))


@dataclass(frozen=True, eq=False)
class _Row:
    name: str
    pixels: NDArray[np.uint8]

    def load(self) -> LoadedImage:
        shape = "x".join(map(str, self.pixels.shape))
        header = f"array {self.pixels.dtype} {shape}\n".encode()
        return LoadedImage(header + self.pixels.tobytes(), self.pixels)


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """An ordered, immutable collection of named images, none of them decoded yet.

    Build one with `find_images`, `from_paths` or `from_array`. Every method may be called from
    several threads at once.
    """

    _items: tuple[_Item, ...]

    @classmethod
    def from_paths(cls, paths: Iterable[str | os.PathLike[str]]) -> ImageSet:
        """Collect image files in the order given; none is looked at before it is loaded."""
        return cls(tuple(_File(os.fspath(path)) for path in paths))

    @classmethod
    def from_array(cls, array: NDArray[np.uint8]) -> ImageSet:
        """Collect the images of a uint8 array of shape (n, h, w, 3), (n, h, w, 1) or (n, h, w).

        The array is not copied: do not change it while the collection is in use.
        Raises ImageSourceError for any other dtype or shape, and for an empty array.
        """
        array = np.asarray(array)
        _check_array(array)
        if array.ndim == 4 and array.shape[3] == 1:
            array = array[..., 0]
        return cls(tuple(_Row(f"array[{i}]", pixels) for i, pixels in enumerate(array)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What to call each image: its path as found, always printable as UTF-8, or "array[12]"."""
        return tuple(item.name for item in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<ImageSet of {len(self)} images>"

    def load(self, index: int) -> LoadedImage:
        """Read the content of one image, once; raises ImageError with the reason if it cannot."""
        return self._items[index].load()

    def read_bytes(self, index: int) -> bytes:
        """Return the content that the digest of image `index` covers; raises ImageError."""
        return self.load(index).content

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> ImageSet:
        """Return the images at `indices`, in that order, under the names they have here."""
        return ImageSet(tuple(self._items[i] for i in indices))


def display_name(path: str) -> str:
    """Return `path` in a form that every UTF-8 output can print.

    A file name need not be valid text: its stray bytes are written as backslash escapes.
    """
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte: never a file's name
        return path.encode("utf-8", "backslashreplace").decode()


def read_file(path: str) -> bytes:
    """Return the bytes of a regular file; raises ImageError with a reason of one line.

    Never blocks on a pipe or a device, and reads at most 1 GiB.
    """
    try:
        with open(path, "rb", buffering=0, opener=_open_without_waiting) as file:
            _check_status(os.fstat(file.fileno()))
            return file.read()
    except IsADirectoryError:
        raise ImageError("a folder, not a file") from None
    except FileNotFoundError:
        dangling = os.path.islink(path)  # noqa: PTH114 -- one stat instead of a Path
        raise ImageError("dangling link" if dangling else "no such file") from None
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the path
        raise ImageError(f"not a possible path: {error}") from error


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a pipe waits for its writer unless told not to. Windows has neither such pipes nor
    # the flag.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_status(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a regular file")
    if status.st_size == 0:
        raise ImageError("empty file")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(f"{status.st_size} bytes: more than the limit of {MAX_FILE_BYTES}")


def _check_array(array: NDArray[Any]) -> None:
    shape_fits = array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))
    if array.dtype != np.uint8 or not shape_fits:
        raise ImageSourceError(
            f"an array of {array.dtype} of shape {array.shape}: give uint8 of shape (n, h, w, 3), "
            "or (n, h, w) for grey"
        )
    if array.size == 0:
        raise ImageSourceError(f"an array of shape {array.shape} holds no images")
    try:
        check_size(array.shape[2], array.shape[1])
    except ImageError as error:
        raise ImageSourceError(f"an array of shape {array.shape}: images of {error}") from None
