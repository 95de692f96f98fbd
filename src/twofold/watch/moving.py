"""Moving files into ok/, ng/ and bad/: never over another file, and gone on with after a kill."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from twofold.images.reading import display_name
from twofold.watch.journal import Journal, Move
from twofold.watch.versions import find_version

__all__ = ["Mover", "free_name", "place"]


class Mover:
    """Does the moves that are due, each file whole.

    First the journal takes in where each file will go, then it goes there. After a kill in
    between, what lies at either place tells how far it came.

    Args:
        folder: that is watched.
        journal: with the moves.
        say: told what cannot be moved; it stays, and is tried again at the next start.
    """

    def __init__(self, folder: Path, journal: Journal, say: Callable[[str], None]) -> None:
        self._folder, self._journal, self._say = folder, journal, say
        self._tried = 0

    def finish(self) -> None:
        """Do what is due."""
        due = self._journal.moves(self._tried)
        if not due:
            return
        self._tried = due[-1].id
        taken: set[str] = set()
        planned: list[Move] = []
        for move in due:
            destination = move.destination
            if destination is None or _is_taken(self._folder, move):
                wanted = str(Path(move.verdict, move.version.path))
                destination = free_name(self._folder, wanted, taken)
            taken.add(destination)
            planned.append(replace(move, destination=destination))
        self._journal.plan_moves(planned)
        self._journal.end_moves([move for move in planned if self._done(move)])

    def _done(self, move: Move) -> bool:
        """Move one file; whether nothing is left to do."""
        assert move.destination is not None
        source, destination = self._folder / move.version.path, self._folder / move.destination
        try:
            if find_version(str(self._folder), move.version.path) != move.version:
                # Moved before the kill; or changed in the meantime, and then it is another image.
                return True
            _make_folder(self._folder.resolve() / move.verdict, destination.parent)
            if os.path.lexists(destination):  # left by the kill: a second name, or an empty file
                _finish(source, destination)
            else:
                place(source, destination)
        except OSError as error:
            reason = error.strerror or str(error)
            self._say(
                f"not moved: {display_name(str(source))}: {reason}; tried again at the next start"
            )
            return False
        return True


def free_name(folder: Path, wanted: str, taken: Iterable[str] = ()) -> str:
    """A path below a folder at which nothing lies: as wanted, or with a number behind its name.

    Args:
        folder: to look into.
        wanted: path below it.
        taken: paths that others will have.
    """
    path, others, number = Path(wanted), set(taken), 1
    name = wanted
    while name in others or os.path.lexists(folder / name):
        number += 1
        name = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
    return name


def place(source: Path, destination: Path) -> None:
    """Move a file to a place at which nothing lies.

    A second name and then the end of the first: nobody ever sees a part of it. Where a file can
    have one name only, an empty file keeps the place.

    Raises:
        FileExistsError: something lies there.
        OSError: it cannot be moved; then it stays.
    """
    try:
        os.link(source, destination, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        os.close(os.open(destination, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        try:
            source.replace(destination)
        except BaseException:
            destination.unlink()
            raise
    else:
        source.unlink()


def _is_taken(folder: Path, move: Move) -> bool:
    """Whether somebody has put another file where this one was to go."""
    assert move.destination is not None
    source, destination = folder / move.version.path, folder / move.destination
    try:
        if not os.path.lexists(source) or not os.path.lexists(destination):
            return False
        there = destination.lstat()
        return not (_is_same(source, destination) or _is_empty(there))
    except OSError:
        return False  # moving it will say why


def _is_same(source: Path, destination: Path) -> bool:
    """Whether both are names of one file; a link to it is another file."""
    return os.path.samestat(source.lstat(), destination.lstat())


def _is_empty(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def _finish(source: Path, destination: Path) -> None:
    if _is_same(source, destination):
        source.unlink()
    else:
        source.replace(destination)


def _make_folder(top: Path, folder: Path) -> None:
    """Make the folders of a destination, and refuse where a link would lead out of them."""
    if not folder.resolve().is_relative_to(top):
        raise OSError(errno.ELOOP, "a link leads out of the folder", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
