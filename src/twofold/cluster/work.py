"""What a worker does with a shard, whatever the shards are for."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from twofold.cluster.plan import Part
from twofold.cluster.sources import Shard
from twofold.errors import TwofoldError
from twofold.files import write_whole
from twofold.images import ImageSet
from twofold.parquet import parquet_bytes, require_pyarrow
from twofold.threads import use_cores

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Done", "Job", "Looked", "ShardWorker", "write_part"]

# Of a shard, told to the driver: the others are in the table.
_TOLD = 3
# A shard whose worker dies so often is what kills it, such as an image that fills the memory. Ray
# Data itself would try it for ever.
_TRIES = 5


@dataclass(frozen=True)
class Looked:
    """What was found out about some images.

    Attributes:
        table: a row each image, in order, with a column ``problem``.
        anomalous: rows above the threshold.
        notes: on the files.
    """

    table: pyarrow.Table
    anomalous: int = 0
    notes: tuple[str, ...] = ()


class Job(Protocol):
    """What is done with images; sent to each worker."""

    @property
    def kind(self) -> str:
        """What the results are called."""

    def identity(self) -> Mapping[str, Any]:
        """All that decides about the results, as plain content."""

    def columns(self) -> Mapping[str, str]:
        """Name of each column of the results -> its type, for people."""

    def open(self) -> Callable[[ImageSet], Looked]:
        """Load what is needed, once in each worker."""


@dataclass(frozen=True)
class Done:
    """What a worker tells of a shard.

    Attributes:
        part: recorded.
        notes: on the files.
        problems: the first images that cannot be used, and why.
    """

    part: Part
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def write_part(shard: Shard, looked: Looked, out: Path, started: float) -> Done:
    """Write the results of a shard, whole or not at all.

    Args:
        shard: which it is.
        looked: what was found, a row each image of it.
        out: folder.
        started: when its work began, on :func:`time.perf_counter`.
    """
    pa = require_pyarrow()
    n = len(looked.table)
    rows = pa.array(range(shard.start, shard.start + n), pa.int64())
    table = looked.table.append_column("row", rows)
    table = table.append_column("shard", pa.array([shard.number] * n, pa.int32()))
    content = parquet_bytes(table, compression="zstd")
    write_whole(out / shard.name, content)
    bad = table.filter(pa.compute.is_valid(table["problem"]))
    part = Part(
        shard=shard.number,
        rows=n,
        unusable=len(bad),
        anomalous=looked.anomalous,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        seconds=round(time.perf_counter() - started, 3),
    )
    first = bad.slice(0, _TOLD).to_pylist()
    return Done(part, looked.notes, tuple(f"{row['image']}: {row['problem']}" for row in first))


@contextmanager
def _counted(out: Path, shard: Shard) -> Iterator[None]:
    """Count in a hidden file how often the work of a shard was begun and did not come to an end.

    Raises:
        TwofoldError: too often; then the count begins anew.
    """
    file = out / f".{shard.name}.tries"
    try:
        tries = file.stat().st_size
    except OSError:  # none; or no folder, which the work itself reports
        tries = 0
    if tries >= _TRIES:
        file.unlink(missing_ok=True)
        last = shard.start + len(shard.source) - 1
        raise TwofoldError(
            f"the worker of shard {shard.number} (images {shard.start} to {last}) died {tries} "
            "times: is there enough memory for its images?"
        )
    with suppress(OSError), file.open("ab") as stream:
        stream.write(b".")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


class ShardWorker:
    """Lives in a process of a cluster; called with one shard after the other by Ray Data.

    Args:
        job: to do.
        out: folder of the results, the same for all.
        here: the working folder of the driver, where relative paths begin.
        cpus: threads that run side by side.
    """

    def __init__(self, job: Job, out: str, here: str, cpus: int) -> None:
        self._job, self._out, self._here, self._cpus = job, Path(out), here, cpus
        self._look: Callable[[ImageSet], Looked] | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """One shard in, one row out; what a user can mend comes back as ``error``."""
        (shard,) = batch["shard"]
        try:
            with _counted(self._out, shard):
                done = self._process(shard)
            return {"done": [done], "error": [""], "worker": [os.getpid()]}
        except (TwofoldError, OSError) as error:
            text = f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error)
            return {"done": [None], "error": [text], "worker": [os.getpid()]}

    def _process(self, shard: Shard) -> Done:
        started = time.perf_counter()
        if self._look is None:
            self._look = self._opened()
        looked = self._look(shard.source.images())
        if len(looked.table) != len(shard.source):
            raise TwofoldError(
                f"shard {shard.number} has {len(looked.table)} rows for {len(shard.source)} images"
            )
        return write_part(shard, looked, self._out, started)

    def _opened(self) -> Callable[[ImageSet], Looked]:
        use_cores(self._cpus)
        try:
            os.chdir(self._here)
        except OSError as error:
            raise TwofoldError(
                f"a worker has no folder {self._here} ({error.strerror}): run this where all "
                "machines of the cluster find the images, the model and the results"
            ) from None
        if not self._out.is_dir():
            raise TwofoldError(f"a worker does not see {self._out}: all machines must share --out")
        return self._job.open()
