"""Jobs in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from tests.support.waiting import until

from twofold.serve.batcher import Batcher, QueueFullError, retry_after


class Held:
    """Work that waits until it may go on, and notes what it was given."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, jobs: Sequence[int]) -> list[int]:
        self.batches.append(list(jobs))
        self.begun.set()
        assert self.go.wait(10)
        return [10 * job for job in jobs]


def test_every_job_has_its_own_result_whatever_the_batches() -> None:
    batcher = Batcher[int, int](
        lambda jobs: [job * job for job in jobs], threads=3, most=4, wait=0.001, room=1000
    )
    futures = [future for n in range(100) for future in batcher.submit([n, n + 1000])]
    expected = [value for n in range(100) for value in (n * n, (n + 1000) ** 2)]
    assert [future.result(10) for future in futures] == expected
    batcher.close()
    with pytest.raises(RuntimeError):
        batcher.submit([1])


def test_jobs_that_wait_are_done_together_and_no_more_than_a_batch() -> None:
    work = Held()
    batcher = Batcher[int, int](work, threads=1, most=3, wait=0.0, room=10)
    first = batcher.submit([0])
    assert work.begun.wait(10)
    rest = batcher.submit([1, 2, 3, 4])
    work.go.set()
    assert [future.result(10) for future in (*first, *rest)] == [0, 10, 20, 30, 40]
    assert work.batches == [[0], [1, 2, 3], [4]]
    batcher.close()


def test_one_thread_by_itself_waits_a_moment_for_more() -> None:
    work = Held()
    work.go.set()
    batcher = Batcher[int, int](work, threads=1, most=3, wait=5.0, room=10)
    start = time.monotonic()
    futures = [batcher.submit([n])[0] for n in range(3)]
    assert [future.result(10) for future in futures] == [0, 10, 20]
    assert work.batches == [[0, 1, 2]]
    assert time.monotonic() - start < 4  # and no longer than until there are enough
    batcher.close()


def test_threads_take_their_share_of_what_waits_and_leave_the_rest_for_whoever_is_done() -> None:
    work = Held()
    batcher = Batcher[int, int](work, threads=2, most=8, wait=5.0, room=10)
    futures = batcher.submit([0, 1, 2, 3])
    until(lambda: len(work.batches) == 2)
    assert sorted(work.batches) == [[0, 1], [2]]
    assert batcher.waiting == 1
    work.go.set()
    assert [future.result(10) for future in futures] == [0, 10, 20, 30]
    assert work.batches[2] == [3]
    batcher.close()


def test_threads_beside_each_other_wait_for_nothing() -> None:
    work = Held()
    batcher = Batcher[int, int](work, threads=2, most=8, wait=50.0, room=10)
    batcher.submit([0])
    until(lambda: len(work.batches) == 1)
    batcher.submit([1])
    until(lambda: len(work.batches) == 2)
    work.go.set()
    batcher.close()
    assert work.batches == [[0], [1]]


def test_a_full_queue_takes_all_or_nothing() -> None:
    work = Held()
    batcher = Batcher[int, int](work, threads=1, most=1, wait=0.0, room=3)
    running = batcher.submit([0])
    assert work.begun.wait(10)
    waiting = batcher.submit([1, 2])
    with pytest.raises(QueueFullError) as refused:
        batcher.submit([3, 4])
    assert refused.value.seconds >= 1
    with pytest.raises(QueueFullError):
        batcher.require_room(2)
    batcher.require_room(1)
    assert batcher.waiting == 2
    assert batcher.busy
    work.go.set()
    assert [future.result(10) for future in (*running, *waiting)] == [0, 10, 20]
    batcher.close()
    assert [job for batch in work.batches for job in batch] == [0, 1, 2]
    assert not batcher.busy


def test_what_nobody_waits_for_is_not_begun() -> None:
    work = Held()
    batcher = Batcher[int, int](work, threads=1, most=1, wait=0.0, room=9)
    batcher.submit([0])
    assert work.begun.wait(10)
    gone, stays = batcher.submit([1, 2])
    assert gone.cancel()
    work.go.set()
    assert stays.result(10) == 20
    batcher.close()
    assert work.batches == [[0], [2]]


def test_a_failure_is_told_to_those_it_concerns() -> None:
    def work(jobs: Sequence[int]) -> list[int]:
        if 1 in jobs:
            raise ValueError("one")
        return list(jobs)

    batcher = Batcher[int, int](work, threads=1, most=1, wait=0.0, room=9)
    good, bad, also_good = batcher.submit([0, 1, 2])
    assert (good.result(10), also_good.result(10)) == (0, 2)
    with pytest.raises(ValueError, match="one"):
        bad.result(10)
    batcher.close()


def test_closing_finishes_what_was_accepted() -> None:
    def work(jobs: Sequence[int]) -> list[int]:
        time.sleep(0.02)
        return list(jobs)

    batcher = Batcher[int, int](work, threads=2, most=2, wait=0.001, room=40)
    futures = batcher.submit(list(range(20)))
    batcher.close()
    assert [future.result(0) for future in futures] == list(range(20))


@pytest.mark.parametrize(("seconds", "said"), [(0.0, 1), (1.0, 1), (1.2, 2), (30.0, 30)])
def test_whole_seconds(seconds: float, said: int) -> None:
    assert retry_after(seconds) == said
