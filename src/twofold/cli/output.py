"""How commands report: JSON on stdout, everything else on stderr, errors in one line."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import typer

from twofold.deferred import not_installed
from twofold.errors import TwofoldError, UsageError

__all__ = ["command", "parse_options", "parse_value", "print_json", "progress_bar", "say"]

P = ParamSpec("P")
R = TypeVar("R")

_DONE_BY_SIGNAL = 130  # The shell's convention for an interruption from the keyboard.


def say(text: str) -> None:
    """One line for the user, on stderr."""
    typer.echo(text, err=True)


def print_json(content: Any) -> None:
    """The command's one JSON object, on stdout; NaN and infinities become null."""
    typer.echo(json.dumps(_plain(content), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Turn failures into one line and an exit code: 1 the work failed, 2 wrong use."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with _spoken_warnings():
                return function(*args, **kwargs)
        except KeyboardInterrupt:
            say("twofold: interrupted; what was encoded is kept in the cache")
            raise typer.Exit(_DONE_BY_SIGNAL) from None
        except (TwofoldError, OSError, MemoryError) as error:
            if os.environ.get("TWOFOLD_DEBUG"):
                raise
            text = " ".join(str(error).split()) or type(error).__name__
            say(f"twofold: {text}")
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None
        except typer.Exit:
            raise
        except ModuleNotFoundError as error:
            if os.environ.get("TWOFOLD_DEBUG") or error.name is None:
                raise
            say(f"twofold: {not_installed(error.name.partition('.')[0])}")
            raise typer.Exit(1) from None
        except Exception as error:
            if os.environ.get("TWOFOLD_DEBUG"):
                raise
            text = " ".join(str(error).split())
            say(f"twofold: unexpected {type(error).__name__}: {text} (--debug shows where)")
            raise typer.Exit(1) from None

    return run


@contextmanager
def _spoken_warnings() -> Iterator[None]:
    """Warnings as one line each on stderr, without file names and code."""

    def show(message: Warning | str, category: type[Warning], *rest: Any) -> None:
        del rest
        if issubclass(category, UserWarning | RuntimeWarning):
            say(f"note: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = show  # type: ignore[assignment]
        yield


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on a terminal's stderr, one per kind of work; silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """``["trim=0.1", "training.epochs=5"]`` -> nested dictionary; values are JSON or text.

    Raises:
        UsageError: not of the form NAME=VALUE.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--option {pair!r}: write it as NAME=VALUE, e.g. trim=0.1")
        value = parse_value(text)
        *parents, last = name.split(".")
        place = options
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise UsageError(f"--option {pair!r}: {parent} is not a group of options")
        place[last] = value
    return options


def parse_value(text: str) -> Any:
    """A value on the command line: JSON, or else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
