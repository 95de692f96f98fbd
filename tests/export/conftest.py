"""Exports have a cache and engines of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from twofold.encoders import inference
from twofold.encoders.engine import make_engine


@pytest.fixture(autouse=True, scope="package")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache that goes with the tests; and each engine is made, whoever has shared some before.

    An exported encoder has the fingerprint of its network, and another engine.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOFOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(inference, "make_engine", make_engine)
        yield
