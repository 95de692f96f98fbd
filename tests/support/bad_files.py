"""Files that no image detector can use, as they turn up in real folders."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image


def write_bad_files(folder: Path) -> dict[str, str]:
    """Write 12 unusable image files; return each name with a word its reason must contain."""
    photo = Image.linear_gradient("L").rotate(30).convert("RGB")
    contents = {
        "empty.png": (b"", "empty"),
        "empty.jpg": (b"", "empty"),
        "truncated.jpg": (_half(_encoded(photo, "JPEG")), "truncated"),
        "truncated.png": (_half(_encoded(photo, "PNG")), "truncated"),
        "text.png": (b"These are notes about the images.\n", "not an image"),
        "page.jpg": (b"<!DOCTYPE html><title>404 Not Found</title>\n", "not an image"),
        "bomb.png": (png_of_size(50_000, 50_000), "limit"),
        "dot.png": (_encoded(photo.resize((1, 1)), "PNG"), "1 x 1"),
        "dot.jpg": (_encoded(photo.resize((1, 1)), "JPEG"), "1 x 1"),
        "animated.webp": (_animated(photo), "2 frames"),
        "noise.tif": (random.Random(0).randbytes(4096), "not an image"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    (folder / "dangling.png").symlink_to(folder / "moved-away.png")
    return {name: word for name, (_, word) in contents.items()} | {"dangling.png": "dangling"}


def png_of_size(width: int, height: int) -> bytes:
    """Return a tiny PNG file whose header claims `width` x `height` pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG file: length, kind, data and check sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _encoded(image: Image.Image, format_name: str) -> bytes:
    file = BytesIO()
    image.save(file, format_name)
    return file.getvalue()


def _animated(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "WEBP", save_all=True, append_images=[image.rotate(90)])
    return file.getvalue()


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]
