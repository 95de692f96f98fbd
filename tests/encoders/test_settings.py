"""How fast settings run a network here, and which are kept."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from twofold.encoders import settings as settings_of
from twofold.encoders.measuring import choose, rate
from twofold.encoders.settings import (
    GROUP,
    MAX_STREAMS,
    EngineSettings,
    forget_settings,
    keep_settings,
    n_streams,
)
from twofold.errors import UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_without_a_measurement_there_is_a_stream_a_core() -> None:
    assert EngineSettings.here() == EngineSettings(min(os.cpu_count() or 1, MAX_STREAMS), GROUP)
    assert n_streams() == EngineSettings.usual().streams
    forget_settings()  # nothing to forget is no error


def test_what_was_measured_is_kept_and_forgotten(folder: Path) -> None:
    assert keep_settings(EngineSettings(3, 8, measured=True)) == folder / "settings.json"
    assert EngineSettings.here() == EngineSettings(3, 8, measured=True)
    assert n_streams() == 3
    forget_settings()
    assert EngineSettings.here() == EngineSettings.usual()


@pytest.mark.parametrize(
    "change",
    [
        {"streams": 0},
        {"streams": 9},
        {"group": True},
        {"group": 17},
        {"group": "4"},
        {"streams": None},
        {"machine": {"processor": "another", "cores": 2, "openvino": "1"}},
    ],
)
def test_damaged_or_foreign_settings_are_left_alone(
    folder: Path, change: dict[str, object]
) -> None:
    file = keep_settings(EngineSettings(3, 8))
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    settings_of._kept.cache_clear()
    assert EngineSettings.here() == EngineSettings.usual()


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, "\x00", "null"])
def test_a_file_of_something_else_is_left_alone(folder: Path, content: str) -> None:
    keep_settings(EngineSettings(3, 8)).write_text(content)
    settings_of._kept.cache_clear()
    assert EngineSettings.here() == EngineSettings.usual()


def test_without_a_cache_nothing_can_be_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("a file")
    with pytest.raises(UsageError, match="set TWOFOLD_CACHE"):
        keep_settings(EngineSettings(3, 8))
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    with pytest.raises(UsageError, match="unset TWOFOLD_CACHE"):
        keep_settings(EngineSettings(3, 8))


def test_the_usual_ones_stay_unless_others_are_clearly_faster() -> None:
    usual, other = EngineSettings(2, 4), EngineSettings(1, 4)
    assert choose({usual: 100.0, other: 102.0}, usual) == usual
    assert choose({usual: 100.0, other: 104.0}, usual) == other
    assert choose({other: 1.0}, usual) == other


def test_a_rate_counts_the_images_of_all_threads() -> None:
    class Sleeping:
        def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, ...]:
            time.sleep(0.02)
            return (inputs,)

        def release(self) -> None: ...

    found = rate(Sleeping(), np.zeros((4, 1)), streams=2, seconds=0.2)
    assert 200 < found <= 400
