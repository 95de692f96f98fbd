"""Reading ``results.jsonl``: one row a cell, later rows replacing earlier ones."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from twofold.benchmark.results import row_key
from twofold.errors import TwofoldError

__all__ = ["Row", "Setting", "read_rows"]

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Setting:
    """What the target pool was made of; rows of different settings are never averaged."""

    protocol: str
    anomaly_share: float | None
    pool_size: int | None

    def __str__(self) -> str:
        share = "any" if self.anomaly_share is None else f"{100 * self.anomaly_share:g}%"
        size = "all" if self.pool_size is None else str(self.pool_size)
        return f"protocol {self.protocol}, {share} anomalies in the pool, pool size {size}"


@dataclass(frozen=True)
class Row:
    """One cell of the benchmark: a method on one normal class, one direction and one run.

    ``auroc``, ``ap``, ``fpr95`` and ``diagnostics`` are fractions, None when the cell failed;
    ``normal_class`` is the file's ``class``.
    """

    dataset: str
    direction: str
    normal_class: str
    method: str
    run: int
    status: Literal["ok", "failed"]
    label: str
    configuration_id: str
    protocol: str
    anomaly_share: Share | None
    pool_size: int | None = None
    error: str | None = None
    auroc: Share | None = None
    ap: Share | None = None
    fpr95: Share | None = None
    seconds: Seconds | None = None
    n_target: int | None = None
    preset: str | None = None
    encoder: str | None = None
    image_size: int | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    diagnostics: dict[str, float | None] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status == "ok" and self.auroc is None:
            raise ValueError("status is ok but auroc is null")

    @property
    def setting(self) -> Setting:
        """What the target pool was made of."""
        return Setting(self.protocol, self.anomaly_share, self.pool_size)


def read_rows(path: Path) -> tuple[Row, ...]:
    """The cells in a results file, in the order of first appearance.

    Of rows for the same cell the last one counts. A last line that is no JSON was cut off by the
    end of the process that wrote it, and is left out.

    Raises:
        TwofoldError: another damaged line, or a field that is missing or impossible; the message
            names the line.
        OSError: the file cannot be read.
    """
    lines = [(n, line) for n, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()]
    rows: dict[Hashable, Row] = {}
    for place, (number, line) in enumerate(lines):
        try:
            content = _parsed(line)
        except ValueError:
            if place == len(lines) - 1:
                break
            raise TwofoldError(
                f"{path}: line {number} is damaged; remove it and run the benchmark again"
            ) from None
        row = _checked(content, f"{path}: line {number}")
        rows[row_key(content)] = row
    return tuple(rows.values())


def _parsed(line: bytes) -> dict[str, Any]:
    content = json.loads(line.decode("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("not an object")
    return content


_ADAPTER = TypeAdapter(Row)


def _checked(content: dict[str, Any], place: str) -> Row:
    """A row from a line's object; unknown keys are left out."""
    renamed = {key: value for key, value in content.items() if key != "normal_class"}
    if "class" in renamed:
        renamed["normal_class"] = renamed.pop("class")
    try:
        return _ADAPTER.validate_python(renamed)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "row"
        name = "class" if name == "normal_class" else name
        raise TwofoldError(
            f"{place}: {name}: {first['msg']}; remove the line and run the benchmark again"
        ) from None
