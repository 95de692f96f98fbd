"""Which settings run a network fastest on this machine, by trying them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import openvino_model
from twofold.encoders.runners import OpenVinoRunner, Runner
from twofold.encoders.settings import MAX_STREAMS, EngineSettings
from twofold.threads import cores

__all__ = ["Measured", "choose", "measure", "rate"]

# Images of a call that are tried.
_GROUPS = (1, 2, 4, 8)
# The usual settings stay unless others are faster by more than what runs differ by anyway.
_WORTH = 1.03
# Seconds of one try, and tries of each setting: they take turns, so that other work on the machine
# hits all of them alike.
_SECONDS, _ROUNDS = 0.7, 5


@dataclass(frozen=True)
class Measured:
    """What was tried.

    Attributes:
        settings: the fastest.
        rates: images per second of frozen encoding without decoding, the median, by settings.
    """

    settings: EngineSettings
    rates: dict[EngineSettings, float]


def measure(
    encoder: Encoder,
    *,
    seconds: float = _SECONDS,
    rounds: int = _ROUNDS,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Try numbers of streams, and then of images a call, with whole images of noise.

    Takes half a minute by default, in which nothing else should run. Only settings that give the
    same bits as the usual ones are taken.

    Args:
        encoder: that will be used.
        seconds: of one try.
        rounds: tries of each setting, whose median counts.
        progress: called with the tries that are done, and all of them at most.

    Raises:
        MissingExtraError, WeightsError: its network cannot be had.
    """
    usual = EngineSettings.usual()
    n = cores()
    streams = {1, -(-n // 2), n, 2 * n, usual.streams} & set(range(1, MAX_STREAMS + 1))
    trial = _Trial(encoder, seconds, rounds)
    told = _counted(progress, (len(streams) + len(_GROUPS)) * rounds)
    # One image a call runs with every network.
    first = trial.rates([EngineSettings(n, 1) for n in sorted(streams)], told)
    best = choose(first, EngineSettings(usual.streams, 1))
    second = trial.rates([EngineSettings(best.streams, group) for group in _GROUPS], told)
    found = choose(second, EngineSettings(best.streams, usual.group))
    return Measured(EngineSettings(found.streams, found.group, measured=True), first | second)


def choose(rates: dict[EngineSettings, float], usual: EngineSettings) -> EngineSettings:
    """The fastest settings, or the usual ones where they run and are not clearly slower."""
    fastest = max(rates, key=lambda one: rates[one])
    return fastest if rates[fastest] > _WORTH * rates.get(usual, 0.0) else usual


def rate(runner: Runner, batch: NDArray[Any], streams: int, seconds: float) -> float:
    """Images per second, with as many threads calling as there are streams."""
    start = time.perf_counter()

    def work(_: int) -> int:
        calls = 0
        while time.perf_counter() - start < seconds:
            runner(batch)
            calls += 1
        return calls

    with ThreadPoolExecutor(streams) as pool:
        calls = sum(pool.map(work, range(streams)))
    return calls * len(batch) / (time.perf_counter() - start)


class _Trial:
    """Settings on one network."""

    def __init__(self, encoder: Encoder, seconds: float, rounds: int) -> None:
        self._model = openvino_model(encoder, ("pooled",))
        self._seconds, self._rounds = seconds, rounds
        shape = (max(_GROUPS), *encoder.spec.preprocessing.shape, 3)
        self._noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        self._expected: NDArray[np.float32] | None = None

    def rates(
        self, settings: Sequence[EngineSettings], told: Callable[[], None]
    ) -> dict[EngineSettings, float]:
        """Of each that can be run and gives the same bits."""
        runners = {one: self._runner(one) for one in settings}
        runs = {one: runner for one, runner in runners.items() if runner is not None}
        seen: dict[EngineSettings, list[float]] = {one: [] for one in runs}
        for _ in range(self._rounds):
            for one, runner in runs.items():
                batch = self._noise[: one.group]
                seen[one].append(rate(runner, batch, one.streams, self._seconds))
                told()
        return {one: statistics.median(found) for one, found in seen.items()}

    def _runner(self, one: EngineSettings) -> Runner | None:
        model = self._model.clone()
        batch = self._noise[: one.group]
        try:
            model.reshape([one.group, *batch.shape[1:]])
            runner = OpenVinoRunner(model, batch, one.streams)
        except RuntimeError:  # a network that was traced with one image may hold that number
            return None
        if self._expected is None:
            alone = OpenVinoRunner(self._model, batch[:1], EngineSettings.usual().streams)
            each = [alone(self._noise[row : row + 1])[0] for row in range(len(self._noise))]
            self._expected = np.concatenate(each)
        same = np.array_equal(runner(batch)[0], self._expected[: one.group])
        return runner if same else None


def _counted(progress: Callable[[int, int], None] | None, total: int) -> Callable[[], None]:
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return tell
