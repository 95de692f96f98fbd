"""The tables: medians, ranges, ratios and failures, compared with figures worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from peers.tables import REFERENCE, area_table, cell_table, last_of_each, pages, shares, spread

PADIM, ECOD = "anomalib/padim@pool", "pyod/ecod@pool"


def row(system: str, run: int = 0, **given: Any) -> dict[str, Any]:
    """A measured row."""
    return {
        "system": system,
        "cell": "elpv:mono:poly:functional",
        "run": run,
        "auroc": 0.9,
        "fit_seconds": 10.0,
        "score_seconds": 5.0,
        "peak_mib": 1000,
        "installed_mb": 5000.4,
        "installed_mb_without_cuda": 1234.5,
        "error": None,
        "n_source": 588,
        "n_pool": 512,
        "n_test": 810,
        "machine": {
            "cpu": "a processor",
            "cores": 2,
            "memory_gib": 23.5,
            "python": "3.11.7",
            "versions": {"twofold": "0.1.0", "pyod": None},
        },
    } | given


def lines(table: str) -> list[list[str]]:
    """Cells of the body of a Markdown table."""
    return [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [([1.24], "1.2"), ([3.0, 1.0, 2.0], "2.0 (1.0 to 3.0)"), ([1.0, 2.0], "1.5 (1.0 to 2.0)")],
)
def test_median_and_range(values: list[float], wanted: str) -> None:
    assert spread(values, 1) == wanted


def test_a_ratio_is_of_the_same_run() -> None:
    rows = [
        row(REFERENCE, 0, fit_seconds=10.0, score_seconds=5.0),
        row(REFERENCE, 1, fit_seconds=20.0, score_seconds=10.0),
        row(PADIM, 0, fit_seconds=25.0, score_seconds=5.0),
        row(PADIM, 1, fit_seconds=10.0, score_seconds=5.0),
        row(PADIM, 2, fit_seconds=1.0, score_seconds=1.0),
    ]
    assert shares(rows) == {
        (REFERENCE, 0): 1.0,
        (REFERENCE, 1): 1.0,
        (PADIM, 0): 2.0,
        (PADIM, 1): 0.5,
    }


def test_a_cell_has_a_line_a_system_in_the_order_of_the_systems() -> None:
    rows = [
        row(PADIM, 0, auroc=0.8, fit_seconds=40.0, score_seconds=20.0, peak_mib=3000),
        row(PADIM, 1, auroc=0.82, fit_seconds=20.0, score_seconds=10.0, peak_mib=3100),
        row(REFERENCE, 0),
        row(REFERENCE, 1),
    ]
    first, second = lines(cell_table(rows))
    assert first[:2] == [f"`{REFERENCE}`", "90.0 (90.0 to 90.0)"]
    assert second == [
        f"`{PADIM}`",
        "81.0 (80.0 to 82.0)",
        "30.0 (20.0 to 40.0)",
        "15.0 (10.0 to 20.0)",
        "3.00 (2.00 to 4.00)",
        "3050 (3000 to 3100)",
        "5000 (1234 without CUDA)",
        "2",
    ]


def failed(system: str, run: int, error: str) -> dict[str, Any]:
    """A row of a worker that wrote nothing."""
    found = row(system, run, auroc=None, error=error)
    del found["fit_seconds"], found["score_seconds"]
    return found


def test_a_failure_is_a_line() -> None:
    rows = [row(REFERENCE), failed(ECOD, 0, "exit 1: a | b")]
    line = lines(cell_table(rows))[1]
    assert line[:2] == [f"`{ECOD}`", "exit 1: a / b"]
    assert line[2:6] == ["-"] * 4
    assert line[-1] == "0 of 1"


def test_failures_beside_successes_are_counted() -> None:
    rows = [row(ECOD, 0), failed(ECOD, 1, "ended after 5 s")]
    (line,) = lines(cell_table(rows))
    assert line[1] == "90.0"
    assert line[4] == "-"
    assert line[-1] == "1 of 2"


def test_a_repeated_measurement_replaces_the_first() -> None:
    rows = [failed(ECOD, 0, "exit 1"), row(ECOD, 1), row(ECOD, 0, auroc=0.7)]
    assert [(r["run"], r["auroc"]) for r in last_of_each(rows)] == [(0, 0.7), (1, 0.9)]


def test_areas_of_all_cells() -> None:
    rows = [
        row(ECOD, 0, auroc=0.7),
        row(ECOD, 1, auroc=0.8),
        row(REFERENCE, 0, cell="pcb:a:b:normal", auroc=0.95),
    ]
    assert lines(area_table(rows)) == [[f"`{REFERENCE}`", "-", "95.0"], [f"`{ECOD}`", "75.0", "-"]]


def test_a_page_names_machine_and_images() -> None:
    text = pages([row(REFERENCE), row(ECOD)])
    told = "- a processor, 2 cores, 23.5 GiB; Python 3.11.7, twofold 0.1.0\n"
    assert text.count(told) == 1
    assert "588 source, 512 pool, 810 test images." in text
