"""Ending on request."""

from __future__ import annotations

import signal
import threading

import pytest

from twofold.watch.signals import stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    asked: list[int] = []
    try:
        signal.signal(number, signal.default_int_handler)
        with stopping(lambda: asked.append(1)):
            signal.raise_signal(number)
            assert asked == [1]
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


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
