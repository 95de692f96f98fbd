"""Tests in several processes at once: one core each, so that they do not wait for each other.

And the browser, which can be started once a process.
"""

from __future__ import annotations

import os
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before anything loads OpenMP: threads of one worker would spin on the other's core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from tests.support.browser import browser, page

__all__ = ["browser", "page", "pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a browser come last: beside its event loop no other can run in a process."""
    last = {item.path for item in items if "browser" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in last)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A process that dies does not end the run."""
    if config.getvalue("dist") != "loadfile":
        return None  # xdist's own
    from tests.support.scheduling import Files

    return Files(config, log)
