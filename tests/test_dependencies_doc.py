"""docs/dependencies.md gives the reason for each dependency in pyproject.toml, and for no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE: list[str] = PROJECT["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")


def package(requirement: str) -> str:
    """Return the normalised package name that a requirement or a table cell begins with."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of each line of the table under a second-level heading of the page."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell: str) -> list[str]:
    """Return the packages named in a cell, each between backticks."""
    return [package(name) for name in re.findall(r"`([^`]+)`", cell)]


def test_each_core_dependency_has_one_line() -> None:
    documented = [name for row in rows("Core") for name in names(row[0])]
    assert sorted(documented) == sorted(map(package, CORE))


def test_each_extra_has_one_line() -> None:
    assert sorted(row[0] for row in rows("Extras")) == sorted(f"`{name}`" for name in EXTRAS)


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_the_line_of_an_extra_names_its_packages(extra: str) -> None:
    (row,) = (row for row in rows("Extras") if row[0] == f"`{extra}`")
    wanted = {package(requirement) for requirement in EXTRAS[extra]} - {"twofold"}
    assert set(names(row[1])) == wanted


@pytest.mark.parametrize("heading", ["Core", "Extras"])
def test_each_line_gives_a_purpose_and_a_reason(heading: str) -> None:
    assert rows(heading)
    assert all(len(row) == len(rows(heading)[0]) and all(row) for row in rows(heading))


def test_what_is_said_to_be_left_out_is_left_out() -> None:
    everything = {*map(package, CORE), *(package(r) for extra in EXTRAS.values() for r in extra)}
    left_out = {name for row in rows("Deliberately not here") for name in names(row[0])}
    assert left_out
    assert not left_out & everything
