"""Saved detectors, and ways to alter them."""

from __future__ import annotations

from pathlib import Path

import pytest

from twofold import Detector


@pytest.fixture
def model(fitted: Detector, tmp_path: Path) -> Path:
    path = tmp_path / "model"
    fitted.save(path)
    return path
