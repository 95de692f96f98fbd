"""The examples of the pages run.

In README.md, CONTRIBUTING.md and docs/*.md

- every ``python`` block runs, in order, in one namespace a page;
- in ``console`` and ``sh`` blocks every line that starts with ``twofold `` runs and must exit with
  0 (a line that ends in a backslash goes on in the next);
- a ``python`` block after ``<!-- file: NAME -->`` is written to that file, to be imported;
- a block after ``<!-- not run -->`` is left alone.

Each page starts in a folder of its own with small generated images.
"""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support.engines import sharing
from typer.testing import CliRunner

from twofold.benchmark.datasets import DATASETS
from twofold.cli.app import app
from twofold.cluster import ray_session
from twofold.encoders import inference
from twofold.encoders.registry import ENCODERS
from twofold.method_table import METHODS
from twofold.selection.registry import SELECTORS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*?) -->\n+)?^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Example:
    """One block of a page."""

    mark: str
    language: str
    text: str
    line: int


def examples(page: str) -> list[Example]:
    """The blocks of a page that run, in order."""
    found = []
    for match in BLOCK.finditer(page):
        text = re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        line = page.count("\n", 0, match.start("text")) + 1
        example = Example(match["mark"] or "", match["language"], text, line)
        if example.mark != "not run" and example.language in ("python", "console", "sh"):
            found.append(example)
    return found


def commands(text: str) -> list[list[str]]:
    """The arguments of each ``twofold`` command in a block."""
    lines = text.replace("\\\n", " ").splitlines()
    wanted = [line.removeprefix("$ ") for line in lines]
    return [shlex.split(line, comments=True)[1:] for line in wanted if line.startswith("twofold ")]


