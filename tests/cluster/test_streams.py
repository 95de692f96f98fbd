"""Densities of vectors in many files, as a worker finds them; in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from twofold.cluster import streams
from twofold.cluster.plan import MANIFEST
from twofold.cluster.streams import StreamWorker, vector_coreset, vector_moments
from twofold.densities import fit_gaussian, gaussian_of, power_normalise
from twofold.errors import ImageSourceError, NotEnoughImagesError
from twofold.eyes.coreset import nested_coreset

DIM = 24


def vectors(n: int, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(DIM, DIM))
    return np.abs(generator.normal(size=(n, DIM)) @ mixing + 1).astype(np.float32)


def write(folder: Path, rows: NDArray[np.float32], sizes: list[int], **more: Any) -> Path:
    """A folder as `embed --engine ray` leaves it, cut into parts; each begins with a bad image."""
    folder.mkdir()
    for number, part in enumerate(np.split(rows, np.cumsum(sizes)[:-1])):
        flat = pa.array(np.vstack([np.zeros((1, DIM), np.float32), part]).reshape(-1))
        bad = pa.array([True] + [False] * len(part))
        column = pa.FixedSizeListArray.from_arrays(flat, DIM, mask=bad)
        parquet.write_table(pa.table({"vector": column}), folder / f"part-{number:06}.parquet")
    content = {"kind": "vectors", "complete": True, "images": {"n": len(rows) + len(sizes)}}
    (folder / MANIFEST).write_text(json.dumps(content | {"n_unusable": len(sizes)} | more))
    return folder


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray does with a worker class, one task after the other and the last one first."""

    def run(rows: Any, worker: Any, arguments: Any, *, cpus: int, workers: int) -> Any:
        one = worker(*arguments)
        for row in reversed(rows):
            batch = {name: [value] for name, value in row.items()}
            yield {name: value for name, (value,) in one(batch).items()}

    monkeypatch.setattr(streams, "on_actors", run)
    monkeypatch.setattr(streams, "workers_that_fit", lambda cpus: 1)
    monkeypatch.setattr(streams, "_BLOCK", 50)


@pytest.mark.parametrize("sizes", [[300], [1, 299], [60] * 5, [7, 113, 80, 100]])
def test_moments_are_those_of_all_rows_whatever_the_parts(tmp_path: Path, sizes: list[int]) -> None:
    rows = vectors(300)
    found = vector_moments(write(tmp_path / "v", rows, sizes))
    unit = power_normalise(rows)
    centred = unit - unit.mean(axis=0)
    lengths = np.square(centred).sum(axis=1)
    assert found.n == 300
    np.testing.assert_allclose(found.mean, unit.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.second, centred.T @ centred, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.third, lengths @ centred, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.fourth, np.square(lengths).sum(), rtol=1e-9)


def test_the_gaussian_is_that_of_a_fit_to_all_rows(tmp_path: Path) -> None:
    rows, others = vectors(300), power_normalise(vectors(40, seed=5))
    streamed = gaussian_of(vector_moments(write(tmp_path / "v", rows, [90, 10, 200])))
    whole = fit_gaussian(power_normalise(rows))
    np.testing.assert_allclose(
        streamed.squared_distances(others), whole.squared_distances(others), rtol=1e-6
    )
    assert streamed.shrinkage == pytest.approx(whole.shrinkage, rel=1e-6)


def test_a_coreset_of_coresets_lies_about_as_near_as_one_of_the_whole(tmp_path: Path) -> None:
    rows = vectors(600)
    found = vector_coreset(write(tmp_path / "v", rows, [100, 250, 50, 200]), 40)
    unit = power_normalise(rows).astype(np.float32)
    assert found.rows.shape == (40, DIM)
    assert found.n == 600
    distances = np.linalg.norm(unit[:, None] - found.rows[None], axis=2)
    assert (distances.min(axis=0) == 0).all()  # each is one of the vectors
    assert found.radius == pytest.approx(distances.min(axis=1).max(), rel=1e-4)
    whole = nested_coreset([unit], 40, 40, np.random.default_rng(0))
    radius = np.linalg.norm(unit[:, None] - whole[None], axis=2).min(axis=1).max()
    # Rows up to 64 numbers are not projected, so that the bounds hold: twice the least possible
    # for the one, four times for the other. It is nearly the same.
    assert found.radius <= 1.3 * radius
    random = unit[np.random.default_rng(1).choice(600, 40, replace=False)]
    assert found.radius < np.linalg.norm(unit[:, None] - random[None], axis=2).min(axis=1).max()


def test_the_same_random_state_gives_the_same_coreset(tmp_path: Path) -> None:
    folder = write(tmp_path / "v", vectors(200), [120, 80])
    one, two = (vector_coreset(folder, 10, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(one.rows, two.rows)


def test_a_folder_without_vectors(tmp_path: Path) -> None:
    folder = write(tmp_path / "v", vectors(0), [0])
    with pytest.raises(NotEnoughImagesError, match="has a vector"):
        vector_moments(folder)
    with pytest.raises(NotEnoughImagesError, match="has a vector"):
        vector_coreset(folder, 3)


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"complete": False}, "not finished"), ({"kind": "scores"}, "holds no vectors")],
)
def test_other_folders_are_refused(tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    folder = write(tmp_path / "v", vectors(5), [5], **more)
    with pytest.raises(ImageSourceError, match=reason):
        vector_moments(folder)
    with pytest.raises(ImageSourceError, match="cannot be read"):
        vector_moments(tmp_path / "gone")


def test_a_damaged_part_is_said_in_words(tmp_path: Path) -> None:
    folder = write(tmp_path / "v", vectors(5), [5])
    (folder / "part-000000.parquet").write_bytes(b"x")
    row = StreamWorker("moments")({"task": [0], "files": [[folder / "part-000000.parquet"]]})
    assert "not a readable Parquet file" in row["error"][0]
