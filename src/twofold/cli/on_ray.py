"""Options and words that the commands with ``--engine ray`` share."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.output import say
from twofold.errors import UsageError
from twofold.words import counted

if TYPE_CHECKING:
    from twofold.cluster import Summary
    from twofold.cluster.sources import Source
    from twofold.cluster.work import Job
    from twofold.detector import DetectorProgress

__all__ = [
    "Address",
    "EngineName",
    "RayOptions",
    "RowsAShard",
    "WorkerCpus",
    "Workers",
    "as_row",
    "check_engine",
    "connected",
    "tell",
]

EngineName = Annotated[
    str,
    typer.Option("--engine", help="local: this process; ray: the workers of a Ray cluster."),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="HOST:PORT of the Ray cluster, or auto.",
        show_default="RAY_ADDRESS, or else this machine",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="At most so many workers.", show_default="all that fit"),
]
WorkerCpus = Annotated[int, typer.Option("--worker-cpus", min=1, help="CPUs of each worker.")]
RowsAShard = Annotated[
    int, typer.Option("--rows-a-shard", min=1, help="Images of a task, and rows of a file.")
]


def check_engine(engine: str, on_ray_alone: dict[str, bool]) -> bool:
    """Whether it is Ray.

    Args:
        engine: as given.
        on_ray_alone: options that only Ray has -> whether they were given.

    Raises:
        UsageError: no such engine, or an option of the other.
    """
    if engine not in ("local", "ray"):
        raise UsageError(f"--engine {engine}: give local or ray")
    if engine == "local":
        for option, given in on_ray_alone.items():
            if given:
                raise UsageError(f"{option} needs --engine ray")
        return False
    from twofold.cluster.session import require_ray  # noqa: PLC0415 - slow to import

    require_ray()
    return True


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """To Ray, whose own words go to stderr: stdout is for results."""
    from twofold.cluster import ray_session  # noqa: PLC0415 - slow to import

    with contextlib.redirect_stdout(sys.stderr), ray_session(address):
        yield


@dataclass(frozen=True)
class RayOptions:
    """What the options of a command say of the workers."""

    address: str | None
    workers: int | None
    worker_cpus: int
    rows_a_shard: int

    def run(
        self, job: Job, sources: Sequence[Source], out: str, progress: DetectorProgress
    ) -> Summary:
        """See :func:`twofold.cluster.run_on_ray`."""
        from twofold.cluster import run_on_ray  # noqa: PLC0415 - slow to import

        with connected(self.address):
            return run_on_ray(
                *(job, sources, out),
                rows_a_shard=self.rows_a_shard,
                worker_cpus=self.worker_cpus,
                workers=self.workers,
                progress=progress,
            )


def tell(summary: Summary) -> None:
    """Notes and problems, on stderr."""
    for note in summary.notes:
        say(f"note: {note}")
    for problem in summary.problems:
        say(f"skipped {problem}")
    more = summary.n_unusable - len(summary.problems)
    if more > 0:
        say(f"skipped {counted(more, 'more image')}: see the column problem")
    if summary.n_resumed:
        say(f"{counted(summary.n_resumed, 'shard')} of an earlier run kept")


def as_row(summary: Summary) -> dict[str, Any]:
    """For ``--json``."""
    names = ("out", "n_images", "n_shards", "n_resumed", "n_unusable", "n_anomalous")
    return {name: getattr(summary, name) for name in names}
