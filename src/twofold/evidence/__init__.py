"""What is known about a fit without any label."""

from twofold.evidence.facts import Evidence, collect_evidence

__all__ = ["Evidence", "collect_evidence"]
