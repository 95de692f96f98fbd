"""JSON, options, errors in one line, warnings in one line."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import pytest
import typer

from twofold.cli.output import command, parse_options, print_json
from twofold.errors import ImageSourceError, UsageError


def test_json_holds_null_in_place_of_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": math.nan, "b": [math.inf, (1.5, {"c": -math.inf})], "d": None, "e": "ü"})
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out) == {"a": None, "b": [None, [1.5, {"c": None}]]} | {
        "d": None,
        "e": "ü",
    }


@pytest.mark.parametrize(
    ("pairs", "options"),
    [
        ([], {}),
        (["trim=0.1"], {"trim": 0.1}),
        (["a=true", "b=null", "c=[1, 2]"], {"a": True, "b": None, "c": [1, 2]}),
        (["selector=kmeans", "empty="], {"selector": "kmeans", "empty": ""}),
        (["training.epochs=5", "training.head=none"], {"training": {"epochs": 5, "head": "none"}}),
        (["x=a=b"], {"x": "a=b"}),
    ],
)
def test_options_are_json_or_text(pairs: list[str], options: dict[str, Any]) -> None:
    assert parse_options(pairs) == options


@pytest.mark.parametrize("pairs", [["trim"], ["=1"], [""], ["a=1", "a.b=2"]])
def test_other_options_are_refused(pairs: list[str]) -> None:
    with pytest.raises(UsageError, match="--option"):
        parse_options(pairs)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("wrong\nuse"), 2, r"twofold: wrong\nuse"),
        (ImageSourceError("no images"), 1, "twofold: no images"),
        (PermissionError(13, "Permission denied", "x"), 1, "twofold: [Errno 13]"),
        (MemoryError(), 1, "twofold: MemoryError"),
        (RuntimeError("odd\n  thing"), 1, "twofold: unexpected RuntimeError: odd thing (--debug"),
        (KeyboardInterrupt(), 130, "twofold: interrupted"),
        (typer.Exit(7), 7, ""),
    ],
)
def test_an_error_is_one_line_and_a_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @command
    def fail() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        fail()
    assert caught.value.exit_code == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(line)
    assert captured.err.count("\n") == (1 if line else 0)


@pytest.mark.parametrize("error", [UsageError("a"), OSError("b"), RuntimeError("c")])
def test_with_debug_an_error_comes_through(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOFOLD_DEBUG", "1")

    @command
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        fail()


def test_warnings_for_users_are_notes_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def warn() -> int:
        warnings.warn("two copies", UserWarning, stacklevel=1)
        warnings.warn("for programmers", DeprecationWarning, stacklevel=1)
        return 5

    assert warn() == 5
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "note: two copies\n")
