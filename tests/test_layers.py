"""The shape of the house: which room may import which, how long a file is, what no file does."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# A room is a module or a package directly inside twofold. Floors as in CONTRIBUTING.md.
FLOORS = {
    "errors": 0,
    "registry": 0,
    "files": 0,
    "spreadsheet": 0,
    "threads": 0,
    "layers": 0,  # of networks, from torch alone
    "images": 1,
    "bundle": 1,
    "encoders": 2,
    "selection": 3,
    "losses": 3,
    "densities": 3,
    "patches": 3,
    "augmentation": 3,
    "synthetic": 3,
    "training": 4,
    "evidence": 4,
    "thresholds": 4,
    "methods": 5,
    "paper": 5,
    "comparison": 5,
    "method_table": 5,
    "detector": 6,
    "report": 7,
    "benchmark": 8,
    "cli": 9,
    "serve": 9,
    "__init__": 10,  # the front door: shows what is inside, nothing inside goes through it
    "__main__": 10,
}
# Plain data of the package itself, which any room may read.
PACKAGE_DATA = {"__version__"}
MAX_LINES = 320
# They run code that a file contains.
UNSAFE_MODULES = {"pickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve"}

PACKAGE = Path(__file__).parents[1] / "src" / "twofold"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULE_NAME = re.compile(r"twofold(\.\w+)+(:\w+)?")  # as the registries write what to import

each_file = pytest.mark.parametrize(
    "path", FILES, ids=[path.relative_to(PACKAGE).as_posix() for path in FILES]
)


def module_name(path: Path) -> str:
    """Return the dotted name; a package keeps its ``__init__``, so that ``..`` means the same."""
    return ".".join(("twofold", *path.relative_to(PACKAGE).with_suffix("").parts))


def room_of(module: str) -> str:
    """Return the room that a dotted name starting with ``twofold`` lies in."""
    return (*module.partition(":")[0].split("."), "__init__")[1]


def imported_modules(source: str, module: str) -> Iterator[str]:
    """Yield each module of the house that ``source`` imports, wherever and however it does so."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *filter(None, [base])])
            names = [base]
            if base == "twofold":
                public = [a.name for a in node.names if a.name not in PACKAGE_DATA]
                names = [f"twofold.{n.lower() if n == 'Detector' else n}" for n in public]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if MODULE_NAME.fullmatch(node.value) else []
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "twofold")


def imported_rooms(source: str, module: str) -> set[str]:
    """Return the other rooms that ``source``, the text of ``module``, imports."""
    return {room_of(name) for name in imported_modules(source, module)} - {room_of(module)}


def upward(source: str, module: str) -> set[str]:
    """Return the imported rooms that are unknown or lie above the room of ``module``."""
    floor = FLOORS[room_of(module)]
    return {room for room in imported_rooms(source, module) if FLOORS.get(room, 99) > floor}


def unsafe(source: str) -> list[str]:
    """Return what ``source`` does that could run code out of a file or a text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called in {"eval", "exec"}:
                found.append(f"{called}()")
            if called == "torch.load" and options.get("weights_only") != "True":
                found.append("torch.load() without weights_only=True")
            if options.get("allow_pickle", "False") != "False":
                found.append(f"{called}(allow_pickle=...)")
        found += [f"import {name}" for name in modules if name.split(".")[0] in UNSAFE_MODULES]
    return found


@each_file
def test_every_module_belongs_to_a_room(path: Path) -> None:
    assert room_of(module_name(path)) in FLOORS


@each_file
def test_imports_never_point_up(path: Path) -> None:
    assert not upward(path.read_text(encoding="utf-8"), module_name(path))


def test_no_rooms_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        name = module_name(path)
        rooms = imported_rooms(path.read_text(encoding="utf-8"), name)
        graph.setdefault(room_of(name), set()).update(rooms)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@each_file
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@each_file
def test_no_file_runs_code_from_data(path: Path) -> None:
    assert not unsafe(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("twofold.images", "from twofold.encoders import registry"),
        ("twofold.images", "from twofold import encoders"),
        ("twofold.encoders.cache", "from ..methods import base"),
        ("twofold.encoders.__init__", "from .. import methods"),
        ("twofold.encoders.__init__", "from ..methods.base import Method"),
        ("twofold.losses.contrastive", "def f():\n    import twofold.methods.base"),
        ("twofold.report.page", "from twofold import Benchmark"),
        ("twofold.methods.base", "from twofold import Detector"),
        ("twofold.evidence.shift", "import twofold"),
        ("twofold.encoders.registry", "TABLE = {'x': 'twofold.methods.x:X'}"),
        ("twofold.images", "from twofold.unknown_room import x"),
    ],
)
def test_an_upward_import_is_found(module: str, source: str) -> None:
    assert upward(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("twofold.paper.paper", "from twofold.methods.base import Method"),
        ("twofold.paper.paper", "from . import base"),
        ("twofold.methods.__init__", "from .base import Method"),
        ("twofold.paper.paper", "from ..losses import contrastive"),
        ("twofold.method_table", "TABLE = {'paper': 'twofold.paper.paper:Paper'}"),
        ("twofold.evidence.verdict", "from twofold.thresholds import Threshold"),
        ("twofold.bundle", "from twofold import __version__, errors"),
        ("twofold.images", "import numpy as np\nfrom pathlib import Path"),
        ("twofold.__init__", "from twofold.detector import Detector"),
    ],
)
def test_a_downward_import_is_let_through(module: str, source: str) -> None:
    assert not upward(source, module)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from dill import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "numpy.load(path, allow_pickle=True)",
        "eval(text)",
        "exec(text)",
    ],
)
def test_an_unsafe_line_is_found(source: str) -> None:
    assert unsafe(source)


@pytest.mark.parametrize(
    "source", ["model.eval()", "torch.load(path, weights_only=True)", "numpy.load(path)"]
)
def test_a_safe_line_is_let_through(source: str) -> None:
    assert not unsafe(source)
