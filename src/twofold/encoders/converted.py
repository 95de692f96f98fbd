"""Converted networks kept on disk: conversion takes seconds, reading one back milliseconds."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twofold.encoders.cache import cache_folder

__all__ = ["load_or_convert"]

_FILES = ("model.xml", "model.bin")
_HASHES = "sha256.json"


def load_or_convert(key: str, convert: Callable[[], Any]) -> Any:
    """An OpenVINO model from the cache folder, or fresh from ``convert`` and then kept there.

    Args:
        key: hex digest of everything that decides the result.
        convert: makes the ``openvino.Model``.

    A damaged copy (each file's sha256 stands beside it) is made anew; a folder that cannot be
    written only costs the conversion.
    """
    import openvino as ov  # noqa: PLC0415 - the engine decides when OpenVINO may be imported

    root = cache_folder()
    if root is None:
        return convert()
    folder = root / "engines" / key
    if _intact(folder):
        return ov.Core().read_model(folder / _FILES[0])
    model = convert()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{key[:12]}.", dir=folder.parent))
        try:
            # Half-precision weights, the default, would change every vector.
            ov.save_model(model, fresh / _FILES[0], compress_to_fp16=False)
            hashes = {name: _sha256(fresh / name) for name in _FILES}
            (fresh / _HASHES).write_text(json.dumps(hashes), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except (OSError, RuntimeError):
        pass  # Another process was first, or the folder cannot be written.
    return model


def _intact(folder: Path) -> bool:
    try:
        hashes = json.loads((folder / _HASHES).read_text(encoding="utf-8"))
        return all(hashes[name] == _sha256(folder / name) for name in _FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
