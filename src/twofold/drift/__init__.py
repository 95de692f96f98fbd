"""Has the domain moved again since the fit? A test that may be looked at after every image."""

from twofold.drift.directions import leading_directions
from twofold.drift.document import read_document
from twofold.drift.monitor import KIND_WORDS, Drift, DriftKind, DriftMonitor, Warned
from twofold.drift.pace import Pace, PaceOfChange, pace_of_change
from twofold.drift.ranks import UPPER_SHARES, Ranks
from twofold.drift.reference import DriftReference
from twofold.drift.regions import Regions, fit_regions
from twofold.drift.wealth import Wealth, alternatives, kept_for_later

__all__ = [
    "KIND_WORDS",
    "UPPER_SHARES",
    "Drift",
    "DriftKind",
    "DriftMonitor",
    "DriftReference",
    "Pace",
    "PaceOfChange",
    "Ranks",
    "Regions",
    "Warned",
    "Wealth",
    "alternatives",
    "fit_regions",
    "kept_for_later",
    "leading_directions",
    "pace_of_change",
    "read_document",
]
