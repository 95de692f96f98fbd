"""Telling apart all the forms in which images are given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from io import IOBase
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.errors import ImageSourceError
from twofold.images.collection import ImageSet
from twofold.images.loaded import Item
from twofold.images.memory import (
    ImageDataset,
    Tensor,
    dataset_items,
    is_numeric,
    is_tensor,
    single_item,
    tensor_items,
)
from twofold.images.paths import find_paths
from twofold.images.remote import file_items
from twofold.images.tables import column_values, is_table, table_paths

__all__ = ["ImageInput", "OneImage", "find_images"]

OneImage: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[Any] | Tensor
"""What an element of a list may be."""

ImageInput: TypeAlias = OneImage | Iterable[OneImage] | ImageDataset | ImageSet
"""All that `find_images` takes."""

_EXPECTED = (
    "give a folder, file, glob, manifest, list of paths, PIL images or arrays, an array, a tensor, "
    "a data frame or a data set"
)


def find_images(images: ImageInput) -> ImageSet:
    """Find the images that `images` stands for, without decoding any.

    `images` is one of

    - a folder, searched recursively in sorted order; hidden files and folders are skipped, links
      to folders followed, each folder once;
    - an image file, or a glob (`**` for any folders) whose matches are sorted;
    - the address of any of these, as s3://bucket/folder, gs://..., https://... or file:///...;
    - a `.csv`, `.tsv`, `.txt`, `.parquet` or `.pq` manifest: a column `path`, `file`, `filename`,
      `filepath`, `image_path` or `image`, or one path a line; relative to its own folder, then to
      the working folder;
    - an array of shape (n, h, w, 3), (n, h, w, 4) with alpha, (n, h, w, 1) or (n, h, w), or of one
      image, (h, w), (h, w, 1), (h, w, 3) or (h, w, 4): uint8, uint16 or floats from 0 to 1;
    - a tensor of shape n x 3 x h x w, n x 1 x h x w, 3 x h x w or 1 x h x w, alike;
    - a PIL image;
    - a table: a data frame of pandas or polars, a table or record batch of Arrow, with a column of
      paths as a manifest has; relative to the working folder;
    - a list, tuple, generator or other iterable of paths, PIL images, arrays and tensors of one
      image each, also mixed; a set of paths, which is sorted; an array of paths; a column of
      pandas, polars or Arrow. A file listed by name is kept even if it does not exist or is no
      image: it then fails when it is loaded. Folders, globs and manifests may be listed too;
    - a data set of PyTorch, or anything else with a length and items by number: a path, PIL image,
      array or tensor, or a tuple that starts with one. An item is read when it is needed, one at
      a time;
    - an `ImageSet`, returned as it is.

    Raises ImageSourceError, in one line, if there is nothing there or it cannot be read or told
    what it is; MissingExtraError for a Parquet manifest without pyarrow.
    """
    if isinstance(images, ImageSet):
        return images
    if isinstance(images, str | os.PathLike):
        return ImageSet.from_paths(find_paths(_path(images)))
    if is_numeric(images):
        return ImageSet.from_array(np.asarray(images))
    if is_table(images):
        return ImageSet.from_paths(table_paths(images))
    return ImageSet(_in_memory(images))


def _in_memory(images: Any) -> tuple[Item, ...]:
    if is_tensor(images):
        return tensor_items(images)
    listed = [images] if isinstance(images, Image.Image) else _listed(images)
    if listed is None:
        return _of_dataset(images)
    if not listed:
        raise ImageSourceError("the list of images is empty")
    return _items(listed)


def _listed(images: Any) -> list[Any] | None:
    """Return the elements of whatever is a list; None for what is read item by item."""
    kind = type(images).__name__
    values = column_values(images)
    if values is not None:
        return values
    if isinstance(images, np.ndarray):
        if images.ndim != 1:
            raise ImageSourceError(
                f"an array of {images.dtype} of shape {images.shape}: paths must have shape (n,)"
            )
        return list(images.tolist())
    if isinstance(images, Mapping):
        raise ImageSourceError(f"images of type {kind}: give its values, as list(images.values())")
    if isinstance(images, IOBase):
        raise ImageSourceError(f"images of type {kind}: give the path in place of an open file")
    if isinstance(images, bytes | bytearray | memoryview):
        raise ImageSourceError(f"images of type {kind}: {_EXPECTED}")
    if isinstance(images, Set) and all(isinstance(item, str | os.PathLike) for item in images):
        return sorted(images, key=os.fspath)
    if isinstance(images, Sequence | Set) or not hasattr(images, "__getitem__"):
        return list(images) if isinstance(images, Iterable) else None
    return None


def _of_dataset(images: Any) -> tuple[Item, ...]:
    if not (hasattr(images, "__getitem__") and hasattr(images, "__len__")):
        raise ImageSourceError(f"images of type {type(images).__name__}: {_EXPECTED}")
    items = dataset_items(images)
    if not items:
        raise ImageSourceError("the data set of images is empty")
    return items


def _items(listed: Iterable[Any]) -> tuple[Item, ...]:
    found: list[str | Item] = []
    for position, value in enumerate(listed):
        if isinstance(value, str | os.PathLike):
            found.extend(find_paths(_path(value), listed=True))
            continue
        item = single_item(value, position)
        if item is None:
            raise ImageSourceError(
                f"{type(value).__name__} in place of a path, PIL image or array (element "
                f"{position} of the list)"
            )
        found.append(item)
    files = iter(file_items(one for one in found if isinstance(one, str)))
    return tuple(next(files) if isinstance(one, str) else one for one in found)


def _path(item: str | os.PathLike[str]) -> str:
    path = os.fspath(item)
    if not isinstance(path, str):
        raise ImageSourceError(f"{type(path).__name__} in place of a path to images")
    if not path:
        raise ImageSourceError("an empty path in place of a path to images")
    return path
