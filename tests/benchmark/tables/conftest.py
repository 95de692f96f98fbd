"""Synthetic benchmark results."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from twofold.benchmark.tables.results import Results
from twofold.benchmark.tables.rows import read_rows

Line = dict[str, Any]
MakeLine = Callable[..., Line]
MakeResults = Callable[[Iterable[Line]], Results]


@pytest.fixture
def line() -> MakeLine:
    """Make one line of a results file; ``auroc=None`` is a failed cell."""

    def make(method: str = "paper", **changes: Any) -> Line:
        options = changes.pop("options", {})
        label = method + (f" [{', '.join(f'{k}={v}' for k, v in options.items())}]" * bool(options))
        base = {"selector": "kmeans", "n_clusters": 2, "psi": "frozen"} if method == "paper" else {}
        failed = changes.get("auroc", 0.8) is None
        content: Line = {
            **{"dataset": "pacs", "direction": "photo->sketch", "class": "dog"},
            **{"method": method, "run": 0, "status": "failed" if failed else "ok"},
            **{"error": "CollapseError: all equal" if failed else None, "auroc": 0.8},
            **{"ap": None if failed else 0.7, "fpr95": None if failed else 0.4},
            **{"seconds": 2.0, "n_source": 100, "n_target": 200, "n_test": 900, "n_shots": 0},
            **{"anomaly_share": 0.1, "pool_size": None, "protocol": "uda_inductive"},
            **{"random_state": 0, "preset": "cpu", "encoder": "efficientnet_lite0"},
            **{"image_size": 160, "configuration": base | options, "diagnostics": {}},
            **{"configuration_id": f"{zlib.crc32(label.encode()):012x}", "label": label},
            "versions": {"twofold": "1.2.3"},
        }
        return content | changes

    return make


def write_lines(path: Path, lines: Iterable[Line]) -> Path:
    """Write a results file as the benchmark does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return path


@pytest.fixture
def write() -> Callable[[Path, Iterable[Line]], Path]:
    """Write a results file."""
    return write_lines


@pytest.fixture
def results(tmp_path: Path) -> MakeResults:
    """Index lines, through a file."""

    def make(lines: Iterable[Line]) -> Results:
        return Results(read_rows(write_lines(tmp_path / "made" / "results.jsonl", lines)))

    return make
