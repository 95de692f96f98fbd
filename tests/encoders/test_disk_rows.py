"""Rows that do not fit in memory are kept in a temporary file, and read as an array is."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy

from twofold.encoders import disk_rows
from twofold.encoders.disk_rows import DiskRows, RowSink
from twofold.errors import ImageSourceError

ROWS = np.random.default_rng(0).normal(size=(7, 3, 2, 4)).astype(np.float32)


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> DiskRows:
    monkeypatch.setattr(disk_rows, "_IN_MEMORY", 4 * ROWS.size - 1)
    rows = filled()
    assert isinstance(rows, DiskRows)
    return rows


def filled() -> Any:
    sink = RowSink(len(ROWS))
    for row in ROWS:
        sink.append(row)
    return sink.rows()


def test_few_bytes_stay_in_memory() -> None:
    rows = filled()
    assert isinstance(rows, np.ndarray)
    np.testing.assert_array_equal(rows, ROWS)


def test_no_rows_are_an_empty_array() -> None:
    assert RowSink(5).rows().shape == (0,)


def test_fewer_rows_than_there_were_images() -> None:
    sink = RowSink(9)
    sink.append(ROWS[0])
    np.testing.assert_array_equal(sink.rows()[:], ROWS[:1])


@pytest.mark.parametrize(
    "rows",
    [
        2,
        -1,
        slice(None),
        slice(1, 6, 2),
        np.array([5, 0, 5]),
        ROWS[:, 0, 0, 0] > 0,
        np.array([], int),
    ],
    ids=str,
)
def test_it_reads_like_an_array(on_disk: DiskRows, rows: Any) -> None:
    assert isinstance(on_disk, DiskRows)
    assert (on_disk.shape, len(on_disk)) == (ROWS.shape, len(ROWS))
    np.testing.assert_array_equal(on_disk[rows], ROWS[rows])


def test_it_is_walked_through_row_by_row(on_disk: DiskRows) -> None:
    np.testing.assert_array_equal(np.stack(list(on_disk)), ROWS)  # type: ignore[call-overload]


def test_chosen_rows_stay_on_disk(on_disk: DiskRows) -> None:
    chosen = on_disk.select(np.array([3, 1])).select(np.array([1]))
    assert isinstance(chosen, DiskRows)
    np.testing.assert_array_equal(chosen[:], ROWS[[1]])


def test_threads_read_side_by_side(on_disk: DiskRows) -> None:
    order: NDArray[np.intp] = np.random.default_rng(1).integers(0, len(ROWS), 400)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: on_disk[int(row)], order))
    np.testing.assert_array_equal(np.stack(found), ROWS[order])


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk_rows, "_IN_MEMORY", 0)
    monkeypatch.setattr(disk_rows._File, "write", fail)
    with pytest.raises(ImageSourceError, match=r"No space left on device.*set TMPDIR"):
        RowSink(2).append(ROWS[0])


def test_images_on_disk_score_like_images_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(2).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    names = ("patches@3", "pooled")
    inside = toy.encode(images, names)
    monkeypatch.setattr(disk_rows, "_IN_MEMORY", 0)
    outside = toy.encode(images, names)
    assert isinstance(outside.rows("patches@3"), DiskRows)
    assert isinstance(outside.subset(np.array([2])).rows("patches@3"), DiskRows)
    for name in names:
        np.testing.assert_array_equal(outside[name], inside[name])
        np.testing.assert_array_equal(outside.subset(np.array([4, 2]))[name], inside[name][[4, 2]])
