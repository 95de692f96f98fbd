"""Saved detectors, and ways to alter them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from twofold import Detector

Make = Callable[..., Detector]

QUICK = {"training": {"epochs": 2, "min_steps": 10}}


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def document(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((path / "detector.json").read_text("utf-8"))
    return loaded


def forge(path: Path, **changes: Any) -> None:
    """Change ``detector.json`` and make its checksum match, as an attacker would."""
    content = document(path) | changes
    content.pop("checksum")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (path / "detector.json").write_text(text, "utf-8")


def load(path: Path, **options: Any) -> Detector:
    detector = Detector.load(path, **options)
    # The toy's own engine, which gives the bits of the fixture.
    detector.engine = "torch"
    return detector
