"""Reading results: duplicates, damage, impossible values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twofold.benchmark.tables.rows import read_rows
from twofold.errors import TwofoldError

MakeLine = Callable[..., dict[str, Any]]
Write = Callable[..., Path]


def test_a_line_becomes_a_row(line: MakeLine, write: Write, tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", [line(run=3, auroc=0.25, unknown_key=[1])])
    (row,) = read_rows(path)
    assert (row.dataset, row.direction, row.normal_class) == ("pacs", "photo->sketch", "dog")
    assert (row.method, row.run, row.status, row.auroc) == ("paper", 3, "ok", 0.25)
    assert row.configuration == {"selector": "kmeans", "n_clusters": 2, "psi": "frozen"}
    assert str(row.setting) == ("protocol uda_inductive, 10% anomalies in the pool, pool size all")


def test_of_the_same_cell_the_later_row_counts(
    line: MakeLine, write: Write, tmp_path: Path
) -> None:
    lines = [line(auroc=None), line(run=1), line(auroc=0.9), line(pool_size=50, auroc=0.3)]
    rows = read_rows(write(tmp_path / "r.jsonl", lines))
    assert [(row.run, row.pool_size, row.auroc) for row in rows] == [
        (0, None, 0.9),
        (1, None, 0.8),
        (0, 50, 0.3),
    ]


@pytest.mark.parametrize(
    "change",
    [
        *({"dataset": "elpv"}, {"direction": "a->b"}, {"class": "cat"}, {"method": "auto"}),
        *({"run": 1}, {"protocol": "other"}, {"anomaly_share": 0.2}, {"pool_size": 10}),
        {"configuration_id": "f" * 12},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_part_of_the_key_makes_another_cell(
    change: dict[str, Any], line: MakeLine, write: Write, tmp_path: Path
) -> None:
    assert len(read_rows(write(tmp_path / "r.jsonl", [line(), line() | change]))) == 2


@pytest.mark.parametrize("end", [b'{"dataset": "pa', b"\xff\xfe", b"[1, 2]\n", b"{} trailing\n\n"])
def test_a_cut_off_last_line_is_left_out(
    end: bytes, line: MakeLine, write: Write, tmp_path: Path
) -> None:
    path = write(tmp_path / "r.jsonl", [line(), line(run=1)])
    path.write_bytes(path.read_bytes() + end)
    assert len(read_rows(path)) == 2


def test_another_damaged_line_is_an_error_with_its_number(
    line: MakeLine, write: Write, tmp_path: Path
) -> None:
    path = write(tmp_path / "r.jsonl", [line(), line(run=1)])
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n\n{first[:40]}\n{second}\n")
    with pytest.raises(TwofoldError, match="line 3 is damaged; remove it") as caught:
        read_rows(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"auroc": 81.0}, "auroc"),
        ({"auroc": float("nan")}, "auroc"),
        ({"auroc": "high"}, "auroc"),
        ({"status": "done"}, "status"),
        ({"run": None}, "run"),
        ({"class": 7}, "class"),
        ({"seconds": -1}, "seconds"),
        ({"status": "ok", "auroc": None}, "auroc is null"),
    ],
)
def test_an_impossible_value_is_an_error_with_line_and_field(
    change: dict[str, Any], word: str, line: MakeLine, write: Write, tmp_path: Path
) -> None:
    path = write(tmp_path / "r.jsonl", [line(), line(run=1) | change])
    with pytest.raises(TwofoldError, match="line 2: ") as caught:
        read_rows(path)
    assert word in str(caught.value)


def test_a_missing_field_is_an_error(line: MakeLine, tmp_path: Path) -> None:
    content = line()
    del content["class"]
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(content) + "\n")
    with pytest.raises(TwofoldError, match="line 1: class: Field required"):
        read_rows(path)


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").touch()
    assert read_rows(tmp_path / "r.jsonl") == ()
