"""docs/benchmark.md lists what the registries and the command have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import typer

from twofold.benchmark.datasets import DATASETS
from twofold.benchmark.presets import PRESETS
from twofold.benchmark.protocol import PROTOCOLS
from twofold.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "benchmark.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)


def test_datasets_protocols_and_presets() -> None:
    assert first_cells("Datasets") == list(DATASETS.ids())
    assert first_cells("Protocols") == list(PROTOCOLS)
    assert first_cells("Presets") == list(PRESETS)


def test_directions() -> None:
    for name in DATASETS.ids():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        for source, target in DATASETS.load(name).directions:
            assert f"`{source}->{target}`" in row


def test_every_option_of_the_command() -> None:
    section = PAGE.split("\n## Options\n")[1].split("\n## ")[0]
    command = typer.main.get_group(app).commands["bench"]
    options = {name for p in command.params for name in p.opts if name.startswith("--")}
    assert set(re.findall(r"`(--[\w-]+)", section)) == options - {"--help"}


def test_every_field_of_a_row() -> None:
    """Of a real one, kept with the results."""
    section = PAGE.split("\n## A row\n")[1]
    results = Path(__file__).parents[2] / "docs" / "results" / "pacs-cpu" / "results.jsonl"
    row = json.loads(results.read_text(encoding="utf-8").splitlines()[0])
    named = set(re.findall(r"`(\w+)`", section))
    assert row.keys() <= named
