"""The package that only scores asks for the same releases as the whole one, and for fewer."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SMALL = tomllib.loads((ROOT / "packaging/score/pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def test_its_dependencies_are_among_those_of_the_whole() -> None:
    assert set(SMALL["dependencies"]) < set(WHOLE["dependencies"])
    assert set(SMALL["optional-dependencies"]["regions"]) < set(WHOLE["dependencies"])
    for name in ("requires-python", "license", "scripts"):
        assert SMALL[name] == WHOLE[name]
