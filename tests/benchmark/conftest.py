"""A generated PACS tree, and cells that leave nothing behind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import toy
from tests.support.trees import make_tree

from twofold.benchmark import bank


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("pacs"), "pacs", per_class=12, size=32)


@pytest.fixture
def isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    # Compiling the toy takes longer than all it is used for.
    monkeypatch.setattr(bank.Bank, "engine", "torch")
    with warnings.catch_warnings(), toy.registered():
        warnings.filterwarnings("ignore", "pacs .*: .* images, not the published", UserWarning)
        yield
