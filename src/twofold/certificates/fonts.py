"""Fonts for names in other scripts than the Latin one of a PDF's own fonts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["font_files"]

# Widest scripts first. One is taken if it has a letter that those before lack.
_KNOWN = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "arial.ttf",
    "Arial Unicode.ttf",
    "DroidSansFallbackFull.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "YuGothR.ttc",
    "NotoSansArabic-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "Nirmala.ttf",
    "NotoEmoji-Regular.ttf",
)


def font_files() -> Iterator[Path]:
    """Known fonts that this machine has, best first."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                found.setdefault(name, Path(place, name))
    yield from (found[name] for name in _KNOWN if name in found)


def _folders() -> Iterator[Path]:
    """Where systems keep fonts; a folder that is not there is walked as an empty one."""
    home = os.path.expanduser("~")  # noqa: PTH111 - a Path would fail where there is no home
    yield Path(home, ".local/share/fonts")
    yield Path(home, "Library/Fonts")
    yield Path("/usr/share/fonts")
    yield Path("/usr/local/share/fonts")
    yield Path("/Library/Fonts")
    yield Path("/System/Library/Fonts")
    yield Path(os.environ.get("WINDIR", r"C:\Windows"), "Fonts")
