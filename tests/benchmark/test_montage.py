"""The picture of captioned thumbnails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from twofold.benchmark.montage import Row, draw_montage
from twofold.images import ImageSet


def test_a_montage_is_a_png_of_the_right_size(tmp_path: Path) -> None:
    red = np.zeros((3, 300, 200, 3), dtype=np.uint8)
    red[..., 0] = 255
    small = np.zeros((1, 20, 20), dtype=np.uint8)
    path = tmp_path / "sheet.png"
    draw_montage(
        [
            Row("three", ImageSet.from_array(red), ["a", "b", "ü"]),
            Row("one", ImageSet.from_array(small), ["c"]),
        ],
        path,
    )
    with Image.open(path) as sheet:
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")
        assert sheet.size == (3 * 156 + 6, 2 * 202 + 6)
        pixels = np.asarray(sheet)
    assert tuple(pixels[6 + 26 + 75, 6 + 50]) == (255, 0, 0)  # inside the first thumbnail
    assert tuple(pixels[6 + 202 + 26 + 5, 6 + 5]) == (0, 0, 0)  # inside the small one
    assert tuple(pixels[-1, -1]) == (255, 255, 255)
