"""The file of marks: a CSV that grows by a line a mark, on disk before the next image is shown."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from twofold.errors import ImageError, ImageSourceError, UsageError, shown
from twofold.files import refuse_folder
from twofold.images.manifest import read_column
from twofold.images.reading import display_name, open_file
from twofold.marks.document import DesignDocument, design_path
from twofold.marks.estimate import estimate
from twofold.marks.estimates import Estimates
from twofold.marks.lines import COLUMNS, HEADER, Line, LineMark, checked_mark, parse, whole_length
from twofold.marks.standing import Rule, Standing, standing
from twofold.spreadsheet import printable, read_cell

__all__ = ["MarksFile"]

# A mark is written in milliseconds: whoever waits longer waits for something that hangs.
_BUSY_SECONDS = 10
_HEADER = HEADER.encode()


class MarksFile:
    """Marks of one set of images, on disk.

    Several processes may write at a time. A line that was torn off by a kill or a crash in the
    middle of its writing is left out on reading, and removed before the next line is written.

    Args:
        path: an existing file of marks, or any table with the columns ``image`` and ``mark``,
            which is read and not written.

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
        images = self.document.images if self.document is not None else []
        self._places = {image.path: place for place, image in enumerate(images)}
        self._sizes = np.bincount([image.stratum for image in images])
        # Bytes and line breaks read so far, of whole lines.
        self._length, self._breaks = 0, 0
        self._lines: list[Line] = []
        self._catch_up()

    @classmethod
    def start(cls, path: str | os.PathLike[str], document: DesignDocument) -> MarksFile:
        """Begin a file of marks for a design, or go on with the one that is there.

        A design that is there stays, with its random state: marks made for it are of its order.

        Raises:
            UsageError: what is there belongs to another model, threshold or set of images.
            OSError: as the system says.
        """
        target = Path(path)
        refuse_folder(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = design_path(target)
        with _locked(target):
            if beside.exists():
                _check_same(DesignDocument.read(beside), document, target)
            elif target.exists():
                raise UsageError(f"{target}: is there without {beside.name}; choose another file")
            else:
                document.write(beside)
            _write_header(target)
        return cls(target)

    def append(
        self, image: str, mark: LineMark, *, reviewer: str = "", seconds: float | None = None
    ) -> Line:
        """Write one mark; it is on disk when this returns.

        Args:
            image: its name in the design.
            mark: ``normal``, ``anomalous``, ``unsure`` or ``undo``.
            reviewer: who says so; any text.
            seconds: that the image was looked at, 0 or more.

        Raises:
            UsageError: no design, an unknown image or mark, an impossible time, or another
                process does not let go of the file.
            OSError: as the system says, about the file.
        """
        if self.document is None:
            raise UsageError(f"{self.path}: has no design beside it and takes no further marks")
        name, reviewer = printable(image), printable(reviewer)
        if name not in self._places:
            raise UsageError(f"{shown(image)} is not among the images of {self.path}")
        checked_mark(mark)
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise UsageError(f"seconds must be 0 or more, not {shown(seconds)}")
        with _locked(self.path):
            self._catch_up(repair=True)
            line = self._line(self.document, name, mark, reviewer, seconds)
            content = line.text().encode()
            _write(self.path, content)
            self._length += len(content)
            self._breaks += content.count(b"\n")
            self._lines.append(line)
        return line

    def undo(self, reviewer: str = "", image: str | None = None) -> Line | None:
        """Take back a reviewer's last mark that stands, of any image or of a given one.

        Returns:
            The line written, or None where nothing stands.

        Raises:
            UsageError: as :meth:`append` does.
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

    def array(self, *, disagreements: Rule = "unsure") -> NDArray[np.float64]:
        """Marks of the design's images as :func:`twofold.marks.estimate` takes them, (n,)."""
        return self.standing(disagreements=disagreements).array(list(self._places))

    def estimate(self, *, disagreements: Rule = "unsure", level: float = 0.95) -> Estimates:
        """Rates of the design's images from the marks that stand.

        Raises:
            UsageError: there is no design: call :func:`twofold.marks.estimate` with the scores.
            ConfigError: the level is not strictly between 0 and 1.
        """
        if self.document is None:
            raise UsageError(f"{self.path}: has no design beside it, so no scores are known")
        stands = self.standing(disagreements=disagreements)
        return estimate(
            self.document.scores,
            self.document.threshold,
            self.document.design.strata,
            stands.array(list(self._places)),
            n_unsure=stands.n_unsure,
            level=level,
        )

    def _line(
        self,
        document: DesignDocument,
        name: str,
        mark: LineMark,
        reviewer: str,
        seconds: float | None,
    ) -> Line:
        """The line of a mark, with the weight that it has by now."""
        image = document.images[self._places[name]]
        size = int(self._sizes[image.stratum])
        weight = None
        if mark in ("normal", "anomalous"):
            marks = standing(self._lines).marks.items()
            sure = {name, *(other for other, said in marks if said != "unsure")}
            strata = [document.images[self._places[other]].stratum for other in sure]
            weight = size / strata.count(image.stratum)
        return Line(
            image=name,
            mark=mark,
            weight=weight,
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            reviewer=reviewer,
            seconds=None if seconds is None else float(seconds),
            stratum=document.strata[image.stratum],
            stratum_size=size,
            probability=None if weight is None else 1 / weight,
            score=image.score,
            sha256=image.sha256,
        )

    def _catch_up(self, *, repair: bool = False) -> None:
        """Read what has been written since; with ``repair``, remove a torn last line."""
        name = display_name(str(self.path))
        try:
            with open_file(str(self.path)) as file:
                if os.fstat(file.fileno()).st_size < self._length:  # another file in its place
                    self._length, self._breaks, self._lines = 0, 0, []
                file.seek(self._length)
                content = file.read()
        except ImageError as error:
            raise UsageError(f"{name}: {error}") from error
        if not self._length and not content.startswith(_HEADER):
            self._lines = self._plain(name)
            return
        try:
            end = whole_length(content, first_line=self._breaks + 1)
            start = 0 if self._length else len(_HEADER)
            fresh = parse(content[start:end], first_line=max(self._breaks + 1, 2))
        except UsageError as error:
            raise UsageError(f"{name}, {error}") from error
        strange = [line.image for line in fresh if line.image not in self._places]
        if self.document is not None and strange:
            raise UsageError(f"{name}: {shown(strange[0])} is not among the images of its design")
        self._lines += fresh
        self._length += end
        self._breaks += content.count(b"\n", 0, end)
        if repair and end < len(content):
            os.truncate(self.path, self._length)

    def _plain(self, name: str) -> list[Line]:
        """Lines of a table with the columns ``image`` and ``mark``."""
        if self.document is not None:
            raise UsageError(f"{name}: its first line must be {','.join(COLUMNS)}")
        try:
            images, marks = (read_column(str(self.path), column) for column in ("image", "mark"))
            found = [
                Line(read_cell(image), checked_mark(mark.strip().lower()))
                for image, mark in zip(images, marks, strict=True)
            ]
        except ImageSourceError as error:
            raise UsageError(str(error)) from error
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from error
        if not all(line.image.strip() for line in found):
            raise UsageError(f"{name}: a row names no image")
        return found


def _check_same(there: DesignDocument, wanted: DesignDocument, path: Path) -> None:
    files = [[(image.path, image.sha256) for image in d.images] for d in (there, wanted)]
    same = {
        "model": there.model == wanted.model,
        "threshold": there.threshold == wanted.threshold,
        "set of images": files[0] == files[1],
    }
    for what, is_same in same.items():
        if not is_same:
            raise UsageError(f"{path}: its marks are of another {what}; choose another file")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=_BUSY_SECONDS)
    except Timeout:
        raise UsageError(f"{path}: another process does not let go of it; try again") from None
    try:
        yield
    finally:
        lock.release()


def _write_header(path: Path) -> None:
    """Begin the CSV; a header that was torn off while written is written anew."""
    there = path.read_bytes()[: len(_HEADER)] if path.is_file() else b""
    if there != _HEADER and _HEADER.startswith(there):
        path.unlink(missing_ok=True)
        _write(path, _HEADER)


def _write(path: Path, content: bytes) -> None:
    """Append in one write, and wait until it is on disk."""
    # Windows would translate line breaks without O_BINARY.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o644)
    try:
        if os.write(descriptor, content) != len(content):
            raise UsageError(f"{path}: the mark was not written: the disk is full")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
