"""A detector on the toy encoder, and a service that answers with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from tests.support import toy
from tests.support.serve import TOKEN, Served, loader, png, serving

from twofold import Detector


@pytest.fixture(scope="module", autouse=True)
def _toys() -> Iterator[None]:
    """The encoder `toy` is there, and no cache, for these tests alone."""
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        yield


@pytest.fixture(scope="module")
def toy_world(_toys: None) -> toy.World:
    return _world()


@pytest.fixture(scope="module")
def detector(_toys: None) -> Detector:
    """Do not fit it again."""
    return _fitted()


@lru_cache(maxsize=1)
def _world() -> toy.World:
    return toy.make_world()


@lru_cache(maxsize=1)
def _fitted() -> Detector:
    # At a high rate, so that some of these images are anomalous and some are not.
    found = Detector(
        encoder=toy.ENCODER,
        false_alarm_rate=0.3,
        weights="random",
        engine="torch",
        options={"effort": "fast"},
    )
    return found.fit(_world().source, _world().pool)


@pytest.fixture(scope="module")
def pngs(toy_world: toy.World) -> list[bytes]:
    """Test images as files."""
    return [png(pixels) for pixels in toy_world.test]


@pytest.fixture(scope="module")
def served(detector: Detector) -> Iterator[Served]:
    """A service on this machine, without a token; of use for tests that change nothing."""
    with serving(loader({"default": detector})) as found:
        yield found


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# of the tests\n{TOKEN}\n")
    return path
