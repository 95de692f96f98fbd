"""Fixtures for the tests of finding and decoding images."""

from __future__ import annotations

from types import ModuleType

import pytest
from PIL import Image
from tests.support import bad_files


@pytest.fixture(scope="session")
def support() -> ModuleType:
    """The module `tests/support/bad_files.py`."""
    return bad_files


@pytest.fixture
def photo() -> Image.Image:
    """A smooth RGB image of 48 x 32 pixels without any symmetry."""
    width, height = 48, 32
    image = Image.new("RGB", (width, height))
    image.putdata([(5 * x, 7 * y, 2 * (x + y)) for y in range(height) for x in range(width)])
    return image
