"""Fixtures for the tests of methods."""

from __future__ import annotations

from tests.support.engines import shared_engines

__all__ = ["shared_engines"]
