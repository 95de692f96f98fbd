"""A detector that takes no time, and folders with files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold import Detector
from twofold.detector import Scores
from twofold.drift import DriftMonitor
from twofold.errors import ImageError, UsageError
from twofold.images import ImageSet, Problem
from twofold.watch import Options, Watcher, find_out, open_watcher
from twofold.watch.journal import Journal, Result
from twofold.watch.versions import Version

BRIGHT = 100.0


class Stub:
    """Scores an image by its mean brightness; above `BRIGHT` it is anomalous."""

    def __init__(self, reference: NDArray[np.float64] | None = None) -> None:
        self.seen: list[str] = []
        self.reference = reference

    def warm_up(self) -> Stub:
        return self

    def follow(self, images: ImageSet) -> tuple[Scores, NDArray[np.float64]]:
        scores, problems = np.full(len(images), np.nan), []
        self.seen += images.names
        for row, name in enumerate(images.names):
            try:
                scores[row] = np.asarray(images.load(row).decode()).mean()
            except ImageError as error:
                problems.append(Problem(name, str(error)))
        anomalous = np.where(np.isnan(scores), -1, (scores > BRIGHT).astype(np.int64))
        found = Scores(images.names, scores, scores, anomalous, tuple(problems), scores / 255)
        width = 0 if self.reference is None else 1
        return found, np.repeat(scores[:, None] / 255, width, axis=1)

    def drift_monitor(
        self, *, document: bytes | None = None, name: str = "the document"
    ) -> DriftMonitor:
        if self.reference is None:
            raise UsageError("this model does not know what its target was like")
        if document is not None:
            return DriftMonitor.from_document(self.reference, document, name)
        return DriftMonitor(self.reference)


def as_detector(stub: Stub) -> Detector:
    return cast("Detector", stub)


def write(folder: Path, name: str, level: int = 50) -> Path:
    """A grey image of some brightness."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), (level, level, level)).save(path)
    return path


def result(number: int, *, image: str = "", problem: str | None = None) -> Result:
    """What came out for the file of that number."""
    version = Version(10**18 + number, f"{number}.png", 100 + number)
    good = problem is None
    row: dict[str, Any] = {
        "image": image or f"in/{number}.png",
        "score": number / 3 if good else None,
        "percentile": 50.0 if good else None,
        "p_value": 0.5 if good else None,
        "anomalous": number % 2 if good else None,
        "problem": problem,
        "time": f"2026-01-02T03:04:05.{number % 1000:03}Z",
        "size": version.size,
        "mtime_ns": version.mtime_ns,
    }
    verdict = "bad" if problem else "ng" if number % 2 else "ok"
    return Result(version, row, np.array([number / 7, 1.0]), verdict)


@contextmanager
def journal_at(path: Path) -> Iterator[Journal]:
    """A journal that does not wait for the disk."""
    journal = Journal(path, private=True)
    journal._database.execute("PRAGMA synchronous = OFF")
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def watching(
    folder: Path, out: str | Path, stub: Stub | None = None, *, said: Any = None, **options: Any
) -> Iterator[Watcher]:
    """A watcher whose files settle at once, on a model that is a file."""
    model = folder.parent / "model"
    model.mkdir(exist_ok=True)
    if not (model / "detector.json").exists():
        (model / "detector.json").write_text("{}", encoding="utf-8")
    given = Options(**({"settle": 0.0, "once": True} | options))
    detector = as_detector(Stub() if stub is None else stub)
    say = (lambda text: None) if said is None else said.append
    with open_watcher(detector, model, folder, find_out(str(out)), given, say=say) as watcher:
        watcher._journal._database.execute("PRAGMA synchronous = OFF")  # no waiting for the disk
        yield watcher


def tree(folder: Path) -> list[str]:
    """All files below a folder."""
    return sorted(
        str(Path(top, name).relative_to(folder))
        for top, _, names in os.walk(folder)
        for name in names
    )
