"""How many calls of a network run side by side on this machine, and how many images in each."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from twofold.deferred import installed_version
from twofold.encoders.cache import cache_folder
from twofold.errors import UsageError
from twofold.files import write_whole
from twofold.threads import cores, limited

__all__ = [
    "GROUP",
    "MAX_GROUP",
    "MAX_STREAMS",
    "EngineSettings",
    "forget_settings",
    "keep_settings",
    "n_streams",
    "this_machine",
]

MAX_STREAMS = 8
"""Each stream holds its own activations; beyond eight, memory grows faster than throughput."""
GROUP = 4
"""Images of a call where there are many and nothing was measured here.

Measured on two cores, Lite0: with one image a call each takes 8% longer, with 2 or 8 as long."""
MAX_GROUP = 16
_FILE = "settings.json"


@dataclass(frozen=True)
class EngineSettings:
    """What changes how fast OpenVINO is, and no bit of what it gives.

    Attributes:
        streams: calls that run side by side, each with one core's threads or more, 1 to 8.
        group: images of a call where there are many, 1 to 16.
        measured: on this machine; False: as is usual.
    """

    streams: int
    group: int
    measured: bool = False

    @classmethod
    def usual(cls) -> EngineSettings:
        """A stream a core: no barrier holds up a decoding thread."""
        return cls(min(cores(), MAX_STREAMS), GROUP)

    @classmethod
    def here(cls) -> EngineSettings:
        """What was measured on this machine (:func:`keep_settings`), or the usual ones."""
        kept = _kept(cache_folder())
        if kept is None:
            return cls.usual()
        # A process with a share of the machine keeps to it.
        return replace(kept, streams=min(kept.streams, cores())) if limited() else kept


def n_streams() -> int:
    """Calls that run side by side."""
    return EngineSettings.here().streams


def this_machine() -> dict[str, str | int]:
    """What settings depend on: they are not taken from a cache that came from elsewhere."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "openvino": installed_version("openvino") or "",
    }


def keep_settings(settings: EngineSettings) -> Path:
    """Use these on this machine from now on, and give the file that they are kept in.

    Raises:
        UsageError: there is no cache folder, or it cannot be written.
    """
    folder = cache_folder()
    if folder is None:
        raise UsageError("settings are kept in the cache, which is off: unset TWOFOLD_CACHE")
    content = {"machine": this_machine(), "streams": settings.streams, "group": settings.group}
    try:
        write_whole(folder / _FILE, json.dumps(content, indent=2).encode())
    except OSError as error:
        raise UsageError(f"{folder / _FILE}: {error.strerror}; set TWOFOLD_CACHE") from error
    _kept.cache_clear()
    return folder / _FILE


def forget_settings() -> None:
    """Use the usual ones from now on; nothing to forget is no error."""
    folder = cache_folder()
    if folder is not None:
        (folder / _FILE).unlink(missing_ok=True)
    _kept.cache_clear()


@cache
def _kept(folder: Path | None) -> EngineSettings | None:
    """What a folder keeps; None where that is nothing, of another machine or damaged."""
    if folder is None:
        return None
    try:
        found = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        streams, group = found["streams"], found["group"]
        same = found["machine"] == this_machine()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    good = all(
        type(value) is int and 1 <= value <= most
        for value, most in ((streams, MAX_STREAMS), (group, MAX_GROUP))
    )
    return EngineSettings(streams, group, measured=True) if same and good else None


def _processor() -> str:
    """Its name, as the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
