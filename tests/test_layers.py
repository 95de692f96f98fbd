"""Which package may import which, how long a file is, and what no file does."""

from __future__ import annotations

import ast
import os
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
# The table of packages: `| layer | `one`, `other` | what they own |`.
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \|", re.MULTILINE)
LAYERS = {
    name: int(row[1])
    for row in ROW.finditer(CONTRIBUTING.read_text(encoding="utf-8"))
    for name in re.findall(r"`(\w+)`", row[2])
} | {"__init__": 10, "__main__": 10}  # the front door shows what is inside; nothing goes through it
# Plain data of the package itself, which any package may read.
PACKAGE_DATA = {"__version__"}
# A method that hands the detector to the layer above, inside itself; nothing else rests on it.
DOORS = {("detector.showing", "report")}
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


def package_of(module: str) -> str:
    """Return the package that a dotted name starting with ``twofold`` lies in."""
    return (*module.partition(":")[0].split("."), "__init__")[1]


def imported_modules(source: str, module: str) -> Iterator[str]:
    """Yield each module of twofold that ``source`` imports, wherever and however it does so."""
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


def imported_packages(source: str, module: str) -> set[str]:
    """Return the other packages that ``source``, the text of ``module``, imports."""
    found = {package_of(name) for name in imported_modules(source, module)} - {package_of(module)}
    return {name for name in found if (module.removeprefix("twofold."), name) not in DOORS}


def upward(source: str, module: str) -> set[str]:
    """Return the imported packages that are unknown or lie above that of ``module``."""
    layer = LAYERS[package_of(module)]
    return {
        package for package in imported_packages(source, module) if LAYERS.get(package, 99) > layer
    }


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
def test_every_module_belongs_to_a_package_of_the_table(path: Path) -> None:
    assert package_of(module_name(path)) in LAYERS


@each_file
def test_imports_never_point_up(path: Path) -> None:
    assert not upward(path.read_text(encoding="utf-8"), module_name(path))


def imports() -> dict[str, set[str]]:
    """Return which packages each package imports, the front door left out."""
    graph: dict[str, set[str]] = {}
    for path in FILES:
        name = module_name(path)
        found = imported_packages(path.read_text(encoding="utf-8"), name)
        graph.setdefault(package_of(name), set()).update(found)
    return {name: found for name, found in graph.items() if not name.startswith("__")}


def test_no_packages_import_each_other_in_a_circle() -> None:
    TopologicalSorter(imports()).prepare()  # raises CycleError, which names the circle


def diagram() -> str:
    """Return the imports as a Mermaid graph; those that follow from others are left out."""
    graph = imports()
    reached: dict[str, set[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        reached[name] = graph[name].union(*(reached[below] for below in graph[name]))
    lines = ["```mermaid", "graph TD"]
    for name in sorted(graph, key=lambda name: (-LAYERS[name], name)):
        direct = graph[name] - set().union(*(reached[below] for below in graph[name]))
        lines += [f"    {name} --> {below}" for below in sorted(direct)]
    return "\n".join([*lines, "```"])


def test_the_diagram_is_that_of_the_imports() -> None:
    """Write it anew with ``WRITE_DIAGRAM=1 pytest tests/test_layers.py -k diagram``."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    begin, end = "<!-- imports -->\n\n", "\n\n<!-- end of imports -->"
    before, rest = text.split(begin)
    shown, after = rest.split(end)
    if "WRITE_DIAGRAM" in os.environ:
        CONTRIBUTING.write_text(before + begin + diagram() + end + after, encoding="utf-8")
        return
    assert shown == diagram()


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
        ("twofold.detector.page", "from twofold import Benchmark"),
        ("twofold.methods.base", "from twofold import Detector"),
        ("twofold.evidence.shift", "import twofold"),
        ("twofold.encoders.registry", "TABLE = {'x': 'twofold.methods.x:X'}"),
        ("twofold.images", "from twofold.unknown_package import x"),
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
