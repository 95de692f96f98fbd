"""Arrays: what may be stored, and safetensors bytes that may be trusted after all checks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import JsonValue

from twofold.bundle._document import Entry
from twofold.bundle._files import HEADER, MAX_HEADER_BYTES, read_regular, show
from twofold.canonical import canonical_json
from twofold.errors import BundleError

_DTYPES = frozenset(
    {"float16", "float32", "float64", "bool"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
# A network has some hundreds. Making an array takes as long for an empty one, so that a list of a
# million of them, which fits into 50 MiB, would keep a reader busy for half a minute.
_MAX_ARRAYS = 10_000
_PIECE = 2**20  # values checked at a time: the mask of a large array is itself large


def storable(target: Path, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays as safetensors needs them, or refuse them before anything is written."""
    stored: dict[str, NDArray[Any]] = {}
    for name, array in tensors.items():
        if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
            raise BundleError(f"{show(target)}: tensor {show(name)!r} is not a plain array")
        # A byte order or memory layout is not part of the content. (0-d arrays stay 0-d.)
        native = array.dtype.newbyteorder("=") if array.dtype.kind in "fiu" else array.dtype
        stored[name] = np.asarray(array, dtype=native, order="C")
    check_tensors(target, stored)
    return stored


def check_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Check names, types and that every value is finite (and every bool a bool)."""
    for name, array in tensors.items():
        where = f"{show(path)}: tensor {show(name)!r}"
        if not isinstance(name, str) or not 1 <= len(name) <= 200 or not name.isprintable():
            raise BundleError(f"{where}: its name must be 1 to 200 printable characters")
        if name == "__metadata__":
            raise BundleError(f"{where}: the name belongs to the file format")
        if array.dtype.name not in _DTYPES:
            raise BundleError(f"{where} is of type {show(array.dtype)}, which is not supported")
        flat = array.reshape(-1)
        for start in range(0, flat.size, _PIECE):
            part = flat[start : start + _PIECE]
            if part.dtype == np.bool_ and part.view(np.uint8).max() > 1:
                raise BundleError(f"{where} holds bytes that are neither true nor false")
            if not np.isfinite(part).all():
                raise BundleError(f"{where} holds values that are not finite")


def check_header(file: Path, raw: bytes) -> None:
    """Refuse safetensors bytes that list more arrays than any model has, before they are parsed."""
    length = int.from_bytes(raw[:8], "little")
    if length > MAX_HEADER_BYTES or raw.count(b"{", 8, 8 + length) > _MAX_ARRAYS + 1:
        raise BundleError(f"{show(file)}: not valid safetensors: lists too many tensors")


def described(tensors: Mapping[str, NDArray[Any]]) -> dict[str, JsonValue]:
    """Return each array's dtype and shape by name, as ``detector.json`` lists them."""
    return {
        name: {"dtype": array.dtype.name, "shape": list(array.shape)}
        for name, array in sorted(tensors.items())
    }


def check_listed(file: Path, tensors: Mapping[str, NDArray[Any]], listed: JsonValue) -> None:
    """Check that the arrays are exactly those that ``detector.json`` lists."""
    actual = described(tensors)
    # As text: to Python ``[True]`` and ``[1.0]`` would equal ``[1]``.
    if canonical_json(listed) == canonical_json(actual):
        return
    stated = listed if isinstance(listed, dict) else {}
    for name in sorted(stated.keys() | actual.keys()):
        one, other = (
            canonical_json(table[name]).decode() if name in table else "missing"
            for table in (actual, stated)
        )
        if one != other:
            raise BundleError(
                f"{show(file)}: tensor {show(name)!r} is {show(one)} here, "
                f"but {show(other)} in {HEADER}"
            )
    raise BundleError(f"{show(file)}: {HEADER} does not list its tensors")


def load(file: Path, entry: Entry) -> dict[str, NDArray[Any]]:
    """Read ``file`` once; hash and parse those very bytes."""
    raw = read_regular(file, entry.size)
    if hashlib.sha256(raw).hexdigest() != entry.sha256:
        raise BundleError(f"{show(file)}: SHA-256 does not match: damaged; copy the model again")
    check_header(file, raw)
    try:
        loaded = safetensors.numpy.load(raw)
    except Exception as error:  # its own, and numpy's for types and shapes numpy does not have
        raise BundleError(f"{show(file)}: not valid safetensors: {show(error)}") from error
    # Arrays over a buffer that may not be written share it with the file's bytes.
    return {name: a if a.flags.writeable else a.copy() for name, a in sorted(loaded.items())}
