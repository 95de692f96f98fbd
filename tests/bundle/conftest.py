"""Models to read, and ways to forge them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.bundle.cases import HEADER, arrays

from twofold.bundle import (
    write_bundle,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    write_bundle(path, HEADER, arrays(), {"encoder": {"w": np.arange(5, dtype=np.float32)}})
    return path
