"""What is given, cut into shards: lists of paths, and Parquet files of paths or of bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from typing import Protocol

from twofold.cluster.parquet_rows import ParquetRows
from twofold.errors import UsageError
from twofold.images import ImageSet
from twofold.images.paths import find_paths
from twofold.parquet import is_parquet

__all__ = ["Paths", "Shard", "Source", "find_sources", "listing_sha256", "shards_of"]


class Source(Protocol):
    """Images in an order that does not change, of which any range can be read for itself."""

    def __len__(self) -> int:
        """Images."""

    def identity(self) -> Iterator[str]:
        """Texts that tell the list of images from another."""

    def part(self, start: int, stop: int) -> Source:
        """What a worker needs to read a range: no more than that is sent to it."""

    def images(self) -> ImageSet:
        """All of them, not decoded yet; raises ImageSourceError."""


@dataclass(frozen=True)
class Paths:
    """Files by name."""

    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def identity(self) -> Iterator[str]:
        """The paths."""
        return iter(self.paths)

    def part(self, start: int, stop: int) -> Paths:
        """Some of the paths."""
        return Paths(self.paths[start:stop])

    def images(self) -> ImageSet:
        """The files, none of which is looked at before it is loaded."""
        return ImageSet.from_paths(self.paths)


def find_sources(images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Source]:
    """Find images without decoding any.

    Args:
        images: folders, files, globs and manifests as :func:`twofold.images.find_images` takes
            them; also Parquet files with a column of bytes, folders with Parquet files, and globs
            that end in ``.parquet`` or ``.pq``. All processes must find the files under these
            names.

    Raises:
        ImageSourceError: nothing there, or it cannot be read.
        UsageError: images in memory.
    """
    given = [images] if isinstance(images, str | os.PathLike) else list(images)
    if not given or not all(isinstance(one, str | os.PathLike) for one in given):
        raise UsageError("images for several processes are given as paths: folders, files, globs")
    sources: list[Source] = []
    found: list[str] = []
    for path in [os.fspath(one) for one in given]:
        tables = _tables(path)
        if not tables:
            found += find_paths(path, listed=len(given) > 1)
            continue
        if found:
            sources.append(Paths(tuple(found)))
            found = []
        sources += map(ParquetRows.find, tables)
    return [*sources, Paths(tuple(found))] if found else sources


def _tables(path: str) -> list[str]:
    """The Parquet files that a path stands for; none where it stands for images."""
    if is_parquet(path) and not os.path.isdir(path):  # noqa: PTH112
        if os.path.lexists(path):
            return [path]
        return sorted(glob(path, recursive=True))  # noqa: PTH207 - as the user wrote it
    if not os.path.isdir(path):  # noqa: PTH112
        return []
    names = sorted(os.listdir(path))  # noqa: PTH208
    kept = [name for name in names if name[0] not in "._" and is_parquet(name)]
    return [os.path.join(path, name) for name in kept]  # noqa: PTH118


@dataclass(frozen=True)
class Shard:
    """Some of the images, in their order.

    Attributes:
        number: from 0.
        start: the first image among all.
        source: the images.
    """

    number: int
    start: int
    source: Source

    @property
    def name(self) -> str:
        """Of the file with its results."""
        return self.file_name(self.number)

    @staticmethod
    def file_name(number: int) -> str:
        """Of the file with the results of a shard."""
        return f"part-{number:06}.parquet"


def shards_of(sources: Sequence[Source], rows: int) -> Iterator[Shard]:
    """The shards of so many images each, always the same for the same sources; made when asked for.

    Args:
        sources: in order; none of the shards goes over the end of one.
        rows: images a shard, >= 1.
    """
    number = start = 0
    for source in sources:
        for first in range(0, len(source), rows):
            last = min(first + rows, len(source))
            yield Shard(number, start + first, source.part(first, last))
            number += 1
        start += len(source)


def listing_sha256(sources: Sequence[Source]) -> str:
    """Hex digest of the list of images."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{type(source).__name__} {len(source)}\n".encode())
        for text in source.identity():
            digest.update(text.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()
