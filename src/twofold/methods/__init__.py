"""The contract of every method, the recommended one, and the rivals to try beside it."""

from twofold.methods.base import (
    Diagnostics,
    Fit,
    FitData,
    Found,
    Method,
    MethodConfig,
    Need,
    OutOfSample,
    Watch,
    first_by_name,
    parse_config,
)

__all__ = [
    "Diagnostics",
    "Fit",
    "FitData",
    "Found",
    "Method",
    "MethodConfig",
    "Need",
    "OutOfSample",
    "Watch",
    "first_by_name",
    "parse_config",
]
