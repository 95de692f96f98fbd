"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "twofold",
    "anomalib",
    "pyod",
    "scikit-learn",
    "skada",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "openvino",
)


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GiB, Python and versions."""
    return {
        "cpu": _processor(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES},
    }


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = dict(re.findall(r"^([\w ]+?)\s*: (.+)$", text, re.MULTILINE))
    name = str(names.get("model name", platform.machine()))
    # Virtual machines shorten the name; family and model tell its kind.
    return f"{name} (family {names.get('cpu family', '?')}, model {names.get('model', '?')})"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
