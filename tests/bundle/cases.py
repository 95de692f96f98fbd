"""Models to read, and ways to forge them."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.bundle import (
    read_bundle,
    write_bundle,
)
from twofold.errors import BundleError

Arrays = dict[str, NDArray[Any]]

HEADER: dict[str, Any] = {
    "method": "patch_memory",
    "configuration": {"k": 3, "rate": 1e-05, "layers": ["a", "b"], "ünïcode": "é\u2028\x1b"},
    "evidence": [0.1, 0.30000000000000004, None, True, -7, 2**70],
    "threshold": 0.25,
}


def arrays(value: float = 1.5) -> Arrays:
    return {
        "centre": np.full((2, 3), value, np.float32),
        "count": np.array(7, np.int64),
        "none": np.zeros((0, 4), np.float16),
    }


def document(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((path / "detector.json").read_text("utf-8"))
    return loaded


def forge(path: Path, content: dict[str, Any]) -> None:
    """Write ``detector.json`` with a checksum that matches, as an attacker would."""
    content = {key: value for key, value in content.items() if key != "checksum"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (path / "detector.json").write_text(text, "utf-8")


def forge_file(path: Path, raw: bytes, name: str = "tensors.safetensors", **changes: Any) -> None:
    """Replace a file by ``raw`` with size, SHA-256 and checksum that match."""
    (path / name).write_bytes(raw)
    content = document(path)
    content["files"][name] = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    forge(path, content | changes)


def refused(path: Path | str, match: str | None = None) -> str:
    with pytest.raises(BundleError, match=match) as caught:
        read_bundle(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1500
    return message


def same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].tobytes() == other[name].tobytes()
        for name in one
    )


def pack(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str = "U8", shape: Any = (4,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def save(path: Path, n: int) -> None:
    write_bundle(path, {"n": n}, {"t": np.full(3, float(n))}, {"encoder": {"w": np.full(2, n)}})


def loaded_number(path: Path) -> int:
    bundle = read_bundle(path)
    n = bundle.header["n"]
    assert isinstance(n, int)
    assert (bundle.tensors["t"] == n).all()
    assert (bundle.extra("encoder")["w"] == n).all()
    return n
