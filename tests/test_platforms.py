"""What the package needs of a machine: Python, the declared packages, and no Unix."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "twofold"
FILES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def distribution(requirement: str) -> str:
    """The normalised name of the package that a requirement asks for."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


CORE = {distribution(requirement) for requirement in PROJECT["dependencies"]}
EXTRAS = {
    distribution(requirement)
    for extra, requirements in PROJECT["optional-dependencies"].items()
    if extra != "dev"
    for requirement in requirements
}
# More than one package may bring a module, such as a namespace.
BRINGERS = {
    module: {distribution(name) for name in names}
    for module, names in packages_distributions().items()
}


# What is imported is declared


def imported(source: str) -> Iterator[tuple[str, str]]:
    """Yield each third-party module that ``source`` imports, and where.

    The places: ``top`` (whenever the file is imported), ``function``, ``guarded`` (what happens
    without the package is written beside it) and ``types`` (for type checkers alone).
    """

    def visit(node: ast.AST, place: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], place) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0], place
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            place = "types"
        elif isinstance(node, ast.Try) and any(
            handler.type is not None and "ImportError" in ast.unparse(handler.type)
            for handler in node.handlers
        ):
            place = "guarded"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and place == "top":
            place = "function"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, place)

    for name, place in visit(ast.parse(source), "top"):
        if name not in sys.stdlib_module_names and name not in {"twofold", ""}:
            yield name, place


# What a package imports in functions only, after a door that says what is missing.
BEHIND_A_DOOR = {"cluster": {"ray"}}


def undeclared(source: str, package: str = "") -> list[str]:
    """Return the imports of ``source`` that fail after a plain ``pip install twofold``."""
    found = list(imported(source))
    guarded = {name for name, place in found if place == "guarded"}
    guarded |= BEHIND_A_DOOR.get(package, set())
    return sorted(
        name
        for name, place in found
        if not BRINGERS.get(name, {name}) & CORE
        and not (
            BRINGERS.get(name, {name}) & EXTRAS
            and (place in {"guarded", "types"} or (place == "function" and name in guarded))
        )
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_import_is_a_declared_dependency(path: Path) -> None:
    package = path.relative_to(PACKAGE).parts[0]
    assert not undeclared(path.read_text(encoding="utf-8"), package)


@pytest.mark.parametrize(
    "source",
    [
        "import requests",
        "def f():\n    from yaml import load",
        "import matplotlib",
        "def f():\n    import matplotlib",
        "try:\n    import requests\nexcept ImportError:\n    pass",
        "import hypothesis",
    ],
)
def test_an_import_of_something_else_is_found(source: str) -> None:
    assert undeclared(source)


@pytest.mark.parametrize(
    "source",
    [
        "import os, numpy.linalg\nfrom PIL import Image\nfrom . import x\nimport twofold.images",
        "def f():\n    try:\n        import matplotlib\n    except ImportError:\n        raise",
        "if TYPE_CHECKING:\n    from matplotlib.figure import Figure",
    ],
)
def test_an_import_of_what_is_declared_is_let_through(source: str) -> None:
    assert not undeclared(source)


# No Unix is needed

# Imports what others wrote first, since only our own code is on trial; then takes away what
# Windows has not.
WITHOUT_UNIX = """
import builtins, importlib, os, signal, socket, sys
from pathlib import Path

others, ours = sys.argv[1].split(), sys.argv[2].split()
for name in others:
    importlib.import_module(name)
# What the library itself falls back to; its own lock for Unix cannot run below.
sys.modules["filelock"].FileLock = sys.modules["filelock"].SoftFileLock
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty", "syslog"}
builtin_import = builtins.__import__

def windows_import(name, globals=None, *rest):
    if name in MODULES and (globals or {}).get("__name__", "").startswith("twofold"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return builtin_import(name, globals, *rest)

builtins.__import__ = windows_import
for name in (
    *("O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC".split()),
    *("chown chroot fchmod fchown fork forkpty getegid geteuid getgid getloadavg getpgid".split()),
    *("getuid killpg lchown mkfifo mknod nice posix_fadvise pread pwrite register_at_fork".split()),
    *("sched_getaffinity sched_setaffinity setpgid setsid setuid statvfs sysconf uname".split()),
):
    if hasattr(os, name):
        delattr(os, name)
for name in "SIGALRM SIGHUP SIGKILL SIGQUIT SIGUSR1 SIGUSR2 alarm setitimer".split():
    delattr(signal, name)
delattr(socket, "AF_UNIX")
for name in ours:
    importlib.import_module(name)

import numpy as np
from twofold.benchmark.results import KEY, ResultsFile
from twofold.bundle import read_bundle, write_bundle
from twofold.encoders.cache import EmbeddingCache
from twofold.files import write_whole
from twofold.images import find_images

folder = Path(sys.argv[3])
with ResultsFile(folder / "results.jsonl").writing() as known:
    results = ResultsFile(folder / "results.jsonl")
with results.writing():
    results.append(dict.fromkeys(KEY, "x"))
with results.writing() as known:
    assert len(known) == 1
for number in range(2):
    write_bundle(folder / "model", {"n": number}, {"t": np.full(3, number)})
    assert read_bundle(folder / "model").header == {"n": number}
    write_whole(folder / "table.csv", b"x")
cache, key = EmbeddingCache(folder), "0" * 64
cache.put(key, [(key, np.ones(3, dtype=np.float32))])
assert cache.get(key, [key])[key].sum() == 3
(folder / "a.png").write_bytes(b"x")
assert find_images(folder / "a.png").load(0).content == b"x"
"""


@pytest.mark.slow
def test_every_module_is_imported_and_files_are_written_without_unix(tmp_path: Path) -> None:
    others = sorted({name for path in FILES for name, _ in imported(path.read_text("utf-8"))})
    # The script that exports copy lies in no package: it is no module.
    inside = [path for path in FILES if (path.parent / "__init__.py").exists()]
    modules = [".".join(("twofold", *p.relative_to(PACKAGE).with_suffix("").parts)) for p in inside]
    ours = [name.removesuffix(".__init__") for name in modules if not name.endswith("__main__")]
    arguments = [" ".join(others), " ".join(ours), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIX, *arguments],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
