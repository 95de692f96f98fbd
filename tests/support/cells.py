"""Small benchmarks on a generated tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support import toy

from twofold.benchmark.datasets import DATASETS
from twofold.benchmark.plan import Plan, make_variants
from twofold.benchmark.presets import Preset
from twofold.benchmark.runner import Encoders, run_benchmark

QUICK = toy.QUICK | {"training": {"max_steps": 3, "batch_source": 8}, "views": 2}
PRESET = Preset("test", "for tests", toy.ENCODER, None, 1, QUICK)
Row = dict[str, Any]


def plan(tree: Path, methods: tuple[str, ...], **changes: Any) -> Plan:
    """Photo to sketch, dog normal, one run, 4 shots, unless changed."""
    options = changes.pop("options", {})
    given: dict[str, Any] = {
        "dataset": DATASETS.load("pacs")(tree),
        "preset": PRESET,
        "variants": make_variants(methods, PRESET, options, {}),
        "directions": (("photo", "sketch"),),
        "classes": ("dog",),
        "runs": 1,
        "protocol": "uda_inductive",
        "n_shots": 4,
    }
    return Plan(**(given | changes))


def run(
    whole: Plan, out: Path, *, retry_failed: bool = False, selection: dict[str, Any] | None = None
) -> tuple[dict[str, int], list[Row]]:
    """What the benchmark returns, and the rows it told about."""
    told: list[Row] = []
    counts = run_benchmark(
        whole,
        Encoders(toy.encoder(), selection or {}),
        out,
        report=lambda what, done, total: None,
        tell=lambda row, done, total: told.append(row),
        retry_failed=retry_failed,
    )
    return counts, told


def rows(out: Path) -> list[Row]:
    """The rows of a results folder."""
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
