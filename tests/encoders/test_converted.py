"""The copies of converted networks: kept, found again, and never trusted when damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from twofold.encoders.converted import load_or_convert

KEY = "ab" * 32


def _double() -> Any:
    given = ops.parameter([2], np.float32, name="x")
    return ov.Model([ops.multiply(given, np.full(2, 2, np.float32))], [given], "double")


def _run(model: Any) -> list[float]:
    compiled = ov.Core().compile_model(model, "CPU")
    return [float(value) for value in compiled(np.array([1, 3], np.float32))[0]]


def _never() -> Any:
    raise AssertionError("converted again")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    return tmp_path / "engines" / KEY


def test_second_time_reads_the_copy(folder: Path) -> None:
    assert _run(load_or_convert(KEY, _double)) == [2, 6]
    assert _run(load_or_convert(KEY, _never)) == [2, 6]
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.bin",
        "model.xml",
        "sha256.json",
    ]
    assert [path.name for path in folder.parent.iterdir()] == [KEY]


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "sha256.json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b"[]" + path.read_bytes()),
    ],
)
def test_damaged_copy_is_made_anew(
    folder: Path, name: str, damage: Callable[[Path], object]
) -> None:
    load_or_convert(KEY, _double)
    damage(folder / name)
    assert _run(load_or_convert(KEY, _double)) == [2, 6]
    assert _run(load_or_convert(KEY, _never)) == [2, 6]


def test_what_a_killed_conversion_has_left_is_removed(folder: Path) -> None:
    left = folder.with_name(f".{'0' * 64}.tmp-{'1' * 16}")
    left.mkdir(parents=True)
    (left / "model.bin").write_bytes(b"half")
    Path(f"{left}.lock").touch()  # held by nobody
    load_or_convert(KEY, _double)
    assert [path.name for path in folder.parent.iterdir()] == [KEY]


def test_without_a_cache_every_time_converts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    assert _run(load_or_convert(KEY, _double)) == [2, 6]
    with pytest.raises(AssertionError, match="converted again"):
        load_or_convert(KEY, _never)


def test_unwritable_folder_only_costs_the_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("TWOFOLD_CACHE", str(blocked))
    assert _run(load_or_convert(KEY, _double)) == [2, 6]
