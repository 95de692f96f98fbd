"""Reading what the commands print."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]

Parse = Callable[[str], dict[str, Any]]

FAST = ("--option", "effort=fast")
"""Without a trial of made-up flaws, for tests of something else."""

HEADER = ["image", "score", "percentile", "anomalous", "problem"]


def rows_of(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text))
    rows = list(reader)
    assert reader.fieldnames == HEADER
    return rows


def one_line(result: Result, *, code: int, word: str) -> None:
    """The whole of stderr is one line with the reason, stdout is empty."""
    assert result.exit_code == code
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("twofold: ")
    assert word in lines[0]
    assert "Traceback" not in result.stderr
