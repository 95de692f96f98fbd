"""The entry point: start-up, help, version, ``--debug``, exit codes of whole processes."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from twofold import __version__
from twofold.cli import main
from twofold.cli.app import app
from twofold.errors import BundleError

Run = Callable[..., Result]

COMMANDS = {
    *("fit", "score", "report", "evaluate", "check", "methods", "encoders", "doctor", "demo"),
    *("bench", "certify", "drift", "embed", "export", "refit", "review", "serve", "tables"),
    "watch",
}


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [str(argument) for argument in arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
def test_help_answers_at_once(tmp_path: Path) -> None:
    smallest = tmp_path / "smallest.py"
    smallest.write_text("import typer\napp = typer.Typer()\napp.command()(lambda: None)\napp()\n")
    times: list[float] = []
    others: list[float] = []
    for _ in range(5):
        seconds, shown = timed(Path(sys.executable).with_name("twofold"), "--help")
        assert all(name in shown for name in COMMANDS)
        times.append(seconds)
        others.append(timed(sys.executable, smallest, "--help")[0])
    # An app that does nothing takes .3 to .4 s, ours half as much again; torch adds 2 to it.
    assert min(times) < 3 * min(others)


def timed(*arguments: object) -> tuple[float, str]:
    """Processor seconds of a process, and what it printed.

    They are what the wall shows on an idle machine, whatever else runs on this one.
    """
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = process(*arguments)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime, result.stdout


@pytest.mark.parametrize("module", ["twofold", "twofold.cli"])
def test_importing_brings_in_no_torch(module: str) -> None:
    heavy = ("torch", "openvino", "sklearn", "numpy", "pydantic")
    code = f"import {module}, sys; print([n for n in {heavy} if n in sys.modules])"
    result = process(sys.executable, "-c", code)
    assert result.stdout == "[]\n", result.stderr


def test_the_package_runs_as_a_module() -> None:
    result = process(sys.executable, "-m", "twofold", "--version")
    assert (result.returncode, result.stdout) == (0, f"{__version__}\n")


@pytest.mark.slow
def test_a_failed_process_says_one_line_and_with_debug_a_traceback(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "twofold", "score", tmp_path / "gone", tmp_path)
    plain = process(*command)
    assert (plain.returncode, plain.stdout) == (1, "")
    assert plain.stderr == f"twofold: {tmp_path / 'gone'}: no such model folder\n"
    debug = process(*command, "--debug")
    assert (debug.returncode, debug.stdout) == (1, "")
    assert "Traceback (most recent call last)" in debug.stderr
    assert "BundleError" in debug.stderr


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_debug_may_stand_anywhere(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["score", str(tmp_path / "gone"), str(tmp_path)]
    arguments.insert(place, "--debug")
    monkeypatch.setattr(sys, "argv", ["twofold", *arguments])
    with pytest.raises(BundleError):
        main()


@pytest.mark.slow
def test_json_in_a_process_is_alone_on_stdout(
    world: Path, as_object: Callable[[str], dict[str, Any]]
) -> None:
    result = process(
        *(sys.executable, "-m", "twofold", "score", world / "model"),
        *(world / "normal", world / "mixed", "--json"),
    )
    assert result.returncode == 0
    assert len(as_object(result.stdout)["images"]) == 16
    assert len(result.stderr.splitlines()) == 1
    assert "damaged.png" in result.stderr


def test_every_command_has_help(run: Run) -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert names | {group.name for group in app.registered_groups} == COMMANDS
    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.stdout


def test_no_arguments_show_the_help(run: Run) -> None:
    assert "Usage" in run().output
