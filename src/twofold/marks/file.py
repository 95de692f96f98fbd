"""The file of marks: a CSV that grows by a line a mark, on disk before the next image is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from twofold.errors import ImageError, ImageSourceError, UsageError, shown
from twofold.files import refuse_folder
from twofold.images.manifest import read_column
from twofold.images.reading import display_name, read_file
from twofold.marks.document import DesignDocument, design_path
from twofold.marks.lines import HEADER, Line, LineMark, parse, whole_length
from twofold.marks.standing import Rule, Standing, standing
from twofold.spreadsheet import printable, read_cell

__all__ = ["MarksFile"]

# A mark is written in milliseconds: whoever waits longer waits for something that hangs.
_BUSY_SECONDS = 10
_WORDS: dict[str, LineMark] = {
    "normal": "normal",
    "anomalous": "anomalous",
    "unsure": "unsure",
    "undo": "undo",
}


class MarksFile:
    """Marks of one set of images, on disk.

    Several processes may write at a time. A line that was torn off by a kill or a crash in the
    middle of its writing is left out on reading, and removed before the next line is written.

    Args:
        path: an existing file of marks, or any table with the columns ``image`` and ``mark``.

    Raises:
        UsageError: the file or its design cannot be read or is damaged.

    Attributes:
        path: of the CSV.
        document: the design, from the JSON file beside it; None where there is none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        beside = design_path(self.path)
        self.document = DesignDocument.read(beside) if beside.exists() else None
        self._places: dict[str, int] = {}
        if self.document is not None:
            names = [image.path for image in self.document.images]
            self._places = {name: place for place, name in enumerate(names)}
            self._sizes = np.bincount([image.stratum for image in self.document.images])
        self._length = 0  # bytes read
        self._lines: list[Line] = []
        self._catch_up()

    @classmethod
    def start(cls, path: str | os.PathLike[str], document: DesignDocument) -> MarksFile:
        """Begin a file of marks for a design, or go on with the one that is there.

        Raises:
            UsageError: the file there belongs to another model, threshold or set of images.
        """
        target = Path(path)
        refuse_folder(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = design_path(target)
        with _locked(target):
            if beside.exists():
                _check_same(DesignDocument.read(beside), document, target)
            elif target.exists():
                raise UsageError(f"{target}: is there without its {beside.name}; choose another")
            else:
                document.write(beside)
            if not target.exists() or not target.stat().st_size:
                _write(target, HEADER.encode())
        return cls(target)

    def append(
        self, image: str, mark: LineMark, *, reviewer: str = "", seconds: float | None = None
    ) -> Line:
        """Write one mark; it is on disk when this returns.

        Args:
            image: its name in the design.
            mark: ``normal``, ``anomalous``, ``unsure`` or ``undo``.
            reviewer: who says so.
            seconds: that the image was looked at.

        Raises:
            UsageError: no design, an unknown image or mark, or another process holds the file.
        """
        if self.document is None:
            raise UsageError(f"{self.path}: has no design beside it and takes no further marks")
        name, reviewer = printable(image), printable(reviewer)
        if name not in self._places:
            raise UsageError(f"{shown(image)} is not among the images of {self.path}")
        if mark not in _WORDS:
            raise UsageError(f"{shown(mark)} is no mark: {', '.join(_WORDS)}")
        with _locked(self.path):
            self._catch_up(repair=True)
            line = self._line(name, mark, reviewer, seconds)
            content = line.text().encode()
            _write(self.path, content)
            self._length += len(content)
            self._lines.append(line)
        return line

    def undo(self, reviewer: str = "", image: str | None = None) -> Line | None:
        """Take back a reviewer's last mark that stands, of any image or of a given one.

        Returns:
            The line written, or None where nothing stands.
        """
        reviewer = printable(reviewer)
        stands: list[str] = []
        for line in self.lines():
            if line.reviewer != reviewer or (image is not None and line.image != printable(image)):
                continue
            if line.mark != "undo":
                stands.append(line.image)
            elif line.image in stands:
                del stands[len(stands) - 1 - stands[::-1].index(line.image)]
        return self.append(stands[-1], "undo", reviewer=reviewer) if stands else None

    def lines(self) -> tuple[Line, ...]:
        """All lines, with those that other processes have written meanwhile."""
        self._catch_up()
        return tuple(self._lines)

    def standing(self, *, disagreements: Rule = "unsure") -> Standing:
        """The marks that stand; see :func:`twofold.marks.standing`."""
        return standing(self.lines(), disagreements=disagreements)

    def _line(self, name: str, mark: LineMark, reviewer: str, seconds: float | None) -> Line:
        assert self.document is not None
        image = self.document.images[self._places[name]]
        size = int(self._sizes[image.stratum])
        weight = None
        if mark in ("normal", "anomalous"):
            marks = standing(self._lines).marks
            images = self.document.images
            done = {name} | {
                other
                for other, said in marks.items()
                if said != "unsure" and images[self._places[other]].stratum == image.stratum
            }
            weight = size / len(done)
        return Line(
            image=name,
            mark=mark,
            weight=weight,
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            reviewer=reviewer,
            seconds=seconds,
            stratum=self.document.strata[image.stratum],
            stratum_size=size,
            probability=None if weight is None else 1 / weight,
            score=image.score,
            sha256=image.sha256,
        )

    def _catch_up(self, *, repair: bool = False) -> None:
        """Read what has been written since; with ``repair``, remove a torn last line."""
        shown_path = display_name(str(self.path))
        try:
            content = read_file(str(self.path))
        except ImageError as error:
            raise UsageError(f"{shown_path}: {error}") from error
        if not content.startswith(HEADER.encode()):
            if self.document is not None:
                raise UsageError(f"{shown_path}: its first line is not {HEADER.strip()}")
            self._lines = _plain(self.path)
            return
        try:
            end = whole_length(content)
            self._lines = parse(content[len(HEADER) : end])
        except UsageError as error:
            raise UsageError(f"{shown_path}, {error}") from error
        if self.document is not None:
            unknown = next((x.image for x in self._lines if x.image not in self._places), None)
            if unknown is not None:
                raise UsageError(f"{shown_path}: {shown(unknown)} is not in its design")
        if repair and end < len(content):
            os.truncate(self.path, end)


def _plain(path: Path) -> list[Line]:
    """Marks of a table with the columns ``image`` and ``mark``."""
    try:
        images, marks = (read_column(str(path), name) for name in ("image", "mark"))
    except ImageSourceError as error:
        raise UsageError(str(error)) from error
    found = []
    for image, mark in zip(images, marks, strict=True):
        word = _WORDS.get(mark.strip().lower())
        if word is None:
            raise UsageError(f"{path}: {shown(mark)} is no mark: {', '.join(_WORDS)}")
        found.append(Line(read_cell(image), word))
    return found


def _check_same(there: DesignDocument, wanted: DesignDocument, path: Path) -> None:
    for what, same in (
        ("another model", there.model == wanted.model),
        ("another threshold", there.threshold == wanted.threshold),
        (
            "other images",
            [(i.path, i.sha256) for i in there.images]
            == [(i.path, i.sha256) for i in wanted.images],
        ),
    ):
        if not same:
            raise UsageError(f"{path}: these marks are of {what}; choose another --out")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=_BUSY_SECONDS)
    except Timeout:
        raise UsageError(f"{path}: another process holds it; try again") from None
    try:
        yield
    finally:
        lock.release()


def _write(path: Path, content: bytes) -> None:
    """Append in one write, and wait until it is on disk."""
    # Windows would translate line breaks without O_BINARY.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o644)
    try:
        if os.write(descriptor, content) != len(content):
            raise OSError(f"{path}: the disk is full")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
