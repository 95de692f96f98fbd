"""Frozen encoding: unusable images, and progress."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.encoders.encode.cases import ALL, assert_rows

from twofold.encoders import inference
from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.errors import ImageSourceError
from twofold.images import ImageSet


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bad_files_leave_the_others_bits_alone(
    tiny: Encoder,
    cache: EmbeddingCache,
    photos: tuple[Path, ...],
    reference: EncodedImages,
    support: ModuleType,
    tmp_path: Path,
    cached: bool,
    seed: int,
) -> None:
    bad: dict[str, str] = support.write_bad_files(tmp_path)
    paths = [*photos, *(tmp_path / name for name in bad)]
    order = np.random.default_rng(seed).permutation(len(paths))
    images = ImageSet.from_paths([paths[position] for position in order])
    encoder = FrozenEncoder(tiny, ALL, cache=cache if cached else None, engine="torch")
    for _ in range(2):
        found = encoder.encode(images)
        assert_rows(found, reference, [int(p) for p in order if p < len(photos)])
        assert found.kept.tolist() == [i for i, p in enumerate(order) if p < len(photos)]
        listed = {Path(problem.path).name: problem.reason for problem in found.problems}
        assert len(found.problems) == len(bad) == 12
        assert [problem.path for problem in found.problems] == [
            images.names[i] for i, p in enumerate(order) if p >= len(photos)
        ]
        for name, word in bad.items():
            assert word in listed[name]


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("name", ["truncated.jpg", "empty.png", "dangling.png"])
def test_strict_names_the_bad_file(
    tiny: Encoder,
    cache: EmbeddingCache,
    photos: tuple[Path, ...],
    support: ModuleType,
    tmp_path: Path,
    cached: bool,
    name: str,
) -> None:
    support.write_bad_files(tmp_path)
    images = ImageSet.from_paths([*photos, tmp_path / name])
    encoder = FrozenEncoder(tiny, cache=cache if cached else None, engine="torch")
    with pytest.raises(ImageSourceError) as caught:
        encoder.encode(images, strict=True)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("cached", [False, True])
def test_strict_is_content_with_good_files(
    tiny: Encoder, cache: EmbeddingCache, photos: tuple[Path, ...], cached: bool
) -> None:
    encoder = FrozenEncoder(tiny, cache=cache if cached else None, engine="torch")
    assert len(encoder.encode(ImageSet.from_paths(photos), strict=True)) == len(photos)


@pytest.mark.parametrize("cached", [False, True])
def test_nothing_but_bad_files(
    tiny: Encoder, cache: EmbeddingCache, support: ModuleType, tmp_path: Path, cached: bool
) -> None:
    names = support.write_bad_files(tmp_path)
    calls: list[tuple[int, int]] = []
    found = FrozenEncoder(tiny, ALL, cache=cache if cached else None, engine="torch").encode(
        ImageSet.from_paths([tmp_path / name for name in names]),
        progress=lambda done, n: calls.append((done, n)),
    )
    assert len(found) == 0
    assert len(found.problems) == len(names)
    assert all(len(found[output]) == 0 for output in ALL)
    assert found.kept.shape == (0,)
    assert calls[-1] == (len(names), len(names))


@pytest.mark.parametrize("cached", [False, True])
def test_no_images_at_all(
    tiny: Encoder, cache: EmbeddingCache, cached: bool, no_engine: None
) -> None:
    del no_engine
    encoder = FrozenEncoder(tiny, cache=cache if cached else None, engine="torch")
    assert len(encoder.encode(ImageSet.from_paths([]))) == 0


def test_a_problem_in_the_engine_gets_out(
    tiny: Encoder, photos: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: NDArray[np.uint8]) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(inference, "make_engine", lambda *_: fail)
    with pytest.raises(MemoryError, match="no more"):
        FrozenEncoder(tiny).encode(ImageSet.from_paths(photos))


@pytest.mark.parametrize("cached", [False, True])
def test_progress_rises_to_the_whole(
    tiny: Encoder, cache: EmbeddingCache, photos: tuple[Path, ...], cached: bool
) -> None:
    encoder = FrozenEncoder(tiny, cache=cache if cached else None, engine="torch")
    for _ in range(2):
        done: list[int] = []
        wholes: list[int] = []

        def note(
            count: int, whole: int, done: list[int] = done, wholes: list[int] = wholes
        ) -> None:
            done.append(count)
            wholes.append(whole)

        encoder.encode(ImageSet.from_paths(photos), progress=note)
        assert done[-1] == 17
        assert done == sorted(done)
        assert set(wholes) == {17}
