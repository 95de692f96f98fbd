"""Threads of the numerical libraries: one for small products, and none of a parent's after a fork.

A forked child inherits the memory of its parent but only the thread that forked. A thread pool in
that memory waits for threads that are not there: products and networks then never answer. So what
has threads of its own is made anew in each process (:class:`PerProcess`), and a forked child gives
the pools that it cannot make anew one thread.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, TypeVar, cast
from weakref import WeakSet

from threadpoolctl import ThreadpoolController

__all__ = [
    "PerProcess",
    "cores",
    "in_parts",
    "limit_loaded",
    "limited",
    "one_thread",
    "side_by_side",
    "use_cores",
]

T = TypeVar("T")

# More threads than that wait for memory: the parts' products are small.
_MOST_THREADS = 8


_given: list[int] = []


def use_cores(n: int) -> None:
    """Start no more than n threads side by side from now on: this process has a share of a machine.

    For processes that several start on one machine, before they load a network. What is compiled
    already keeps its threads.

    Args:
        n: >= 1.
    """
    _given[:] = [max(1, n)]


def cores() -> int:
    """Threads that this process may start side by side: the machine's cores, or its share."""
    return min([os.cpu_count() or 1, *_given])


def limited() -> bool:
    """Whether :func:`use_cores` was called."""
    return bool(_given)


class _Libraries:
    """The BLAS and OpenMP libraries of this process, looked up again when more may be loaded."""

    def __init__(self) -> None:
        self._selected: dict[str, ThreadpoolController] = {}
        self._modules = 0

    def of(self, user_api: str) -> ThreadpoolController:
        """Those of one kind, ``blas`` or ``openmp``."""
        # Looking for the libraries takes milliseconds, so it is done only after an import.
        n_modules = len(sys.modules)
        if not self._selected or self._modules != n_modules:
            found = ThreadpoolController()
            # Selected, since a limiter restores every library it knows, limited by it or not.
            self._selected = {kind: found.select(user_api=kind) for kind in ("blas", "openmp")}
            self._modules = n_modules
        return self._selected[user_api]


