"""One model that is loaded: its detector, the threads that score with it, and what it has seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from mmap import PAGESIZE
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.bundle import model_digest
from twofold.defaults import DEFAULT_FALSE_WARNINGS
from twofold.detector import Detector
from twofold.report.content import thresholds
from twofold.serve.batcher import Batcher
from twofold.serve.drifts import Watch
from twofold.serve.limits import Limits
from twofold.serve.seeing import Job, see, warm_up
from twofold.serve.states import State

if TYPE_CHECKING:
    from twofold.serve.metrics import Metrics

__all__ = ["Model", "Source", "resident_bytes"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where a model comes from, and how it is watched.

    Attributes:
        name: in requests.
        path: of its folder.
        weights: a local file with the encoder's weights, where they are not in the folder.
        false_warnings: of its test of drift.
        state: folder in which that test is kept; None keeps nothing.
    """

    name: str
    path: Path
    weights: str | None = None
    false_warnings: float = DEFAULT_FALSE_WARNINGS
    state: Path | None = None


def resident_bytes() -> int:
    """Memory of this process in RAM; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * PAGESIZE


class Model:
    """A detector that answers; made by :meth:`load`.

    Attributes:
        source: where it comes from.
        detector: loaded and warmed up.
        sha256: see :func:`twofold.bundle.model_digest`.
        n_bytes: of memory that loading it took, about.
        watch: its test of drift.
    """

    def __init__(
        self, source: Source, detector: Detector, sha256: str, limits: Limits, metrics: Metrics
    ) -> None:
        self.source, self.detector, self.sha256 = source, detector, sha256
        self.n_bytes = 0
        self.loaded = time.time()
        state = None if source.state is None else State(source.state, sha256)
        self.watch = Watch(detector, source.false_warnings, state)
        self._limits, self._metrics = limits, metrics
        self._batcher: Batcher[Job, Row] = Batcher(
            self._see,
            threads=limits.model_threads,
            most=limits.batch,
            wait=limits.batch_wait,
            room=limits.queue,
            name=f"score-{source.name}",
        )

    @classmethod
    def load(cls, source: Source, limits: Limits, metrics: Metrics) -> Model:
        """Read a model, and score an image with it.

        Raises:
            TwofoldError: it cannot be read, or its encoder's weights are missing.
        """
        before = resident_bytes()
        sha256 = model_digest(source.path)
        detector = Detector.load(source.path, weights=source.weights)
        detector.cached = False  # nothing of an image stays on the disk
        warm_up(detector)
        found = cls(source, detector, sha256, limits, metrics)
        on_disk = sum(file.stat().st_size for file in source.path.iterdir() if file.is_file())
        found.n_bytes = max(resident_bytes() - before, on_disk)
        return found

    @property
    def waiting(self) -> int:
        """Images that wait."""
        return self._batcher.waiting

    @property
    def busy(self) -> bool:
        """Whether it has work."""
        return self._batcher.busy

    def require_room(self, n: int) -> None:
        """See :meth:`Batcher.require_room`."""
        self._batcher.require_room(n)

    def submit(self, jobs: Sequence[Job]) -> list[Future[Row]]:
        """See :meth:`Batcher.submit`."""
        return self._batcher.submit(jobs)

    def close(self) -> None:
        """Finish what was accepted."""
        self._batcher.close()
        self.watch.close()

    def _see(self, jobs: Sequence[Job]) -> list[Row]:
        self._metrics.batch(self.source.name, len(jobs))
        rows = see(self.detector, jobs, self._limits.pixels, self.watch)
        self._metrics.scored(self.source.name, rows)
        return rows

    def described(self) -> Row:
        """What it is, in plain values."""
        detector, evidence = self.detector, self.detector.evidence_
        threshold = detector.threshold_
        notes = list(evidence.notes)
        if detector.sight_.by_name:
            notes.append("the fit had masks by the names of its images: images are seen whole here")
        return {
            "name": self.source.name,
            "sha256": self.sha256,
            "method": detector.method,
            "encoder": detector.encoder,
            "threshold": threshold.value,
            "false_alarm_rate": threshold.false_alarm_rate,
            "n_source": evidence.n_source,
            "n_target": evidence.n_target,
            "verdict": evidence.verdict,
            "has_maps": detector.method_.config.has_maps(),
            "notes": notes,
            "loaded": self.loaded,
            "waiting": self.waiting,
            "drift": self.watch.described(),
        }

    def thresholds(self, n_images: int) -> Row:
        """What the page draws of the threshold: see :func:`twofold.report.content.thresholds`."""
        return thresholds(self.detector, n_images)


Loader = Callable[[Source, Limits, "Metrics"], Model]
"""As :meth:`Model.load`."""
