"""Rates that a user states."""

from __future__ import annotations

from twofold.errors import ConfigError

__all__ = ["check_rate"]


def check_rate(rate: float, name: str = "rate") -> None:
    """Refuse what is no rate.

    Args:
        rate: as stated.
        name: what the user calls it.

    Raises:
        ConfigError: it is not strictly between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ConfigError(f"{name} must lie strictly between 0 and 1, not {rate}")
