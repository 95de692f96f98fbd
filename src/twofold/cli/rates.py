"""Rates that marks say, in words: one form for `review`, `refit` and `certify`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from twofold.words import percent

__all__ = ["rate_lines", "rate_text"]


class Rate(Protocol):
    """A value in [0, 1], or None where the marks do not define it, and its interval."""

    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def rate_text(rate: Rate, level: float = 0.95) -> str:
    """As ``64.9% (95%: 36.4% to 85.7%)``."""
    if rate.value is None:
        return "not known"
    return f"{rate.value:.1%} ({percent(level)}: {rate.low:.1%} to {rate.high:.1%})"


def rate_lines(rates: Mapping[str, Rate], level: float = 0.95) -> list[str]:
    """A line for each rate, the names flush right."""
    from twofold.marks import RATE_WORDS  # noqa: PLC0415 - imports scipy

    return [f"{RATE_WORDS[name][0]:>20}  {rate_text(rate, level)}" for name, rate in rates.items()]
