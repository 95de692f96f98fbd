"""A detector that is asked for one image after the other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy

from twofold import Detector
from twofold.encoders import inference
from twofold.encoders.cache import EmbeddingCache, default_cache
from twofold.encoders.cache_later import settle
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.engine import make_engine
from twofold.errors import ImageSourceError, NotEnoughImagesError, NotFittedError

Write = Callable[[Path, NDArray[np.uint8]], list[Path]]


@pytest.fixture
def detector(fitted: Detector) -> Detector:
    """Fitted, as if it had just been loaded: nothing is compiled."""
    fresh = copy.copy(fitted)
    fresh._frozen = {}
    return fresh


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The outputs of each engine that is made."""
    made: list[tuple[str, ...]] = []

    def noted(encoder: Any, outputs: Any, kind: Any) -> Any:
        made.append(tuple(outputs))
        return make_engine(encoder, outputs, kind)

    monkeypatch.setattr(inference, "make_engine", noted)
    return made


def test_the_first_image_after_it_compiles_nothing(
    detector: Detector, world: toy.World, compiled: list[tuple[str, ...]]
) -> None:
    assert detector.warm_up() is detector
    assert compiled
    n = len(compiled)
    detector.decision_function(world.test[:1])
    assert len(compiled) == n
    detector.warm_up()
    assert len(compiled) == n


def test_after_it_single_images_may_take_all_cores(
    detector: Detector, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[FrozenEncoder] = []

    def note(frozen: FrozenEncoder) -> None:
        prepared.append(frozen)

    monkeypatch.setattr(FrozenEncoder, "prepare_few", note)
    detector.decision_function(world.test[:1])
    assert not prepared
    detector.warm_up()
    assert prepared


def test_without_it_the_first_image_compiles(
    detector: Detector, world: toy.World, compiled: list[tuple[str, ...]]
) -> None:
    detector.decision_function(world.test[:1])
    assert compiled


def test_scores_are_the_same_bits_and_nothing_is_kept(
    detector: Detector,
    fitted: Detector,
    world: toy.World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = fitted.decision_function(world.test[:5])
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    stored: list[Any] = []
    monkeypatch.setattr(
        EmbeddingCache, "put_each", lambda self, entries: stored.extend(list(entries))
    )
    detector.warm_up().warm_up(world.test[:1])
    settle()
    assert stored == []
    cache = default_cache()
    assert cache is not None
    assert cache.path.exists()  # it is open for the first image
    found = [detector.decision_function(image[None])[0] for image in world.test[:5]]
    np.testing.assert_array_equal(found, expected)
    settle()
    assert stored


def test_images_one_at_a_time_are_found_again(
    detector: Detector,
    world: toy.World,
    tmp_path: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    paths = write(tmp_path / "images", world.test[:6])
    first = [detector.decision_function(path)[0] for path in paths]

    def refuse(*given: Any) -> Any:
        raise AssertionError("the network is run again")

    monkeypatch.setattr(inference.Inference, "__call__", refuse)
    again = [detector.decision_function(path)[0] for path in paths]
    settle()
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(detector.decision_function(paths), first)


def test_an_example_must_be_an_image(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(ImageSourceError):
        detector.warm_up(tmp_path / "nothing.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(NotEnoughImagesError, match="example"):
        detector.warm_up([tmp_path / "broken.png"])


def test_it_needs_a_fit(make: Callable[..., Detector]) -> None:
    with pytest.raises(NotFittedError):
        make().warm_up()


def test_with_a_mask(detector: Detector, world: toy.World) -> None:
    mask = np.ones(world.test.shape[1:3], dtype=bool)
    mask[:20] = False
    plain = detector.decision_function(world.test[:2])
    detector.set_mask(mask).warm_up()
    assert (detector.decision_function(world.test[:2]) != plain).any()


def test_without_the_cache(
    detector: Detector, world: toy.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = detector.decision_function(world.test[:3])
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    detector._frozen, detector.cached = {}, False
    np.testing.assert_array_equal(detector.decision_function(world.test[:3]), expected)
    settle()
    assert not list(tmp_path.rglob("*.sqlite"))
    detector._frozen, detector.cached = {}, True
    np.testing.assert_array_equal(detector.decision_function(world.test[:3]), expected)
    settle()
    assert list(tmp_path.rglob("*.sqlite"))


@pytest.mark.parametrize("name", ["padim", "target_only", "source_only"])
@pytest.mark.slow
def test_every_kind_of_method_warms_up(
    fit_of: Callable[..., Any], world: toy.World, name: str
) -> None:
    found = fit_of(name).detector
    expected = found.decision_function(world.test[:3])
    np.testing.assert_array_equal(found.warm_up().decision_function(world.test[:3]), expected)
