"""Jobs of many requests, done a few at a time by a few threads; only so many may wait."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["Batcher", "QueueFullError", "retry_after"]

J = TypeVar("J")
R = TypeVar("R")

# Of the seconds that a job takes: how much the latest batch counts against those before it.
_LATEST = 0.2


class QueueFullError(Exception):
    """No room for these jobs; ``seconds`` is about when there will be."""

    def __init__(self, seconds: float) -> None:
        super().__init__("too many jobs wait")
        self.seconds = seconds


class Batcher(Generic[J, R]):
    """Does jobs in batches, in the order in which they came.

    A thread that is free takes its share of the jobs that wait, as if all threads were free. So all
    are busy before one of them has a full batch, and whoever is done first finds jobs that wait,
    while clients read what they were answered. Threads that share cores gain nothing by waiting for
    more jobs; one that has no other beside it does wait a moment, as it may have a device that does
    many images in the time of one. Safe to call from several threads.

    Args:
        work: does some jobs, called by several threads at once; one result for each. What it raises
            is raised for each of them.
        threads: that work.
        most: jobs of a batch.
        wait: seconds to wait for a full batch, where there is one thread.
        room: jobs that may wait.
        name: of the threads.
    """

    def __init__(
        self,
        work: Callable[[Sequence[J]], Sequence[R]],
        *,
        threads: int,
        most: int,
        wait: float,
        room: int,
        name: str = "batch",
    ) -> None:
        self._work, self._most, self._wait, self._room = work, most, wait, room
        self._jobs: deque[tuple[J, Future[R]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._free = threads
        self._seconds = 0.0  # a job takes, about
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return len(self._jobs)

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        with self._changed:
            return bool(self._jobs) or self._free < len(self._threads)

    def require_room(self, n: int) -> None:
        """Raise QueueFullError where n more jobs would be refused now."""
        with self._changed:
            self._require_room(n)

    def submit(self, jobs: Sequence[J]) -> list[Future[R]]:
        """All of some jobs, or none of them; a future each. One that is cancelled is not begun.

        Raises:
            QueueFullError: too many wait.
            RuntimeError: closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("closed")
            self._require_room(len(jobs))
            futures: list[Future[R]] = [Future() for _ in jobs]
            self._jobs.extend(zip(jobs, futures, strict=True))
            self._changed.notify_all()
        return futures

    def close(self) -> None:
        """Take no more jobs, do those that wait, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _require_room(self, n: int) -> None:
        if len(self._jobs) + n > self._room:
            seconds = self._seconds * (len(self._jobs) + n) / len(self._threads)
            raise QueueFullError(max(seconds, 1.0))

    def _run(self) -> None:
        while True:
            batch = self._take()
            if batch is None:
                return
            start = time.perf_counter()
            try:
                self._do(batch)
            finally:
                each = (time.perf_counter() - start) / len(batch)
                with self._changed:
                    self._free += 1
                    known = self._seconds or each
                    self._seconds = (1 - _LATEST) * known + _LATEST * each

    def _take(self) -> list[tuple[J, Future[R]]] | None:
        """Jobs to do next, at least one; None at the end."""
        with self._changed:
            while True:
                while not self._jobs:
                    if self._closed:
                        return None
                    self._changed.wait()
                if len(self._threads) == 1:
                    self._wait_for_more()
                share = math.ceil(len(self._jobs) / len(self._threads))
                taken = [self._jobs.popleft() for _ in range(min(share, self._most))]
                begun = [one for one in taken if one[1].set_running_or_notify_cancel()]
                if begun:
                    self._free -= 1
                    return begun

    def _wait_for_more(self) -> None:
        until = time.monotonic() + self._wait
        while len(self._jobs) < self._most and not self._closed:
            left = until - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _do(self, batch: list[tuple[J, Future[R]]]) -> None:
        try:
            results = self._work([job for job, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                future.set_result(result)
        except BaseException as error:  # whoever waits for a job must hear of it
            for _, future in batch:
                if not future.done():
                    with suppress(Exception):
                        future.set_exception(error)


def retry_after(seconds: float) -> int:
    """Whole seconds, at least one, as the header of this name has them."""
    return max(1, math.ceil(seconds))
