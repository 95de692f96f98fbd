"""The one class a user needs, what it returns, and its file."""

from twofold.detector.detector import Detector, DetectorProgress
from twofold.detector.refitting import Changes
from twofold.detector.scores import Scores

__all__ = ["Changes", "Detector", "DetectorProgress", "Scores"]
