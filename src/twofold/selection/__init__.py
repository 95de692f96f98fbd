"""Dominant-cluster selectors: which unlabelled target images are presumed normal."""

from twofold.selection.base import Selection, dominant_selection
from twofold.selection.choice import choose_clusters, select
from twofold.selection.refine import Partition, refine
from twofold.selection.registry import SELECTORS, WITHOUT_K

__all__ = [
    "SELECTORS",
    "WITHOUT_K",
    "Partition",
    "Selection",
    "choose_clusters",
    "dominant_selection",
    "refine",
    "select",
]