class _SharedLimit:
    """The limit on BLAS, which holds for the whole process: the first sets it, the last lifts it.

    Without the count, two threads that enter A, B and leave A, B would leave the limit for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._before: list[tuple[Any, int]] = []
        self._limited: ThreadpoolController | None = None  # what this limit was last set on

    def enter(self) -> None:
        with self._lock:
            self._set()
            self._holders += 1

    def widen(self) -> None:
        """Limit what was loaded since the last holder came."""
        with self._lock:
            if self._holders:
                self._set()

    def leave(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self.lift()

    def lift(self) -> None:
        """As many threads as before; without the lock, which a forked child cannot wait for."""
        for library, threads in self._before:
            _release(library)
            library.set_num_threads(threads)
            _release(library)
        self._before, self._limited = [], None

    def _set(self) -> None:
        """Limit what is not limited yet: a holder may come when more libraries are loaded."""
        found = _libraries.of("blas")
        if found is self._limited:
            return
        limited, self._limited = {library.filepath for library, _ in self._before}, found
        libraries = [
            (library, library.num_threads)
            for library in found.lib_controllers
            if library.filepath not in limited
        ]
        for library, _ in libraries:
            library.set_num_threads(1)
        # A limit that another thread holds through threadpoolctl is left to that thread.
        self._before += [(lib, threads) for lib, threads in libraries if lib.num_threads != threads]


def _release(library: Any) -> None:
    """Let any thread set the library's number: threadpoolctl ignores all but the one that did."""
    clear = getattr(library, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


class _OpenmpLimit(threading.local):
    """The limit on OpenMP, which each thread has its own: the first sets it, the last lifts it."""

    def __init__(self) -> None:
        self._holders = 0
        self._limits = ExitStack()

    def enter(self) -> None:
        self._holders += 1
        self.widen()

    def leave(self) -> None:
        self._holders -= 1
        if self._holders == 0:
            self._limits.close()

    def widen(self) -> None:
        """Limit what was loaded since the last holder came."""
        if not self._holders:
            return
        found = _libraries.of("openmp")
        if any(library.num_threads > 1 for library in found.lib_controllers):
            self._limits.enter_context(found.limit(limits=1))


_libraries = _Libraries()
_blas = _SharedLimit()
_openmp = _OpenmpLimit()


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra on a single thread for as long as the context lasts.

    Products of a few hundred rows gain little from a second thread, and on a busy machine threads
    that wait for each other make them 10 to 60 times slower. OpenMP is limited for the calling
    thread alone. BLAS can be limited for the whole process only: other threads' products run on one
    thread too until the last holder has left.
    """
    blas = _blas  # after a fork in here it is still this one that was entered
    blas.enter()
    try:
        _openmp.enter()
        try:
            yield
        finally:
            _openmp.leave()
    finally:
        blas.leave()


def limit_loaded() -> None:
    """After an import: limit the libraries that it loaded as the others are just now.

    Without this, a library that is first imported within :func:`one_thread` would have all threads
    until the next one, and a process's first fit other bits than its second.
    """
    _blas.widen()
    _openmp.widen()


@contextmanager
def side_by_side(most: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for works that have nothing to do with each other, as many as there are cores.

    Each work's linear algebra has one thread, so that results are the same on any machine. The
    context ends once all works are done; their errors are in their futures.

    Args:
        most: works that may run at once, >= 1.
    """
    threads = max(1, min(most, cores(), _MOST_THREADS))
    with (
        one_thread(),
        ThreadPoolExecutor(threads, "parts", initializer=_openmp.enter) as pool,
    ):
        yield pool


def in_parts(n: int, size: int, work: Callable[[slice], T]) -> list[T]:
    """What ``work`` returns for each slice of ``size`` of n things, in order, from several threads.

    As :func:`side_by_side`, whose NumPy products, and operations on some hundred numbers, let
    another part go on meanwhile. As the parts are the same on any machine, so are the results. The
    first error is raised once all parts are done.

    Args:
        n: things; none give no parts.
        size: of a part, >= 1.
        work: called with each slice; must write nothing that another part reads.
    """
    parts = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    if min(len(parts), cores()) < 2:
        with one_thread():
            return [work(part) for part in parts]
    with side_by_side(len(parts)) as pool:
        return list(pool.map(work, parts))


class PerProcess(Generic[T]):
    """A value with threads of its own, made once in each process that asks for it.

    A forked child makes its own. The parent's stays in the child's memory for good, since a
    destructor would wait for the parent's threads.

    Args:
        make: makes the value; called by one thread at a time.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._slots: dict[int, _Slot[T]] = {}
        _all_per_process.add(self)

    def get(self) -> T:
        """This process's value; threads that come together wait for the first to make it."""
        # The lock is the process's too: a parent's may have been held by another thread.
        slot = self._slots.setdefault(_process.forks, _Slot())
        with slot.lock:
            if not slot.made:
                slot.value, slot.made = self._make(), True
            return cast(T, slot.value)

    def keep_inherited(self) -> None:
        """Never destroy what the parent made."""
        for slot in self._slots.values():
            if slot.made:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(slot.value))


class _Slot(Generic[T]):
    """Room for the value of one process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made = False
        self.value: T | None = None


class _Process:
    """Which process this is: how many forks lie between it and the first."""

    forks = 0


_process = _Process()
_all_per_process: WeakSet[PerProcess[Any]] = WeakSet()


def _start_afresh() -> None:
    """In a forked child: nothing here may wait for a thread of the parent."""
    global _blas  # noqa: PLW0603 - the lock inside may be held by a thread that is not here
    _process.forks += 1
    for value in list(_all_per_process):
        value.keep_inherited()
    _blas.lift()
    _blas = _SharedLimit()
    # OpenBLAS knows of forks; OpenMP and PyTorch do not, and would wait for ever.
    _openmp.enter()  # and never leave
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_start_afresh)
