"""Each output of a domain is made once, whoever asks for it with which others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import toy
from tests.support.trees import make_tree

from twofold.benchmark import bank as module
from twofold.benchmark.bank import Bank, no_shift_rows
from twofold.benchmark.datasets import DATASETS
from twofold.encoders.encode import FrozenEncoder
from twofold.images import ImageSet


@pytest.mark.filterwarnings("ignore:.*not the published:UserWarning")
def test_each_output_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    passes: list[tuple[str, ...]] = []

    def counted(encoder: Any, outputs: Any, **options: Any) -> FrozenEncoder:
        passes.append(tuple(outputs))
        return FrozenEncoder(encoder, outputs, **options)

    monkeypatch.setattr(module, "FrozenEncoder", counted)
    root = make_tree(tmp_path / "pacs", "pacs", per_class=2, size=32)
    dataset = DATASETS.load("pacs")(root)
    bank = Bank(dataset, report=lambda what, done, total: None, engine="torch")
    encoder = toy.encoder()
    for outputs in (
        ("pooled",),
        ("pooled", "split:last_stage"),
        ("pixels",),
        ("split:last_stage", "split:all"),
        ("pooled",),
    ):
        stock = bank.stock("photo", encoder, outputs)
        assert tuple(stock.images.arrays) == outputs
        expected = FrozenEncoder(encoder, outputs, engine="torch").encode(
            ImageSet.from_paths(stock.domain.paths)
        )
        for output in outputs:
            assert np.array_equal(stock.images[output][:], expected[output][:])
    assert passes == [("pooled",), ("split:last_stage",)]


def test_the_halves_of_a_domain_without_shift() -> None:
    labels = np.repeat([0, 1], [9, 30])
    near, far = no_shift_rows(labels, 3)
    assert sorted([*near, *far]) == list(range(39))
    assert [(labels[near] == label).sum() for label in (0, 1)] == [4, 15]
    again, other = no_shift_rows(labels, 3), no_shift_rows(labels, 4)
    assert np.array_equal(near, again[0])
    assert not np.array_equal(near, other[0])
