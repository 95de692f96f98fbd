"""Tests in several processes at once: one core each, so that they do not wait for each other.

And the browser, which can be started once a process.
"""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before anything loads OpenMP: threads of one worker would spin on the other's core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from tests.support.browser import browser, page

__all__ = ["browser", "page", "pytest_collection_modifyitems"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a browser come last: beside its event loop no other can run in a process."""
    last = {item.path for item in items if "browser" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in last)
