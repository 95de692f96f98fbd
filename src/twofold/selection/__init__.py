"""Dominant-cluster selectors: which unlabelled target images are presumed normal."""

from twofold.selection.base import Selection, dominant_selection
from twofold.selection.registry import SELECTORS

__all__ = ["SELECTORS", "Selection", "dominant_selection"]
