"""What a user may give a detector, checked before any work begins."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.outputs import resolve_engine
from twofold.errors import ConfigError, shown
from twofold.images.depth import check_bit_depth
from twofold.thresholds import Rule, check_rate

__all__ = [
    "LAST_STATE",
    "check_parameters",
    "check_seed",
    "method_options",
    "require_flag",
    "require_function",
    "whole_labels",
]

LAST_STATE = 2**32 - 1
"""The largest seed that every generator behind a method takes."""


def check_parameters(given: Mapping[str, Any]) -> None:
    """Refuse a constructor's argument of the wrong type or range.

    Ids of methods and encoders, and options, are checked by their own registries.

    Args:
        given: name -> value.

    Raises:
        ConfigError: in one line, naming the argument.
    """
    checks: dict[str, Callable[[Any, str], None]] = {
        "method": _text,
        "encoder": _text,
        "false_alarm_rate": check_rate,
        "random_state": _optional(lambda value, _: check_seed(value)),
        "locality": _optional(_text),
        "options": _optional(_options),
        "weights": _optional(_path),
        "selection_weights": _optional(_path),
        "bit_depth": _optional(lambda value, _: _ignore(check_bit_depth(value))),
        "calibration": lambda value, _: _rule(value),
        "strict": require_flag,
        "engine": lambda value, _: _engine(value),
        "progress": _optional(require_function),
    }
    for name, check in checks.items():
        if name in given:
            check(given[name], name)


def check_seed(value: object) -> None:
    """Refuse what is no random state.

    Raises:
        ConfigError: it is not a whole number from 0 to 2**32 - 1.
    """
    try:
        whole = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        whole = -1
    if isinstance(value, bool | np.bool_) or not 0 <= whole <= LAST_STATE:
        raise ConfigError(
            f"random_state must be a whole number from 0 to {LAST_STATE}, not {shown(value)}"
        )


def require_flag(value: object, name: str) -> None:
    """Refuse what is neither True nor False.

    Raises:
        ConfigError: the message names the argument.
    """
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f"{name} must be True or False, not {shown(value)}")


def require_function(value: object, name: str) -> None:
    """Refuse what cannot be called.

    Raises:
        ConfigError: the message names the argument.
    """
    if not callable(value):
        raise ConfigError(f"{name} must be a function, not {shown(value)}")


def whole_labels(labels: object) -> NDArray[np.int64]:
    """Labels as int64 (n,).

    Args:
        labels: anything array-like of one 0 or 1 an image, as numbers or truth values.

    Raises:
        ConfigError: of another shape, or holding anything else (0.9 is not 0).
    """
    try:
        given = np.asarray(labels)
    except (ValueError, TypeError) as error:  # ragged lists
        raise ConfigError("target_labels must be a flat list of 0 and 1") from error
    plain = given.ndim == 1 and given.dtype.kind in "biuf"
    if not plain or not np.isin(given, (0, 1)).all():
        raise ConfigError("target_labels must be a flat list of 0 (normal) and 1 (anomalous)")
    return given.astype(np.int64)


def _optional(check: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    return lambda value, name: None if value is None else check(value, name)


def _ignore(_: object) -> None:
    """Of a function that is called for the error it raises."""


def method_options(options: Mapping[str, Any] | None, locality: str | None) -> dict[str, Any]:
    """The options of a method, with the locality that has a parameter of its own.

    Raises:
        ConfigError: it is given twice, and not alike.
    """
    found = dict(options or {})
    given = found.get("locality", locality)
    if locality not in (None, given):
        raise ConfigError(f"locality is given twice: {locality} and {given}")
    return found if given is None else found | {"locality": given}


def _text(value: object, name: str) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name} must be a text, not {shown(value)}")


def _path(value: object, name: str) -> None:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ConfigError(f"{name} must be the path of a file, not {shown(value)}")


def _options(value: object, name: str) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{name} must be a dictionary of option names, not {shown(value)}")


def _rule(value: object) -> None:
    if value not in get_args(Rule):
        raise ConfigError(f"calibration must be pool or tail, not {shown(value)}")


def _engine(value: object) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"engine must be auto, openvino or torch, not {shown(value)}")
    resolve_engine(value)  # type: ignore[arg-type]
