"""Ending on request."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from twofold.watch.signals import stopping

# In a process of its own: sent to one that runs other tests too, the signal has at times ended it.
TWICE = """
import signal, sys
from twofold.watch.signals import stopping

number, asked = int(sys.argv[1]), []
signal.signal(number, signal.default_int_handler)
with stopping(lambda: asked.append("first")):
    signal.raise_signal(number)
    assert asked == ["first"]
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt:
        asked.append("second")
assert asked == ["first", "second"]
assert signal.getsignal(number) is signal.default_int_handler
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    subprocess.run([sys.executable, "-c", TWICE, str(int(number))], check=True, timeout=100)


def test_handlers_come_back_and_threads_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopping(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not before
        done: list[bool] = []

        def inside() -> None:
            with stopping(lambda: None):
                done.append(True)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        assert done == [True]
    assert signal.getsignal(signal.SIGTERM) is before
