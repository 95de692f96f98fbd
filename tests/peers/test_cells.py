"""Images of a cell: those of the benchmark, and no labels among them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from peers.__main__ import cut
from peers.cells import CELLS, Cell, Images

from twofold.benchmark.elpv import load_cells
from twofold.benchmark.protocol import uda_inductive

pytest.importorskip("elpv_dataset")


def test_a_cell_has_the_images_of_the_benchmark() -> None:
    images, odd = CELLS[0].draw(1)
    mono, poly = load_cells("mono"), load_cells("poly")
    label = dict(zip(map(name, poly.paths), poly.labels.tolist(), strict=True))
    assert {name(path) for path in images.source} == {
        name(path) for path, value in zip(mono.paths, mono.labels, strict=True) if value == 0
    }
    # Domains are sorted by path, and the split is drawn over them.
    ordered = sorted(poly.paths, key=lambda path: Path(path).parts)
    split = uda_inductive(np.array([label[name(path)] for path in ordered]), random_state=1)
    assert [name(p) for p in images.pool] == [name(ordered[row]) for row in split.pool]
    assert [label[name(path)] for path in images.test] == odd.tolist()
    assert not set(images.pool) & set(images.test)
    share = np.mean([label[name(path)] for path in images.pool])
    assert share == pytest.approx(0.1, abs=0.005)


def test_runs_differ_and_repeat() -> None:
    first, again, other = (CELLS[0].draw(run)[0] for run in (0, 0, 1))
    assert first == again
    assert first.source == other.source
    assert first.pool != other.pool


def test_anomalies_beyond_a_number_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    everything, labels = CELLS[0].draw(0)
    assert (labels == 1).sum() > 100
    monkeypatch.setattr(Cell, "MOST", 100)
    fewer, odd = CELLS[0].draw(0)
    assert (odd == 1).sum() == 100
    assert (odd == 0).sum() == (labels == 0).sum()
    said = dict(zip(everything.test, labels.tolist(), strict=True))
    assert [said[path] for path in fewer.test] == odd.tolist()
    assert (fewer.source, fewer.pool) == (everything.source, everything.pool)
    assert CELLS[0].draw(0)[0] == fewer


def test_a_document_holds_paths_and_nothing_else() -> None:
    images = Images(("a",), ("b", "c"), ("d",))
    document = json.loads(json.dumps(images.document()))
    assert document == {"source": ["a"], "pool": ["b", "c"], "test": ["d"]}
    assert Images.read(document) == images
    assert images.of("source") == ("a",)
    assert images.of("pool") == ("b", "c")


def test_names_of_cells_are_read_back() -> None:
    assert [Cell.named(cell.name) for cell in CELLS] == list(CELLS)
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    with pytest.raises(ValueError, match="DATASET:SOURCE:TARGET:CLASS"):
        Cell.named("elpv")


def test_few_images_keep_both_kinds() -> None:
    images = Images(*(tuple(f"{part}{n}" for n in range(100)) for part in ("s", "p", "t")))
    labels = np.repeat([0, 1], 50)
    few, odd = cut(images, labels, 20)
    assert few.source == images.source[:20]
    assert few.pool == (*images.pool[:18], *images.pool[-2:])
    assert few.test == (*images.test[:10], *images.test[50:60])
    assert odd.tolist() == [0] * 10 + [1] * 10


def name(path: str) -> str:
    """The file's own name, whatever leads to its folder."""
    return Path(path).name
