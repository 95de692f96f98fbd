"""What a fit takes is told before it is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support import toy

from twofold import Detector
from twofold.detector import cost
from twofold.detector.check import check_pair
from twofold.detector.cost import Cost, StopWatch, peak_bytes, seconds_to_read
from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.encode import FrozenEncoder
from twofold.images import find_images


@pytest.mark.parametrize(
    ("seconds", "memory", "words"),
    [
        (41.4, 1_140_000_000, "about 41 seconds and 1.1 GB of memory on this machine"),
        (250.0, None, "about 4 minutes on this machine"),
    ],
)
def test_in_words(seconds: float, memory: int | None, words: str) -> None:
    assert words in Cost(seconds, memory).sentence()


@pytest.mark.slow
def test_memory_only_grows() -> None:
    before = peak_bytes()
    assert before is not None
    room: Any = np.ones(60_000_000)
    after = peak_bytes()
    assert after is not None
    assert after > 10**8
    assert after >= before
    del room


def test_a_part_tells_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the cache by now is not encoded again."""
    rng = np.random.default_rng(0)
    for number in range(20):
        pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    images = find_images(tmp_path)
    read: list[int] = []
    encode = FrozenEncoder.encode

    def counted(self: FrozenEncoder, images: Any, **options: Any) -> Any:
        read.append(len(images))
        return encode(self, images, **options)

    monkeypatch.setattr(cost, "_READ", 5)
    ticks = iter([10.0, 12.0])
    monkeypatch.setattr(cost, "StopWatch", lambda: StopWatch(lambda: next(ticks)))
    (tmp_path / "cache").mkdir()
    frozen = FrozenEncoder(
        toy.encoder(), ("pooled",), cache=EmbeddingCache(tmp_path / "cache"), engine="torch"
    )
    monkeypatch.setattr(FrozenEncoder, "encode", counted)
    assert seconds_to_read(frozen, images) == pytest.approx(2.0 * 20 / 5)
    assert read == [5]


@pytest.mark.slow
def test_a_check_tells_what_a_fit_takes(world: toy.World, make: Callable[..., Detector]) -> None:
    given = {"encoder": toy.ENCODER, "weights": "random", "engine": "torch"}
    found = check_pair(world.source, world.pool, **given)  # type: ignore[arg-type]
    assert found.cost is not None
    watch = StopWatch()
    make(options={}).fit(world.source, world.pool)
    # Tests run beside each other, and the first of two is always the slower.
    assert watch.seconds() / 4 < found.cost.seconds < watch.seconds() * 4
    few = check_pair(world.source[:5], world.pool[:5], **given)  # type: ignore[arg-type]
    assert few.cost is None
