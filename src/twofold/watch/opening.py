"""Becoming the one watcher of a table."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock

from twofold.bundle import model_digest
from twofold.detector import Detector
from twofold.errors import ImageSourceError, UsageError
from twofold.watch.journal import Journal
from twofold.watch.options import Options
from twofold.watch.out import Out
from twofold.watch.watcher import Watcher

__all__ = ["open_watcher"]


@contextmanager
def open_watcher(
    detector: Detector,
    model: str | Path,
    folder: str | Path,
    out: Out,
    options: Options,
    *,
    settings: dict[str, str] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Watcher]:
    """A watcher that nobody else is, of this table.

    Args:
        detector: loaded from ``model``.
        model: folder.
        folder: to be watched.
        out: the table.
        options: how.
        settings: whatever else gives the results their meaning: at each start the same.
        say: told what happens, one line each.

    Raises:
        UsageError: another watcher writes this table, or it was begun with another model, folder
            or setting.
        ImageSourceError: there is no such folder.
        TwofoldError: the journal is damaged.
    """
    watched = Path(folder)
    if not watched.is_dir():
        raise ImageSourceError(f"{folder}: no such folder to watch")
    means = {
        "the folder": str(watched.resolve()),
        "the model of sha256": model_digest(model),
        **(settings or {}),
    }
    out.journal.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = filelock.FileLock(out.journal.with_name(f"{out.journal.name}.lock"))
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except filelock.Timeout:
            raise UsageError(f"{out.path}: another twofold watch is writing it") from None
        if not out.journal.is_file() or not out.journal.stat().st_size:
            out.require_free()
        journal = Journal(out.journal, private=out.kind != "sqlite")
        stack.callback(journal.close)
        journal.require(means)
        if journal.setting("name") is None:
            journal.keep({"name": secrets.token_hex(8)})
        yield Watcher(detector, watched, out, journal, options, say)
