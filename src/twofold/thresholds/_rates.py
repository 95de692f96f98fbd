"""Rates that a user states."""

from __future__ import annotations

import numpy as np

from twofold.errors import ConfigError, shown

__all__ = ["check_rate"]


def check_rate(rate: object, name: str = "rate") -> None:
    """Refuse what is no rate.

    Args:
        rate: as stated.
        name: what the user calls it.

    Raises:
        ConfigError: it is not a number strictly between 0 and 1.
    """
    number = isinstance(rate, float | int | np.floating) and not isinstance(rate, bool)
    if not number or not 0 < rate < 1:  # type: ignore[operator]
        raise ConfigError(f"{name} must lie strictly between 0 and 1, not {shown(rate)}")
