"""One thread while it is asked for, as many as before afterwards, and none of a parent's."""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info
from torch.nn.functional import interpolate

from twofold import threads
from twofold.threads import PerProcess, in_parts, one_thread, side_by_side


def counts() -> list[int]:
    return [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_thread_inside_and_as_before_outside() -> None:
    before = counts()
    assert before
    with one_thread():
        assert set(counts()) == {1}
        with one_thread():
            assert set(counts()) == {1}
        assert set(counts()) == {1}
    assert counts() == before


def test_two_threads_that_leave_in_the_order_they_came() -> None:
    """The one that came first leaves first: the limit stays until the last has left, no longer."""
    before = counts()
    first, second = one_thread(), one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(counts()) == {1}
    second.__exit__(None, None, None)
    assert counts() == before


def test_a_holder_within_another_sets_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise AssertionError("it is limited already")

    with one_thread():
        with monkeypatch.context() as patch:
            for library in threads._libraries.of("blas").lib_controllers:
                patch.setattr(library, "set_num_threads", refuse)
            with one_thread():
                assert set(counts()) == {1}
        assert set(counts()) == {1}


def test_parts_come_in_order_each_with_one_thread() -> None:
    before = counts()
    inside: list[set[int]] = []

    def work(part: slice) -> list[int]:
        inside.append(set(counts()))
        return list(range(10))[part]

    assert in_parts(10, 4, work) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert in_parts(0, 4, work) == []
    assert all(found == {1} for found in inside)
    assert counts() == before
    with pytest.raises(ZeroDivisionError):
        in_parts(10, 4, lambda part: 1 // part.start)


def test_many_threads_at_once() -> None:
    before = counts()
    inside: list[set[int]] = []

    def work(seed: int) -> None:
        wait = random.Random(seed)
        for _ in range(20):
            with one_thread():
                time.sleep(wait.random() / 1000)
                inside.append(set(counts()))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert inside == [{1}] * 120
    assert counts() == before


def test_an_error_inside_lifts_the_limit() -> None:
    before = counts()
    with pytest.raises(ValueError, match="inside"), one_thread():
        raise ValueError("inside")
    assert counts() == before


def test_openmp_is_limited_for_the_calling_thread_alone() -> None:
    def openmp() -> list[int]:
        return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "openmp"]

    before, elsewhere = openmp(), []
    assert before
    with one_thread():
        assert set(openmp()) == {1}
        other = threading.Thread(target=lambda: elsewhere.append(openmp()))
        other.start()
        other.join()
    assert openmp() == before
    assert elsewhere[0] == before


def test_works_side_by_side_have_one_thread_each() -> None:
    def work(number: int) -> tuple[int, set[int]]:
        return number, {int(pool["num_threads"]) for pool in threadpool_info()}

    before = threadpool_info()
    with side_by_side(3) as threads:
        found = [threads.submit(work, number) for number in range(3)]
        failed = threads.submit(lambda: 1 // 0)
    openmp = {pool["user_api"] for pool in before} - {"blas"}
    assert openmp == {"openmp"}
    assert [future.result() for future in found] == [(number, {1}) for number in range(3)]
    assert threadpool_info() == before
    with pytest.raises(ZeroDivisionError):
        failed.result()


@pytest.mark.slow
def test_what_is_imported_inside_has_one_thread_too() -> None:
    """Or a process's first fit, which imports SciPy and scikit-learn, had other bits than later."""
    code = """if True:
        from threadpoolctl import threadpool_info
        from twofold.deferred import deferred, importing
        from twofold.threads import one_thread
        linalg, cluster = deferred("scipy.linalg"), deferred("sklearn.cluster")
        def counts():
            return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
        with one_thread():
            few = len(counts())
            linalg.eigh
            with importing("sklearn.cluster"):
                pass
            cluster.KMeans
            inside = counts()
        outside = counts()
        print(len(inside) > few, set(inside.values()), min(outside.values()))
    """
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert said.stdout.split() == ["True", "{1}", str(os.cpu_count())]


def in_a_fork(work: Callable[[], None]) -> int:
    """The exit status of a forked child that does the work and ends as a program does."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
        child.join()
        return -1
    assert child.exitcode is not None
    return child.exitcode


def test_a_value_is_made_once_in_each_process() -> None:
    made: list[int] = []

    def make() -> object:
        made.append(os.getpid())
        time.sleep(0.02)
        return object()

    value = PerProcess(make)
    with ThreadPoolExecutor(4) as pool:
        assert len({id(found) for found in pool.map(lambda _: value.get(), range(8))}) == 1
    assert made == [os.getpid()]

    def child() -> None:
        value.get()
        assert value.get() is value.get()
        assert len(made) == 2
        assert made[1] == os.getpid()

    assert in_a_fork(child) == 0
    assert len(made) == 1


def test_a_lock_held_at_the_fork_holds_up_nobody() -> None:
    """Another thread is making the value, or inside ``one_thread``, while this one forks."""
    started, done, before = threading.Event(), threading.Event(), counts()

    def slow() -> int:
        started.set()
        done.wait(60)
        return 1

    value = PerProcess(slow)

    def hold() -> None:
        with one_thread():
            value.get()

    other = threading.Thread(target=hold)
    other.start()
    started.wait(60)

    def child() -> None:
        done.set()
        with one_thread():
            assert value.get() == 1
        assert counts() == before

    try:
        assert in_a_fork(child) == 0
    finally:
        done.set()
        other.join()


def test_products_of_a_forked_child_end() -> None:
    """Its parent's threads have worked, so a pool that is inherited would wait for them."""
    rows = np.random.default_rng(0).normal(size=(600, 40))
    images = torch.zeros(4, 3, 400, 400, dtype=torch.uint8)

    def work() -> None:
        KMeans(4, n_init=1, random_state=0).fit(rows)
        interpolate(images, size=(224, 224), mode="bicubic", antialias=True)
        torch.rand(800, 800) @ torch.rand(800, 800)
        np.linalg.svd(rows)

    work()
    assert in_a_fork(work) == 0
