"""Writers of image files that Pillow reads but cannot write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tests.support.bad_files import png_chunk


def png16(
    values: NDArray[Any], *, before: Sequence[tuple[bytes, bytes]] = (), interlaced: bool = False
) -> bytes:
    """Return a 16-bit PNG: (h, w) grey, or (h, w, 2 to 4) with alpha, colour, or both."""
    height, width = values.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values[0, 0].size]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, int(interlaced))
    big = values.astype(">u2")
    if interlaced:
        adam7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
        parts = [big[y::dy, x::dx] for y, x, dy, dx in (*adam7, (1, 0, 2, 1))]
    else:
        parts = [big]
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def tiff(
    values: NDArray[Any],
    *,
    order: Literal["<", ">"] = "<",
    photometric: int | None = None,
    compressed: bool = False,
    separate: bool = False,
    sample_format: int = 1,
    extra: Sequence[int] = (),
    packed_12: bool = False,
    tags: Mapping[int, Sequence[int]] | None = None,
) -> bytes:
    """Return a TIFF file of one strip a plane; values (h, w) or (h, w, channels)."""
    height, width = values.shape[:2]
    channels = values[0, 0].size
    stacked = values.reshape(height, width, channels)
    planes = [stacked[..., i] for i in range(channels)] if separate else [values]
    strips = [plane.astype(plane.dtype.newbyteorder(order)).tobytes() for plane in planes]
    if packed_12:
        strips = [_packed_12(values)]
    if compressed:
        strips = [zlib.compress(strip) for strip in strips]
    if photometric is None:
        photometric = 2 if channels >= 3 else 1
    entries: dict[int, tuple[str, Sequence[int]]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [12 if packed_12 else 8 * values.dtype.itemsize] * channels),
        259: ("H", [8 if compressed else 1]),
        262: ("H", [photometric]),
        273: ("I", [0] * len(strips)),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(strip) for strip in strips]),
        284: ("H", [2 if separate else 1]),
        339: ("H", [sample_format] * channels),
    }
    if extra:
        entries[338] = ("H", extra)
    entries |= {tag: ("H", numbers) for tag, numbers in (tags or {}).items()}
    start = 8 + len(_directory(entries, order))
    entries[273] = ("I", [start + sum(map(len, strips[:i])) for i in range(len(strips))])
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8) + _directory(entries, order) + b"".join(strips)


def _directory(entries: dict[int, tuple[str, Sequence[int]]], order: str) -> bytes:
    """Return the tags, which start at byte 8, and behind them the values that need more room."""
    place = 8 + 2 + 12 * len(entries) + 4
    head, tail = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, numbers) in sorted(entries.items()):
        raw = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(raw) > 4:
            raw, tail = struct.pack(order + "I", place + len(tail)), tail + raw
        head += struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[kind], len(numbers))
        head += raw.ljust(4, b"\0")
    return head + bytes(4) + tail


def _packed_12(values: NDArray[Any]) -> bytes:
    pairs = values.reshape(-1, 2).astype(np.uint16)
    first, second = pairs[:, 0], pairs[:, 1]
    three = [first >> 4, (first & 15) << 4 | second >> 8, second & 255]
    return np.stack(three, axis=1).astype(np.uint8).tobytes()
