"""Densities of vectors that `embed --engine ray` has written, without having them in one memory.

What a Gaussian needs of its rows are their moments, and moments of parts add up to those of the
whole (:mod:`twofold.densities.moments`). What a bank of neighbours needs is a few rows that lie
near all others, and those are found among the few that each part sends on
(:func:`twofold.eyes.coreset.nested_coreset`). So each worker reads some of the files and sends on
what does not grow with the number of rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twofold.cluster.plan import MANIFEST
from twofold.cluster.running import on_actors
from twofold.cluster.session import workers_that_fit, workers_wanted
from twofold.cluster.tables import parquet_file
from twofold.densities import Moments, merged, power_normalise
from twofold.errors import ImageSourceError, NotEnoughImagesError, TwofoldError
from twofold.eyes.coreset import nested_coreset
from twofold.eyes.neighbours import nearest_squares

__all__ = ["Coreset", "StreamWorker", "vector_coreset", "vector_moments"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Wanted = Literal["moments", "coreset", "radius"]

# Vectors that are read at a time: 42 MB of 1,280 numbers.
_BLOCK = 4096
# Tasks a worker: enough that none waits long for the last one.
_TASKS = 4


@dataclass(frozen=True)
class Coreset:
    """A few rows that lie near all others.

    Attributes:
        rows: float32 (k, d), of the normalised vectors.
        radius: the largest distance of any vector to the nearest of them.
        n: vectors in all.
    """

    rows: Floats
    radius: float
    n: int


class StreamWorker:
    """Lives in a process of a cluster and reads some files at a time.

    Args:
        wanted: what is made of them.
        size: rows that a choice from one task's files has, for ``coreset``.
        seed: of the choice.
        centers: that distances are to, for ``radius``.
    """

    def __init__(
        self, wanted: Wanted, size: int = 0, seed: int = 0, centers: Floats | None = None
    ) -> None:
        self._wanted, self._size, self._seed, self._centers = wanted, size, seed, centers

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Names of files in, what is wanted of their vectors out."""
        (task,), (files,) = batch["task"], batch["files"]
        try:
            return {"task": [task], "found": [self._found(int(task), list(files))], "error": [""]}
        except TwofoldError as error:
            return {"task": [task], "found": [None], "error": [str(error)]}

    def _found(self, task: int, files: list[str]) -> Any:
        blocks = (rows for file in files for rows in _vectors(file))
        if self._wanted == "moments":
            # One after the other: a million matrices would not fit.
            parts = map(Moments.of, blocks)
            first = next(parts, None)
            return None if first is None else merged(chain([first], parts))
        singles = (rows.astype(np.float32) for rows in blocks)
        if self._wanted == "coreset":
            begin = next(singles, None)
            generator = np.random.default_rng([self._seed, task])
            if begin is None:
                return None
            return nested_coreset(chain([begin], singles), self._size, self._size, generator)
        assert self._centers is not None
        far = [float(nearest_squares(rows, self._centers).max()) for rows in singles]
        return max(far, default=0.0)


def _vectors(file: str) -> Iterator[Array]:
    """The vectors of a file, normalised as a detector does it; rows without one are left out."""
    with parquet_file(file) as opened:
        for batch in opened.iter_batches(_BLOCK, columns=["vector"]):
            column = batch.column("vector").drop_null()
            if len(column):
                flat = column.flatten().to_numpy(zero_copy_only=False)
                yield power_normalise(flat.reshape(len(column), -1))


def vector_moments(folder: str | Path, *, workers: int | None = None) -> Moments:
    """Moments of all vectors of a folder that ``embed --engine ray`` has finished.

    Of the power-normalised vectors, as the densities of whole images take them:
    ``twofold.densities.gaussian_of`` makes their shrunk Gaussian. But for rounding (a test holds it
    to 1e-6) they are the same whatever the shards and the workers are. Within :func:`ray_session`.

    Args:
        folder: of vectors.
        workers: at most so many; all that fit by default.

    Raises:
        ImageSourceError: no such folder, or one that is not finished.
        NotEnoughImagesError: no vector in it.
    """
    found = [part for part in _each(folder, ("moments",), workers) if part is not None]
    if not found:
        raise NotEnoughImagesError(f"{folder}: none of the images has a vector")
    return merged(found)


def vector_coreset(
    folder: str | Path, size: int, *, random_state: int = 0, workers: int | None = None
) -> Coreset:
    """Rows that lie near all vectors of such a folder: a coreset of the coresets of its parts.

    Each task sends on ``size`` rows, chosen greedily from its files; the result is chosen from all
    of these. A second pass measures the radius. By Gonzalez (1985) that of a greedy choice from all
    vectors in one memory is at most twice the least possible, and this one's at most the sum of
    two such, of a task's and of the last choice; but for the random projection on which choices are
    made. Within :func:`ray_session`.

    Args:
        folder: of vectors.
        size: rows wanted, >= 1.
        random_state: of the choices.
        workers: at most so many; all that fit by default.

    Raises:
        ImageSourceError: no such folder, or one that is not finished.
        NotEnoughImagesError: no vector in it.
    """
    each = _each(folder, ("coreset", size, random_state), workers)
    sent = [rows for rows in each if rows is not None]
    if not sent:
        raise NotEnoughImagesError(f"{folder}: none of the images has a vector")
    generator = np.random.default_rng(random_state)
    rows = nested_coreset([np.concatenate(sent)], size, size, generator)
    far = list(_each(folder, ("radius", size, random_state, rows), workers))
    return Coreset(rows, float(np.sqrt(max(far))), _n_vectors(folder))


def _each(folder: str | Path, arguments: tuple[Any, ...], workers: int | None) -> list[Any]:
    """What workers find in the parts of a folder, in their order."""
    files = _files(folder)
    fit = workers_wanted(workers_that_fit(1), len(files), workers)
    tasks: Sequence[list[str]] = np.array_split(np.array(files), min(len(files), _TASKS * fit))  # type: ignore[assignment]
    rows = [{"task": i, "files": list(map(str, task))} for i, task in enumerate(tasks)]
    found: dict[int, Any] = {}
    for row in on_actors(rows, StreamWorker, arguments, cpus=1, workers=fit):
        if row["error"]:
            raise TwofoldError(row["error"])
        found[int(row["task"])] = row["found"]
    return [found[i] for i in range(len(rows))]


def _manifest(folder: str | Path) -> dict[str, Any]:
    file = Path(folder) / MANIFEST
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImageSourceError(f"{file}: cannot be read ({error})") from None
    if not isinstance(content, dict) or content.get("kind") != "vectors":
        raise ImageSourceError(f"{folder}: holds no vectors of `embed --engine ray`")
    if not content.get("complete"):
        raise ImageSourceError(f"{folder}: is not finished; run the same `embed` again")
    return content


def _files(folder: str | Path) -> list[str]:
    """The parts, in order."""
    _manifest(folder)
    return [str(file.resolve()) for file in sorted(Path(folder).glob("part-*.parquet"))]


def _n_vectors(folder: str | Path) -> int:
    content = _manifest(folder)
    return int(content["images"]["n"]) - int(content["n_unusable"])
