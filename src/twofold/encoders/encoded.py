"""Images as a frozen encoder sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.disk_rows import DiskRows
from twofold.encoders.lazy import LazyRows
from twofold.encoders.originals import Originals
from twofold.errors import ConfigError
from twofold.images import Problem

__all__ = ["EncodedImages", "LazyRows"]


@dataclass(frozen=True)
class EncodedImages:
    """Images as a frozen encoder sees them: row i of every array belongs to ``names[i]``.

    Attributes:
        names: of the usable images, in the order they were given.
        digests: hex sha256 of each image's content.
        arrays: output name (:func:`twofold.encoders.engine.output_names`, ``pixels``) -> (n, ...),
            float32 but for the pixels; those made on demand or kept on disk are :class:`LazyRows`.
        kept: int64 (n,), positions among the images as they were given.
        problems: the unusable images.
        groups: int64 (n,), equal for images that are no independent draws (copies, frames of one
            scene, one part seen often); None where only copies of a file are known.
        originals: the images themselves; None where nobody can look at them again.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    arrays: dict[str, NDArray[np.float32]] = field(repr=False)
    kept: NDArray[np.int64] = field(repr=False)
    problems: tuple[Problem, ...] = ()
    groups: NDArray[np.int64] | None = field(default=None, repr=False)
    originals: Originals | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, output: str) -> NDArray[np.float32]:
        found = self.rows(output)
        return found[:] if isinstance(found, DiskRows) else found

    def rows(self, output: str) -> NDArray[np.float32]:
        """Like ``self[output]``, but rows that are kept on disk stay there until asked for.

        Raises:
            ConfigError: there is no such output.
        """
        if output not in self.arrays:
            raise ConfigError(f"these images were encoded without the output {output!r}")
        return self.arrays[output]

    def subset(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> EncodedImages:
        """The given rows, in the given order; ``problems`` stay with the whole."""
        index = np.arange(len(self))[rows]
        return EncodedImages(
            names=tuple(self.names[i] for i in index),
            digests=tuple(self.digests[i] for i in index),
            arrays={name: _select(array, index) for name, array in self.arrays.items()},
            kept=self.kept[index],
            groups=None if self.groups is None else self.groups[index],
            originals=None if self.originals is None else self.originals.subset(index),
        )

    def also_as(self, outputs: Sequence[str]) -> EncodedImages:
        """The same images with these outputs besides those they have; see :meth:`seen_as`."""
        if all(name in self.arrays for name in outputs):
            return self
        return self.seen_as((*self.arrays, *outputs))

    def seen_as(self, outputs: Sequence[str]) -> EncodedImages:
        """The same images with these outputs; what is not there yet is encoded now.

        Args:
            outputs: their names.

        Raises:
            ConfigError: the images cannot be looked at again.
            ImageSourceError: an image has changed or gone meanwhile.
        """
        missing = [name for name in outputs if name not in self.arrays]
        arrays = dict(self.arrays)
        if missing:
            if self.originals is None:
                raise ConfigError(f"these images were encoded without the output {missing[0]!r}")
            arrays |= self.originals.encode(missing, self.digests)
        return replace(self, arrays={name: arrays[name] for name in dict.fromkeys(outputs)})

    def looked_at(self, output: str) -> NDArray[np.bool_] | None:
        """Places of a patch output at which each image is looked at, bool (n, g * h).

        Args:
            output: of shape (n, c, g, h); its places row by row.

        Returns:
            None if every image is looked at whole.

        Raises:
            ConfigError: a mask cannot be used, or leaves no place.
        """
        if self.originals is None or not len(self):
            return None
        rows, columns = self.rows(output).shape[2:]
        return self.originals.looked_at((rows, columns))

    def grouping(self) -> NDArray[np.int64]:
        """A group for each image, int64 (n,): ``groups``, or copies of one file together."""
        if self.groups is not None:
            return self.groups
        _, same = np.unique(np.array(self.digests, dtype=np.str_), return_inverse=True)
        return np.asarray(same, dtype=np.int64)


def _select(array: NDArray[np.float32], index: NDArray[np.intp]) -> NDArray[np.float32]:
    if isinstance(array, LazyRows):
        return cast(NDArray[np.float32], array.select(index))
    return array[index]
