"""Pairs over common cells, and negative transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twofold.benchmark.tables.comparisons import (
    negative_transfer,
    pairs,
    printed_negative_transfer,
)
from twofold.benchmark.tables.results import Results

MakeLine = Callable[..., dict[str, Any]]
MakeResults = Callable[[list[dict[str, Any]]], Results]
CLASSES = ("a", "b", "c", "d", "e", "f", "g")


def lines_of(line: MakeLine, method: str, values: str, **changes: Any) -> list[dict[str, Any]]:
    """One cell a class, its AUROC in tenths; ``x`` is a failed cell."""
    return [
        line(method, **{"class": name}, auroc=None if v == "x" else int(v) / 10, **changes)
        for name, v in zip(CLASSES, values.split(), strict=False)
    ]


def test_pairs_compare_the_cells_that_both_have(line: MakeLine, results: MakeResults) -> None:
    found = pairs(
        results(
            [
                *lines_of(line, "paper", "9 8 7 6 5 4 3"),
                *lines_of(line, "source_only", "8 7 6 5 4 3 x"),
                *lines_of(line, "source_only", "3 3", dataset="elpv"),
                *lines_of(line, "paper", "1", dataset="elpv"),
                *lines_of(line, "gnl", "9 8"),
            ]
        )
    )
    by_name = {(pair.first, pair.second): pair for pair in found}
    assert set(by_name) == {("paper", "source_only"), ("paper", "gnl")}
    pair = by_name["paper", "source_only"]
    assert (pair.paired.n_cells, pair.paired.wins, pair.paired.losses) == (7, 6, 1)
    assert pair.paired.difference == pytest.approx((6 * 0.1 - 0.2) / 7)
    assert pair.paired.p == pair.p_holm  # the only one with a test
    assert by_name["paper", "gnl"].p_holm is None


def test_without_a_reference_all_pairs_are_compared(line: MakeLine, results: MakeResults) -> None:
    methods = ("gnl", "msra", "oracle")
    found = pairs(results([cell for m in methods for cell in lines_of(line, m, "5 6")]))
    assert [(p.first, p.second) for p in found] == [
        ("gnl", "msra"),
        ("gnl", "oracle"),
        ("msra", "oracle"),
    ]


def test_references_are_not_compared_twice(line: MakeLine, results: MakeResults) -> None:
    methods = ("paper", "auto", "gnl")
    found = pairs(results([cell for m in methods for cell in lines_of(line, m, "5 6")]))
    assert [(p.first, p.second) for p in found] == [
        ("auto", "paper"),
        ("auto", "gnl"),
        ("paper", "gnl"),
    ]


def test_negative_transfer_counts_and_lists(line: MakeLine, results: MakeResults) -> None:
    found = negative_transfer(
        results(
            [
                *lines_of(line, "source_only", "5 5 5 5"),
                *lines_of(line, "frozen_source", "6 6 4 x"),
                *lines_of(line, "paper", "4 5 6 1"),
                *lines_of(line, "paper", "8 5 6 1", run=1),
                *lines_of(line, "oracle", "1 1 1 1"),
                *lines_of(line, "msra", "1 x"),
            ]
        )
    )
    shown = [(h.system, h.baseline, h.n_cells, [cell[2] for cell in h.below]) for h in found]
    assert shown == [
        ("paper", "source_only", 4, ["d"]),
        ("paper", "frozen_source", 3, ["b"]),
        ("msra", "source_only", 1, ["a"]),
        ("msra", "frozen_source", 1, ["a"]),
    ]


def test_the_baseline_has_the_same_encoder(line: MakeLine, results: MakeResults) -> None:
    lines = [
        *lines_of(line, "source_only", "9 9"),
        *lines_of(line, "source_only", "1 1", encoder="resnet50", configuration_id="b" * 12),
        *lines_of(line, "paper", "5 5", encoder="resnet50"),
        *lines_of(line, "gnl", "5 5", encoder="resnet18"),
    ]
    (entry,) = negative_transfer(results(lines))
    assert (entry.system, entry.baseline, entry.below) == ("paper", "source_only (resnet50)", ())


def test_the_printed_negative_transfer() -> None:
    by_method = {entry.system: entry for entry in printed_negative_transfer()}
    paper = by_method["paper"]
    assert (paper.n_cells, len(paper.below)) == (52, 9)
    assert ("visda2017", "cad->real", "truck") in paper.below
