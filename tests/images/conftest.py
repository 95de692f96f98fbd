"""Fixtures for the tests of finding and decoding images."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image


@pytest.fixture(scope="session")
def support() -> ModuleType:
    """The module `tests/support/bad_files.py`."""
    path = Path(__file__).parents[1] / "support" / "bad_files.py"
    spec = importlib.util.spec_from_file_location("bad_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def photo() -> Image.Image:
    """A smooth RGB image of 48 x 32 pixels without any symmetry."""
    width, height = 48, 32
    image = Image.new("RGB", (width, height))
    image.putdata([(5 * x, 7 * y, 2 * (x + y)) for y in range(height) for x in range(width)])
    return image
