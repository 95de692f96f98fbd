"""The loop: look, wait until files are complete, score, keep, move, tell."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from twofold.detector import Detector
from twofold.errors import MissingExtraError
from twofold.watch.arrivals import Arrivals
from twofold.watch.csv_out import CsvOut
from twofold.watch.drifting import DriftWatch
from twofold.watch.journal import Journal, Rows
from twofold.watch.judging import Judgement, judge
from twofold.watch.listening import Ears, listen
from twofold.watch.mounts import is_remote
from twofold.watch.moving import Mover
from twofold.watch.options import DEFAULT_POLL, Options, Summary
from twofold.watch.out import Out
from twofold.watch.parquet_out import ParquetOut
from twofold.watch.schema import RESULT_FIELDS
from twofold.watch.signals import stopping
from twofold.watch.versions import Version, scan
from twofold.watch.webhook import Sender

__all__ = ["Watcher"]

Say = Callable[[str], None]
# Seconds between looks at the whole folder. Where the system tells of files a look only finds what
# it did not tell, as after too many at once.
_BETWEEN_LOOKS = 60.0
# Folders come in hundreds at once; one look a second finds what is in all of them.
_SOON = 1.0
# Seconds that messages get at the end; what is left then is sent after the next start.
_LAST_MESSAGES = 10.0


class Watcher:
    """Watches one folder; made by :func:`open_watcher`."""

    def __init__(
        self,
        detector: Detector,
        folder: Path,
        out: Out,
        journal: Journal,
        options: Options,
        say: Say,
    ) -> None:
        self._detector, self._folder, self._out, self._options = detector, folder, out, options
        self._journal, self._say = journal, say
        self._table: CsvOut | ParquetOut | None = None
        if out.kind != "sqlite":
            self._table = (CsvOut if out.kind == "csv" else ParquetOut)(out.path, journal)
        self._mover = Mover(folder, journal, say) if options.move else None
        self._arrivals = Arrivals(str(folder), journal.knows, options.settle, say)
        self._drift = DriftWatch(detector, journal)
        self._name = str(journal.setting("name"))
        self._sender: Sender | None = None
        if options.webhook is not None:
            self._sender = Sender(options.webhook, journal, self._name, say)
        self._heard: SimpleQueue[tuple[str | None, bool] | None] = SimpleQueue()
        self._ears: Ears | None = None
        self._stopped = False
        self._next_look = -math.inf
        self._noted: set[str] = set()
        self.summary = Summary()

    def stop(self) -> None:
        """End after the batch at hand; may be called from a signal or another thread."""
        self._stopped = True
        self._heard.put(None)

    def run(self) -> Summary:
        """Watch until :meth:`stop`, SIGINT or SIGTERM; with ``once`` until everything is scored.

        Raises:
            TwofoldError: the table or the journal was changed by something else.
            OSError: one of them cannot be written.
        """
        with stopping(self.stop):
            self._begin()
            try:
                self._loop()
            finally:
                if self._ears is not None:
                    self._ears.close()
                if self._sender is not None:
                    self._sender.stop(_LAST_MESSAGES)
        return self._finish()

    def _begin(self) -> None:
        """Finish what an earlier run has left, and get ready."""
        self._catch_up()
        if self._mover is not None:
            self._mover.finish()
        if self._options.only_new and self._journal.setting("begun") is None:
            there = [one for one in scan(str(self._folder)) if isinstance(one, Version)]
            self._journal.pass_over(there)
        self._journal.keep({"begun": "yes"})
        if self._drift.note:
            self._say(f"note: {self._drift.note}")
        if self._sender is not None:
            self._sender.start()
        self._detector.warm_up()
        if not self._options.once:
            self._listen()
            how = "told of files" if self._ears else f"looking every {self._every():g} s"
            self._say(
                f"watching {self._folder} ({how}); {self._journal.n_results()} results so far"
            )

    def _every(self) -> float:
        """Seconds between looks at the whole folder."""
        if self._ears is not None:
            return _BETWEEN_LOOKS
        return DEFAULT_POLL if self._options.poll is None else self._options.poll

    def _listen(self) -> None:
        """Be told of files, where that is wanted and can be."""
        options = self._options
        if options.poll is not None or (not options.events and is_remote(self._folder)):
            return
        try:
            self._ears = listen(str(self._folder), lambda *heard: self._heard.put(heard))
        except (MissingExtraError, OSError) as error:
            if options.events:
                raise
            self._say(f"note: {error}; looking every {DEFAULT_POLL:g} s instead")

    def _loop(self) -> None:
        begun = time.monotonic()
        while not self._stopped:
            now = time.monotonic()
            if now >= self._next_look:
                self._look(now)
            self._arrivals.look_again(now)
            batch = self._arrivals.settling.take(self._options.batch)
            if batch:
                self._score(batch)
                self._hear(0.0)
            elif self._options.once and now >= begun + self._options.settle:
                return
            else:
                self._hear(self._until_next(begun))

    def _until_next(self, begun: float) -> float:
        """Seconds until there is something to do without being told."""
        due = self._arrivals.settling.next_due()
        times = [self._next_look, math.inf if due is None else due]
        if self._options.once:
            times = [begun + self._options.settle]
        return min(max(min(times) - time.monotonic(), 0.0), _BETWEEN_LOOKS)

    def _look(self, now: float) -> None:
        """Look at the whole folder."""
        if self._ears is not None and not self._ears.alive:
            self._ears.close()
            self._ears = None
            self._listen()
        self._arrivals.look(now)
        self._next_look = math.inf if self._options.once else time.monotonic() + self._every()

    def _hear(self, seconds: float) -> None:
        """Wait for news, and take in all there is."""
        heard: dict[str, bool] = {}
        with suppress(Empty):
            item = self._heard.get(timeout=seconds) if seconds > 0 else self._heard.get_nowait()
            while True:
                if item is not None and item[0] is None:
                    self._next_look = min(self._next_look, time.monotonic() + _SOON)
                elif item is not None and item[0] is not None:
                    heard[item[0]] = heard.get(item[0], False) or item[1]
                item = self._heard.get_nowait()
        now = time.monotonic()
        for path, complete in heard.items():
            self._arrivals.look_at(self._arrivals.below(path), now, complete=complete)

    def _score(self, batch: list[Version]) -> None:
        """Score some files, keep the results, and do what is due because of them."""
        found = judge(self._detector, self._folder, batch)
        warnings = self._drift.update(found.results)
        if found.results:
            self._journal.add(
                found.results,
                move=self._options.move,
                messages=None
                if self._sender is None
                else lambda rows: self._bodies(rows, warnings),
            )
            self._catch_up()
            self._drift.keep()
        for result in found.results:
            self._arrivals.done(result.version)
        for version in found.changed:
            self._arrivals.look_at(version.path, time.monotonic())
        self._tell(found, warnings)
        if self._sender is not None:
            self._sender.wake()
        if self._mover is not None:
            self._mover.finish()

    def _catch_up(self) -> None:
        if self._table is not None:
            self._table.catch_up()

    def _bodies(self, rows: Rows, warnings: list[str]) -> Iterator[str]:
        """The messages that a batch gives rise to."""
        results = [dict(zip(("id", *RESULT_FIELDS), row, strict=True)) for row in rows]
        yield self._body("results", results=results)
        for warning in warnings:
            yield self._body("drift", text=warning)

    def _body(self, event: str, **content: Any) -> str:
        return json.dumps({"event": event, "watch": self._name, **content}, allow_nan=False)

    def _tell(self, found: Judgement, warnings: list[str]) -> None:
        """What came of a batch, in lines and in the summary."""
        summary, rows = self.summary, [result.row for result in found.results]
        unusable = [row for row in rows if row["problem"] is not None]
        anomalous = sum(row["anomalous"] == 1 for row in rows)
        summary.scored += len(rows)
        summary.anomalous += anomalous
        summary.unusable += len(unusable)
        for row in unusable:
            self._say(f"unusable {row['image']}: {row['problem']}")
        for version in found.gone:
            self._say(f"left out {self._folder / version.path}: has gone before it was read")
        for note in found.notes:
            self._note(note)
        for warning in warnings:
            self._say(warning)
        if rows:
            self._say(f"{len(rows)} scored, {anomalous} anomalous, {len(unusable)} unusable")

    def _note(self, note: str) -> None:
        """Say what is to be known of the images, of each kind once: counts and names differ."""
        kind = "".join(c for c in note.partition("(first")[0] if not c.isdigit())
        if kind not in self._noted:
            self._noted.add(kind)
            self._say(f"note: {note}")

    def _finish(self) -> Summary:
        drift = self._drift.current()
        self.summary.results = self._journal.n_results()
        self.summary.still_written = len(self._arrivals.settling.waiting)
        self.summary.drift = None if drift is None else drift.kind
        if self._sender is not None:
            self.summary.messages_waiting = self._journal.n_messages()
        return self.summary
