"""Images that are in memory: arrays, tensors, PIL images and the items of a data set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.errors import ImageError, ImageSourceError
from twofold.images.decode import one_line
from twofold.images.deep import DeepPixels
from twofold.images.depth import check_unit, unit_to_eight_bit
from twofold.images.loaded import FileItem, Header, Item, LoadedImage
from twofold.images.opening import MIN_SIDE, check_size
from twofold.images.picture import ONE_AT_A_TIME, PictureItem
from twofold.images.reading import display_name

__all__ = ["ImageDataset", "Tensor", "array_items", "dataset_items", "is_tensor", "single_item"]

_SHALLOW, _DEEP = np.dtype(np.uint8), np.dtype(np.uint16)
_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels
_EXPECTED: Final = (
    "give uint8 of shape (n, h, w, 3), or (n, h, w) for grey, or one image of (h, w, 3) or (h, w); "
    "4 channels end in alpha, and uint16 or floats from 0 to 1 will do too"
)


class Tensor(Protocol):
    """A tensor of PyTorch: n x 3 x h x w, n x 1 x h x w, 3 x h x w or 1 x h x w."""

    def detach(self) -> Any:
        """Return the tensor without its history."""


class ImageDataset(Protocol):
    """A data set of PyTorch, or whatever else gives its items by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class ArrayItem:
    """One image of an array: (h, w), (h, w, 3) or (h, w, 4) of uint8, uint16 or floats."""

    name: str
    pixels: NDArray[Any]

    def load(self) -> LoadedImage:
        """Read the pixels; raises ImageError for floats outside 0..1."""
        pixels = self.pixels.astype(self.pixels.dtype.newbyteorder("="), copy=False)
        shape = "x".join(map(str, pixels.shape))
        content = f"array {pixels.dtype} {shape}\n".encode() + pixels.tobytes()
        if pixels.dtype.kind == "f":
            return LoadedImage(content, unit_to_eight_bit(pixels))
        if pixels.dtype == _SHALLOW:
            return LoadedImage(content, pixels)
        mode = _MODES[pixels.shape[2] if pixels.ndim == 3 else 1]
        return LoadedImage(content, DeepPixels(pixels, mode))

    def header(self) -> Header:
        """Tell size and depth."""
        height, width = self.pixels.shape[:2]
        return Header(width, height, deep=self.pixels.dtype.newbyteorder("=") == _DEEP)


@dataclass(frozen=True, eq=False)
class DatasetItem:
    """One image of a data set, read whenever it is asked for."""

    dataset: ImageDataset
    index: int

    @property
    def name(self) -> str:
        """The place in the data set: items need not have names."""
        return f"image[{self.index}]"

    def load(self) -> LoadedImage:
        """Read the item; raises ImageError if the data set fails or it is no image."""
        return self._item().load()

    def header(self) -> Header:
        """Read the item and tell its size and depth."""
        return self._item().header()

    def _item(self) -> Item:
        try:
            with ONE_AT_A_TIME:
                value = self.dataset[self.index]
        except Exception as error:  # code of the user, which can fail in any way
            raise ImageError(f"the data set fails on this item: {one_line(error)}") from error
        if isinstance(value, tuple | list) and value:  # with its label behind it
            value = value[0]
        if isinstance(value, str | os.PathLike):
            return FileItem(os.fspath(value))
        try:
            item = single_item(value, self.index)
        except ImageSourceError as error:
            raise ImageError(str(error)) from None
        if item is None:
            raise ImageError(
                f"an item of type {type(value).__name__}: have the data set return a path, PIL "
                "image, array or tensor, or a tuple that starts with one"
            )
        return item


def array_items(array: NDArray[Any]) -> tuple[Item, ...]:
    """Return the images of an array of numbers; see `ImageSet.from_array`."""
    return tuple(ArrayItem(f"array[{i}]", pixels) for i, pixels in enumerate(_split(array)))


def tensor_items(tensor: Any) -> tuple[Item, ...]:
    """Return the images of a tensor with the channels before height and width."""
    return array_items(_as_array(tensor))


def dataset_items(dataset: ImageDataset) -> tuple[Item, ...]:
    """Return the images of a data set, none of which is read yet."""
    return tuple(DatasetItem(dataset, i) for i in range(len(dataset)))


def single_item(value: object, position: int) -> Item | None:
    """Return the image in memory that one element of a list is; None for anything else.

    Raises ImageSourceError for an array or tensor that is not one image.
    """
    if isinstance(value, Image.Image):
        name = getattr(value, "filename", "")
        named = isinstance(name, str | os.PathLike) and os.fspath(name)
        return PictureItem(display_name(str(name)) if named else f"image[{position}]", value)
    if is_tensor(value):
        value = _as_array(value)
    if not is_numeric(value):
        return None
    array: NDArray[Any] = np.asarray(value)
    images = _split(array)
    if len(images) != 1:
        raise ImageSourceError(
            f"an array of shape {array.shape} as element {position} holds {len(images)} images: "
            "give one image of (h, w, 3) or (h, w) each, or one array for all"
        )
    return ArrayItem(f"array[{position}]", images[0])


def is_tensor(value: object) -> bool:
    """Tell a tensor of PyTorch by its type, without importing PyTorch."""
    return type(value).__module__.split(".")[0].startswith("torch") and all(
        hasattr(value, name) for name in ("detach", "cpu", "numpy")
    )


def is_numeric(value: object) -> bool:
    """Tell whether a value is a numpy array that holds numbers, not paths or other objects."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "buifc"


def _as_array(tensor: Any) -> NDArray[Any]:
    shape = tuple(tensor.shape)
    try:
        array = np.asarray(tensor.detach().cpu().numpy())
    except Exception as error:  # bfloat16, sparse, quantised, on a device without memory, ...
        raise ImageSourceError(
            f"a tensor of {tensor.dtype} cannot become an array ({one_line(error)}): give uint8, "
            "or floats from 0 to 1"
        ) from error
    if len(shape) == 2:
        return array
    if len(shape) in {3, 4} and shape[-3] in _MODES:
        return np.moveaxis(array, -3, -1)
    raise ImageSourceError(
        f"a tensor of shape {shape}: give n x 3 x h x w, n x 1 x h x w for grey, or 3 x h x w (for "
        "channels last: permute, or give an array)"
    )


def _split(array: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the images of an array, each (h, w), (h, w, 3) or (h, w, 4)."""
    array = np.asarray(array)
    shape = array.shape
    if array.size == 0:
        raise ImageSourceError(f"an array of shape {shape} holds no images")
    if array.dtype.kind != "f" and array.dtype.newbyteorder("=") not in {_SHALLOW, _DEEP}:
        raise ImageSourceError(f"an array of {array.dtype} of shape {shape}: {_EXPECTED}")
    # No image is narrower than 8 pixels, so that a shorter last axis holds the channels.
    channels = array.ndim in {3, 4} and shape[-1] < MIN_SIDE
    if array.ndim == 2 or (array.ndim == 3 and channels):
        array = array[None]
    if array.ndim != (4 if channels else 3) or (channels and shape[-1] not in _MODES):
        channels_first = array.ndim == 4 and shape[1] in _MODES
        hint = " (channels first: transpose(0, 2, 3, 1))" if channels_first else ""
        raise ImageSourceError(f"an array of {array.dtype} of shape {shape}: {_EXPECTED}{hint}")
    try:
        check_size(array.shape[2], array.shape[1])
        if array.dtype.kind == "f":
            check_unit(array)
    except ImageError as error:
        raise ImageSourceError(f"an array of shape {shape}: images of {error}") from None
    return list(array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array)
