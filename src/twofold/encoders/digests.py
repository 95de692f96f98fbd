"""Which network a file of weights makes, remembered: reading it again takes PyTorch and seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from twofold.encoders.cache import cache_folder
from twofold.files import write_whole

__all__ = ["array_digest", "forget", "known_digest", "remember"]

_FILE = "weights.json"


def array_digest(arrays: Mapping[str, ArrayLike]) -> str:
    """What :func:`twofold.encoders.weights.state_digest` gives for the same tensors."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name}|torch.{array.dtype}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def known_digest(encoder: str, file_sha256: str) -> str | None:
    """The digest of the network that a file makes, if this machine has loaded it before.

    Args:
        encoder: its id.
        file_sha256: of the file.
    """
    found = _read().get(_key(encoder, file_sha256))
    return found if isinstance(found, str) else None


def remember(encoder: str, file_sha256: str, digest: str) -> None:
    """Keep the digest for the next time, unless nothing can be kept."""
    known = _read()
    key = _key(encoder, file_sha256)
    if known.get(key) != digest:
        _write(known | {key: digest})


def forget(encoder: str, file_sha256: str) -> None:
    """No longer keep a digest, as the file turned out to make another network."""
    key = _key(encoder, file_sha256)
    _write({name: digest for name, digest in _read().items() if name != key})


def _key(encoder: str, file_sha256: str) -> str:
    return f"{encoder}:{file_sha256}"


def _read() -> dict[str, Any]:
    folder = cache_folder()
    if folder is None:
        return {}
    try:
        found = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(known: dict[str, Any]) -> None:
    folder = cache_folder()
    if folder is None:
        return
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _FILE, json.dumps(known, indent=1, sort_keys=True).encode())
