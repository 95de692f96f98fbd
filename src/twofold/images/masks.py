"""The masks that a user gives: one for all images, or a folder with one for each by its name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError, ImageError, ImageSourceError, shown
from twofold.images.decode import decode
from twofold.images.mask import Mask
from twofold.images.paths import find_paths
from twofold.images.reading import display_name, read_file

__all__ = ["MaskInput", "Masks"]

MaskInput: TypeAlias = str | os.PathLike[str] | NDArray[Any]
"""A picture, a folder of pictures, or an array (h, w) of truth values or uint8."""

Flags = NDArray[np.bool_]

# Below it a grey means: leave this out.
_MIDDLE = 128
# Grids that are kept at a time, of up to 16 KB.
_MOST_KNOWN = 10_000


@dataclass(frozen=True, eq=False)
class Masks:
    """One mask for all images, or the files of a folder by the names of their images.

    Attributes:
        one: for all images; None where they go by name.
        files: name without folder and suffix -> path.
        folder: where these are.
    """

    one: Mask | None = None
    files: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    _known: dict[tuple[str, tuple[int, int]], Flags] = field(default_factory=dict, repr=False)

    @classmethod
    def find(cls, given: MaskInput) -> Masks:
        """The masks that a user gives.

        Args:
            given: the path of a picture, whose grey below 128 is left out; of a folder of such
                pictures, called like their images but for the suffix; or an array (h, w), bool
                (True is looked at) or uint8 (128 and more is).

        Raises:
            ConfigError: none of these, unreadable, or it leaves nothing to look at; or a folder
                without pictures, or with two of one name.
        """
        if isinstance(given, np.ndarray):
            return cls(_of_array(given))
        if not isinstance(given, str | os.PathLike) or not isinstance(os.fspath(given), str):
            raise ConfigError(
                "mask must be the path of a picture or folder, or an array (h, w) of truth values "
                f"or uint8, not {shown(given)}"
            )
        path = os.fspath(given)
        if not os.path.isdir(path):  # noqa: PTH112 - a path as the user wrote it
            return cls(_read(path))
        try:
            found = find_paths(path)
        except ImageSourceError as error:
            raise ConfigError(f"mask: {error}") from error
        files: dict[str, str] = {}
        for file in found:
            other = files.setdefault(_stem(display_name(file)), file)
            if other != file:
                raise ConfigError(
                    f"mask: two files for one name, {display_name(other)} and {display_name(file)}"
                )
        return cls(files=files, folder=display_name(path))

    @property
    def by_name(self) -> bool:
        """Whether each image has its own."""
        return self.one is None

    def of(self, name: str) -> Mask | None:
        """The mask of an image; None if it has none, and is looked at whole.

        Raises:
            ConfigError: its file cannot be used.
        """
        if self.one is not None:
            return self.one
        path = self.files.get(_stem(name))
        return None if path is None else _read(path)

    def places(self, name: str, grid: tuple[int, int]) -> Flags:
        """The places of a grid at which an image is looked at; see :meth:`Mask.places`.

        A mask is read once for each grid, of up to 10,000 images.
        """
        key = ("" if self.one is not None else _stem(name), grid)
        found = self._known.get(key)
        if found is None:
            mask = self.of(name)
            found = np.ones(grid, dtype=np.bool_) if mask is None else mask.places(grid)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = found
        return found

    def fresh(self) -> Masks:
        """The same masks, whose files are read again."""
        return replace(self, _known={})

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """Say how many of some images have no mask, in one line or none."""
        bare = [name for name in names if self.by_name and _stem(name) not in self.files]
        if not bare:
            return ()
        return (
            f"{len(bare)} of {len(names)} image(s) have no mask in {self.folder} and are looked at "
            f"whole (first: {bare[0]})",
        )


def _stem(name: str) -> str:
    return PurePath(name).stem


def _of_array(array: NDArray[Any]) -> Mask:
    if array.ndim != 2 or array.dtype not in (np.bool_, np.uint8) or not array.size:
        raise ConfigError(
            f"mask is an array of {array.dtype} of shape {array.shape}: give truth values or uint8 "
            "of shape (h, w)"
        )
    looked_at = array.copy() if array.dtype == np.bool_ else array >= _MIDDLE
    return _checked(Mask("", looked_at))


def _read(path: str) -> Mask:
    name = display_name(path)
    try:
        grey = np.asarray(decode(read_file(path)).convert("L"))
    except ImageError as error:
        raise ConfigError(f"mask {name}: {error}") from error
    return _checked(Mask(name, grey >= _MIDDLE))


def _checked(mask: Mask) -> Mask:
    if not mask.looked_at.any():
        raise ConfigError(
            f"{mask.called} is empty: all of it is darker than {_MIDDLE} of 255, and leaves "
            "nothing to look at"
        )
    return mask
