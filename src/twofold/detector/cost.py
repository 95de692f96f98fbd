"""What a fit takes on this machine, told from one that was just made."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twofold.encoders.encode import FrozenEncoder
from twofold.images import ImageSet

__all__ = ["Cost", "StopWatch", "peak_bytes", "seconds_to_read"]

# Images by which the time of reading all of them is told.
_READ = 64


@dataclass(frozen=True)
class Cost:
    """What a fit to the same images takes.

    Attributes:
        seconds: from images to a fitted detector; the start of the program comes on top.
        memory: the most bytes in use; None where the system does not tell.
    """

    seconds: float
    memory: int | None

    def sentence(self) -> str:
        """For people."""
        minutes = self.seconds / 60
        time_ = f"{self.seconds:.0f} seconds" if minutes < 2 else f"{minutes:.0f} minutes"
        room = "" if self.memory is None else f" and {self.memory / 1e9:.1f} GB of memory"
        return f"a fit to these images takes about {time_}{room} on this machine"


class StopWatch:
    """Seconds since it was made."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._start = clock, clock()

    def seconds(self) -> float:
        """How many by now."""
        return self._clock() - self._start


def seconds_to_read(frozen: FrozenEncoder, images: ImageSet) -> float:
    """How long all images take to encode from now on: what the cache holds is only looked up.

    Args:
        frozen: that has encoded them before.
        images: all of them; some are encoded again.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, min(_READ, len(images))).astype(int))
    watch = StopWatch()
    frozen.encode(images.subset(chosen))
    return watch.seconds() * len(images) / len(chosen)


def peak_bytes() -> int | None:
    """The most memory that this process has used so far; None where the system does not tell."""
    with suppress(OSError, StopIteration, ValueError):
        # What ``getrusage`` tells on Linux begins with the parent's.
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in status if line.startswith("VmHWM:")).split()[1])
    with suppress(ImportError):
        import resource  # noqa: PLC0415 - not on Windows

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(most if sys.platform == "darwin" else most * 1024)
    return None