def write_images(folder: Path, *, n: int, tint: int, seed: int, spots: int = 0) -> None:
    """Stripes in a tint; the last `spots` images carry a large defect."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for number in range(n):
        wave = 100 + 40 * np.sin(np.linspace(0, 20, 48) + generator.uniform(0, 2))
        pixels = wave[None, :, None] + np.array([tint, 0, -tint]) + np.zeros((48, 1, 1))
        pixels = pixels + generator.normal(0, 8, pixels.shape)
        if number >= n - spots:
            pixels[10:34, 12:36] = generator.uniform(0, 255, (24, 24, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:03}.png")


@pytest.fixture
def plant(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """The folder the pages speak of; the working directory."""
    monkeypatch.setattr(inference, "make_engine", sharing())
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("TWOFOLD_CACHE", str(base / "docs-cache"))
    monkeypatch.setenv("TWOFOLD_WEIGHTS", str(base / "docs-weights"))
    write_images(tmp_path / "line_a" / "good", n=40, tint=0, seed=1)
    write_images(tmp_path / "line_b" / "unlabelled", n=44, tint=40, seed=2, spots=4)
    write_images(tmp_path / "line_b" / "new", n=8, tint=40, seed=3, spots=2)
    write_images(tmp_path / "line_b" / "good", n=12, tint=40, seed=4)
    write_images(tmp_path / "line_b" / "bad", n=8, tint=40, seed=5, spots=8)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with ExitStack() as stack:
        for table in (METHODS, ENCODERS, SELECTORS, DATASETS):
            stack.enter_context(table.restored())
        yield tmp_path


def run_shell(example: Example, page: Path) -> None:
    for arguments in commands(example.text):
        result = CliRunner().invoke(app, arguments)
        where = f"{page.name}:{example.line}: twofold {shlex.join(arguments)}"
        assert result.exit_code == 0, f"{where}\n{result.output}"


# Ten seconds to half a minute each: their commands go through fits, benchmarks and the demo.
LONG = {
    *("README.md", "adding.md", "benchmark.md", "cli.md", "cluster.md", "evidence.md"),
    *("export.md", "eyes.md"),
    *("local.md", "marks.md", "methods.md", "model-format.md", "refit.md", "report.md"),
    "review.md",
    *("dataframes.md", "drift.md", "images.md", "mlflow.md", "python.md", "speed.md"),
    *("thresholds.md", "watch.md"),
}


# What Ray leaves open when it ends its own processes, and says about its own settings.
OF_RAY = (
    *("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    *("ignore::DeprecationWarning:ray.*", "ignore::FutureWarning:ray.*"),
)


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """The marks of a page."""
    marks = [pytest.mark.slow] if name in LONG else []
    return marks + [pytest.mark.filterwarnings(w) for w in OF_RAY if name == "cluster.md"]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=marks_of(page.name))
        for page in PAGES
        if examples(page.read_text(encoding="utf-8"))
    ],
)
def test_the_examples_of_a_page_run(page: Path, plant: Path) -> None:
    with ray_session(cpus=2) if page.name == "cluster.md" else nullcontext():
        run_page(page, plant)


def run_page(page: Path, plant: Path) -> None:
    namespace: dict[str, Any] = {"__name__": page.stem}
    for example in examples(page.read_text(encoding="utf-8")):
        if example.language != "python":
            run_shell(example, page)
        elif example.mark.startswith("file: "):
            (plant / example.mark.removeprefix("file: ")).write_text(example.text, "utf-8")
        else:
            text = "\n" * (example.line - 1) + example.text  # so that a failure names the line
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # notes to the user
                exec(compile(text, page, "exec"), namespace)


def test_pages_with_the_main_examples_are_found() -> None:
    named = {page.name: examples(page.read_text(encoding="utf-8")) for page in PAGES}
    assert {"README.md", "adding.md", "cli.md", "images.md"} <= {n for n in named if named[n]}
    assert {example.language for example in named["README.md"]} >= {"python", "console"}


def test_the_reading_of_a_page() -> None:
    page = (
        "```python\nx = 1\n```\n\n<!-- not run -->\n```python\nx = 2\n```\n"
        "- a\n\n  <!-- file: m.py -->\n  ```python\n  def f():\n      pass\n  ```\n"
        "```json\n{}\n```\n```console\n$ twofold a 'b c' \\\n    --d  # why\nprinted\n```\n"
    )
    assert [(e.mark, e.language, e.line) for e in examples(page)] == [
        ("", "python", 2),
        ("file: m.py", "python", 13),
        ("", "console", 20),
    ]
    assert examples(page)[1].text == "def f():\n    pass\n"
    assert commands(examples(page)[2].text) == [["a", "b c", "--d"]]


def first_cells(page: str, heading: str) -> list[str]:
    """The ids in the first column of the first table under a heading of docs/`page`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)


def test_the_page_of_methods_lists_the_registry() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert CliRunner().invoke(app, ["methods", "--markdown"]).stdout in text
    for name in METHODS.ids():
        assert f"`{name}`" in "".join(re.findall(r"^## .*$", text, flags=re.MULTILINE))


def test_the_page_of_methods_lists_each_option_with_its_default() -> None:
    """Methods may differ in a default: then each value on the page is that of one of them."""
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w.]+)` \| `([^`]*)` \|", text, flags=re.MULTILINE))
    defaults: set[tuple[str, str]] = set()
    for name in METHODS.ids():
        for option, field in METHODS.load(name).Config.model_fields.items():
            if option == "training":
                inner = field.default.model_dump().items()
                defaults |= {(f"training.{key}", str(value)) for key, value in inner}
            else:
                defaults.add((option, str(field.default)))
    assert listed <= defaults
    assert {option for option, _ in listed} == {option for option, _ in defaults}


def test_the_page_of_encoders_lists_the_registry() -> None:
    text = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8")
    assert first_cells("encoders.md", "The encoders") == list(ENCODERS.ids())
    for name in ENCODERS.ids():
        spec = ENCODERS.load(name)
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2:5] == [
            str(spec.preprocessing.size),
            str(spec.feature_dim),
            spec.licence,
        ]


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
