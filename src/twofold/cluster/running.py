"""Shards through Ray Data: each to an actor that keeps what it needs in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.cluster.plan import Part, Plan, Summary, finish, open_folder, open_log
from twofold.cluster.session import workers_that_fit, workers_wanted
from twofold.cluster.sources import Shard, Source
from twofold.cluster.work import Done, Job, ShardWorker
from twofold.defaults import DEFAULT_ROWS_A_SHARD
from twofold.errors import ConfigError, TwofoldError

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["on_actors", "run_on_ray"]

# Shards that Ray Data is given at a time: it holds all of them, some kilobytes each with their
# paths, in its memory from the start.
_WAVE = 5000
_TOLD = 5

Progress = Callable[[str, int, int], None]


def run_on_ray(
    job: Job,
    sources: Sequence[Source],
    out: str | Path,
    *,
    rows_a_shard: int = DEFAULT_ROWS_A_SHARD,
    worker_cpus: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Do a job on images with the workers of a cluster; within :func:`ray_session`.

    What is there from an earlier run of the same job on the same images is kept. A worker that dies
    is replaced, and its shard done again. The results are in the order of the images: by the number
    of the file, and within it by row.

    Args:
        job: what to do.
        sources: the images, see :func:`twofold.cluster.sources.find_sources`.
        out: folder of the results, new or begun by the same run; all machines must see it.
        rows_a_shard: images a task and a file.
        worker_cpus: of each worker, and threads in it.
        workers: at most so many; all that fit by default.
        progress: told how many images are done.

    Raises:
        UsageError: the folder holds something else, or no machine has so many CPUs.
        TwofoldError: an image cannot be used under ``strict``; the model cannot be loaded; a shard
            kills its worker again and again.
    """
    if rows_a_shard < 1 or worker_cpus < 1 or (workers is not None and workers < 1):
        raise ConfigError("rows a shard, workers and their CPUs are whole numbers from 1")
    plan = Plan(job.kind, job.identity(), job.columns(), sources, rows_a_shard)
    folder = Path(os.path.abspath(out))  # noqa: PTH100 - links stay as they are
    with open_folder(folder, plan) as parts:
        told = _Told(len(parts))
        done = sum(part.rows for part in parts.values())
        if progress is not None:
            progress(job.kind, done, plan.n_images)
        fit = workers_wanted(workers_that_fit(worker_cpus), plan.n_shards, workers)
        todo = (shard for shard in plan.shards() if shard.number not in parts)
        worker = (job, str(folder), str(Path.cwd()), worker_cpus)
        with open_log(folder) as log:
            for result in _results(todo, worker, worker_cpus, fit):
                log.write(result.part.line())
                log.flush()
                parts[result.part.shard] = result.part
                told.add(result)
                done += result.part.rows
                if progress is not None:
                    progress(job.kind, done, plan.n_images)
        finish(folder, plan, parts)
    return told.summary(str(out), plan, parts)


def _results(
    shards: Iterator[Shard], worker: tuple[Any, ...], cpus: int, workers: int
) -> Iterator[Done]:
    """What the workers tell of each shard, in whatever order they are done."""
    while wave := list(islice(shards, _WAVE)):
        rows = [{"shard": shard} for shard in wave]
        for row in on_actors(rows, ShardWorker, worker, cpus=cpus, workers=workers):
            if row["error"]:
                raise TwofoldError(row["error"])
            yield row["done"]


def on_actors(
    rows: Sequence[dict[str, Any]],
    worker: type,
    arguments: tuple[Any, ...],
    *,
    cpus: int,
    workers: int,
) -> Iterator[dict[str, Any]]:
    """What actors of a class make of rows, in whatever order they are done.

    Args:
        rows: each is a task.
        worker: class whose instances take a batch of one row.
        arguments: of its constructor.
        cpus: of each actor.
        workers: most actors at a time.

    Raises:
        TwofoldError: a task fails in a way that the class does not report.
    """
    import ray  # noqa: PLC0415 - an optional dependency
    from ray.data import ActorPoolStrategy, from_items  # noqa: PLC0415
    from ray.exceptions import RayError  # noqa: PLC0415

    _quieten()
    n = min(workers, len(rows))
    pool = ActorPoolStrategy(min_size=1, max_size=n, initial_size=n)
    made: Dataset = from_items(list(rows), override_num_blocks=len(rows)).map_batches(
        worker,
        fn_constructor_args=arguments,
        batch_size=1,
        compute=pool,
        num_cpus=cpus,
    )
    try:
        yield from made.iter_rows()
    except (RayError, ray.exceptions.RayTaskError, OSError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else type(error).__name__
        raise TwofoldError(
            f"Ray gave up ({type(error).__name__}): {reason:.300}; what is done is kept, and the "
            "same command goes on"
        ) from error


def _quieten() -> None:
    """Ray Data says nothing of what it does as it should; its log files have it."""
    from ray.data import DataContext  # noqa: PLC0415 - an optional dependency

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False


@dataclass
class _Told:
    """What workers tell, a few of each kind."""

    n_resumed: int

    def __post_init__(self) -> None:
        self.notes: dict[str, None] = {}
        self.problems: list[str] = []

    def add(self, done: Done) -> None:
        """Of a shard."""
        self.problems += done.problems[: max(0, _TOLD - len(self.problems))]
        for note in done.notes[: max(0, _TOLD - len(self.notes))]:
            self.notes[note] = None

    def summary(self, out: str, plan: Plan, parts: dict[int, Part]) -> Summary:
        """Of the whole."""
        return Summary(
            out=out,
            n_images=plan.n_images,
            n_shards=plan.n_shards,
            n_resumed=self.n_resumed,
            n_unusable=sum(part.unusable for part in parts.values()),
            n_anomalous=sum(part.anomalous for part in parts.values()),
            notes=tuple(self.notes),
            problems=tuple(self.problems),
        )
