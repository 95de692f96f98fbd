"""How large what a system needs is once it is installed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

# What only a graphics card needs. PyTorch's usual wheels for Linux bring it to every system here.
_CUDA = re.compile(r"nvidia-.*|cuda-.*|triton")


def needed(names: Iterable[str]) -> dict[str, Distribution]:
    """Distributions that the named ones require, and what those require, themselves included.

    Args:
        names: requirements, such as ``anomalib`` or ``twofold[report]``.

    Returns:
        Normalised name -> distribution. What is required but not installed here is left out.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        name, extras = _normalised(wanted.name), frozenset(wanted.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = distribution(wanted.name)
        except PackageNotFoundError:
            continue
        waiting += _requirements(found[name], extras)
    return found


def installed_bytes(distributions: Iterable[Distribution]) -> int:
    """Bytes of the files that the distributions list, each file counted once."""
    files = {
        Path(str(file.locate())).resolve() for known in distributions for file in known.files or ()
    }
    return sum(file.stat().st_size for file in files if file.is_file())


def installed_megabytes(names: Iterable[str]) -> tuple[float, float]:
    """MB (10^6 bytes) of all that the named distributions need, and of that without CUDA."""
    found = needed(names)
    rest = [known for name, known in found.items() if not _CUDA.fullmatch(name)]
    return installed_bytes(found.values()) / 1e6, installed_bytes(rest) / 1e6


def _requirements(known: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    """Those that hold on this machine, for the extras."""
    for text in known.requires or ():
        wanted = Requirement(text)
        if wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        ):
            yield wanted


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
