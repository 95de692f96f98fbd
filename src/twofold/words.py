"""Figures as sentences have them."""

from __future__ import annotations

__all__ = ["counted", "percent"]


def percent(share: float) -> str:
    """A share as a percentage, with no more digits than it needs: 0.05 is 5%."""
    return f"{100 * share:.3g}%"


def counted(number: int, noun: str) -> str:
    """How many of something: 1 image, 2,000 images."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
