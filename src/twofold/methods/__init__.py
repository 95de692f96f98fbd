"""Detection methods: one system per file, one line each in the registry."""

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
from twofold.methods.registry import DEFAULT_METHOD, METHODS

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
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
