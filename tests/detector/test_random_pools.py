"""Hundreds of random pools: each ends in a result or in a one-line error, and in nothing else."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.support import toy

from twofold import Detector
from twofold.errors import TwofoldError

MODES = ("RGB", "L", "1", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16", "F")
FORMATS = {"RGB": ("PNG", "JPEG", "BMP", "TIFF", "WEBP"), "L": ("PNG", "JPEG"), "CMYK": ("TIFF",)}
OTHERS = {"YCbCr": ("JPEG",), "F": ("TIFF",), "I;16": ("PNG", "TIFF"), "LA": ("PNG",)}
BROKEN = (b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff\xe0 cut short")
METHODS = ("auto", "auto", "auto", "target_only", "frozen_source", "padim", "patchcore")


def picture(rng: np.random.Generator, shapes: NDArray[Any]) -> Image.Image:
    """A shape or a blank, of a random size and mode."""
    image = Image.fromarray(shapes[rng.integers(len(shapes))])
    if rng.random() < 0.1:
        image = Image.new("RGB", image.size, tuple(rng.integers(0, 256, 3).tolist()))
    if rng.random() < 0.3:
        sides = rng.choice([8, 9, 17, 31, 64, 100, 300], 2)
        image = image.resize((int(sides[0]), int(sides[1])))
    mode = MODES[rng.integers(len(MODES))] if rng.random() < 0.3 else "RGB"
    if mode == "I;16":
        bits = int(rng.choice([8, 10, 12, 16]))
        values = np.asarray(image.convert("L")).astype(np.float64) * (2**bits - 1) / 255
        return Image.fromarray(values.astype(np.uint16))
    if mode == "F":
        top = 1.0 if rng.random() < 0.7 else 300.0
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.float32) / 255 * top)
    return image.convert(mode)


def write_pool(folder: Path, rng: np.random.Generator, shapes: NDArray[Any]) -> int:
    """Between 2 and 60 files, some of them the same, at times one that is broken."""
    folder.mkdir(parents=True)
    n = int(rng.integers(2, 61)) if rng.random() < 0.5 else int(rng.integers(2, 15))
    # One kind of image in some pools, a few images over and over in others.
    copies = rng.random() < 0.25
    kinds = [picture(rng, shapes) for _ in range(int(rng.integers(1, 4)) if copies else n)]
    for row in range(n):
        image = kinds[rng.integers(len(kinds))] if copies else kinds[row]
        known = (FORMATS | OTHERS).get(image.mode, ("PNG",))
        kind = known[rng.integers(len(known))]
        buffer = io.BytesIO()
        image.save(buffer, kind)
        (folder / f"{row:02}.{kind.lower()}").write_bytes(buffer.getvalue())
    if rng.random() < 0.5:
        (folder / "broken.png").write_bytes(BROKEN[rng.integers(len(BROKEN))])
    return n


def try_pool(folder: Path, state: int, world: toy.World) -> str:
    """Fit, score, map, save and load; what came of it, or the line of the error."""
    rng = np.random.default_rng(state)
    n = write_pool(folder / "pool", rng, world.pool)
    source: Any = world.source[: rng.integers(2, 40)]
    method = METHODS[rng.integers(len(METHODS))]
    rate = float(rng.choice([0.05, 0.1, 0.3]))
    detector = Detector(method, toy.ENCODER, rate, state, weights="random", engine="torch")
    broken = (folder / "pool" / "broken.png").exists()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)
            labels = detector.fit_predict(source, folder / "pool")
            result = detector.score(folder / "pool")
            if method not in ("target_only", "frozen_source"):
                maps = list(detector.maps(folder / "pool"))
                assert len(maps) == n + broken
    except TwofoldError as error:
        text = str(error)
        assert text
        assert len(text.splitlines()) == 1
        assert len(text) < 500
        return text
    # What could be fitted can be saved, and what was saved can be loaded.
    detector.save(folder / "m")
    again = Detector.load(folder / "m", weights="random")
    again.engine = "torch"
    assert again.score(folder / "pool").scores.tobytes() == result.scores.tobytes()
    assert len(labels) == len(result.scores) == n + broken
    usable = result.usable
    assert np.isfinite(result.scores[usable]).all()
    assert np.isnan(result.scores[~usable]).all()
    assert len(result.problems) == (~usable).sum() >= broken
    assert set(np.unique(labels).tolist()) <= {-1, 0, 1}
    return "result"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_hundreds_of_random_pools(world: toy.World, tmp_path: Path) -> None:
    counts: dict[str, int] = {}
    for state in range(200):
        try:
            outcome = try_pool(tmp_path / str(state), state, world)
        except Exception as error:
            raise AssertionError(f"state {state} ended in {error!r}") from error
        kind = "result" if outcome == "result" else "error"
        counts[kind] = counts.get(kind, 0) + 1
    assert counts["result"] >= 80, counts
    assert counts["error"] >= 2, counts
