"""A package that is not installed."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let every import of a package, or of a part of it, fail from now on."""
    real = builtins.__import__

    def refuse(name: str, *args: Any, **more: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)


def forget(monkeypatch: pytest.MonkeyPatch, *prefixes: str) -> None:
    """Let modules of ours be imported anew, until the test ends.

    Names as attributes of their packages come back too: else ``monkeypatch.setattr("a.b.c", ...)``
    of a later test would change another module than the one that is in use.
    """
    found = [name for name in sys.modules if name.startswith(prefixes)]
    for name in sorted(found, reverse=True):  # a package after its parts
        package, _, child = name.rpartition(".")
        monkeypatch.setattr(sys.modules[package], child, sys.modules[name])
        monkeypatch.delitem(sys.modules, name)
