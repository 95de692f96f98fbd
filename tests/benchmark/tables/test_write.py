"""Files: what is written, whole or not at all, the same each time, with or without pictures."""

from __future__ import annotations

import builtins
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from twofold.benchmark.tables import write_tables
from twofold.errors import TwofoldError

MakeLine = Callable[..., dict[str, Any]]
Write = Callable[..., Path]

pytest.importorskip("matplotlib")


@pytest.fixture
def folder(tmp_path: Path, line: MakeLine, write: Write) -> Path:
    """Results with something for every figure."""
    lines = [
        line(m, **{"class": c}, run=run, auroc=auroc + run / 50, options=options, **setting)
        for m, auroc, options, setting in (
            ("paper", 0.7, {}, {}),
            ("paper", 0.6, {"n_clusters": 5}, {}),
            ("paper", 0.6, {"n_clusters": 5, "psi": "self"}, {}),
            ("paper", 0.6, {"selector": "meanshift"}, {}),
            ("paper", 0.5, {}, {"anomaly_share": 0.3}),
            ("paper", 0.6, {}, {"pool_size": 50}),
            ("source_only", 0.6, {}, {}),
        )
        for c in ("dog", "cat")
        for run in range(2)
    ]
    for one in lines:
        one["diagnostics"] = {"dominant_precision": 0.9} if one["method"] == "paper" else {}
    lines[-1] |= {"status": "failed", "auroc": None, "error": "CollapseError: all equal"}
    write(tmp_path / "out" / "results.jsonl", lines)
    return tmp_path / "out"


FIGURES = {"figure4", "table5", "anomaly_share_pacs", "pool_size_pacs", "selection_pacs"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("published", [False, True])
def test_everything_is_written_and_the_same_twice(folder: Path, published: bool) -> None:
    result = write_tables(folder, published)
    first = contents(folder / "tables")
    assert set(first) == {*result["tables"], *result["figures"]}
    assert {name.rpartition(".")[0] for name in result["figures"]} == FIGURES
    assert (result["rows"], result["failed"], result["missing"]) == (28, 1, 0)
    assert ("table2" in result["not_written"]) is not published
    for name, content in first.items():
        if name.endswith(".png"):
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                assert min(image.size) > 200
        elif name.endswith(".svg"):
            assert content.startswith(b"<?xml")
            assert b"<dc:date>" not in content
        elif name.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(content.decode())))
            assert len({len(row) for row in rows}) == 1
    write_tables(folder, published)
    assert contents(folder / "tables") == first


@pytest.mark.slow
def test_the_page_holds_tables_notes_and_pictures(folder: Path) -> None:
    write_tables(folder, True)
    page = (folder / "tables" / "tables.md").read_text(encoding="utf-8")
    for word in (
        "## Table 1a",
        "## Table 7",
        "## Negative transfer",
        "![figure4.png](figure4.png)",
    ):
        assert word in page
    figure = (folder / "tables" / "figure4.svg").read_text(encoding="utf-8")
    assert "the plotted points are not readable" in figure


@pytest.mark.slow
def test_a_chosen_number_of_clusters_is_marked_in_figure_4(
    tmp_path: Path, line: MakeLine, write: Write
) -> None:
    told = {"chosen_clusters": 3.0}
    lines = [line(), line(options={"n_clusters": 5}, auroc=0.7)]
    lines.append(line(options={"n_clusters": "auto"}, auroc=0.9, diagnostics=told))
    write(tmp_path / "out" / "results.jsonl", lines)
    write_tables(tmp_path / "out", False)
    figure = (tmp_path / "out" / "tables" / "figure4.svg").read_text(encoding="utf-8")
    assert "auto: K is 3 in 1 of the cells" in figure
    assert "dashed: K chosen for each cell" in figure
    rows = (tmp_path / "out" / "tables" / "figure4.csv").read_text(encoding="utf-8")
    assert "auto: K is 3 in 1 of the cells" in rows


@pytest.mark.slow
def test_averages_come_back_as_fractions(folder: Path) -> None:
    averages = write_tables(folder, False)["averages"]
    assert len(averages) == 5
    assert averages[0]["method"] == "paper"
    assert averages[0]["auroc"] == pytest.approx(0.71)
    assert averages[0]["spread_over_runs"] == pytest.approx(0.01)
    assert averages[0]["spread_over_classes"] == pytest.approx(0)


@pytest.mark.slow
def test_published_needs_no_results(tmp_path: Path) -> None:
    result = write_tables(tmp_path / "none", True)
    assert (result["rows"], result["not_written"], result["averages"]) == (0, [], [])
    assert len(result["tables"]) == 11
    assert {name.rpartition(".")[0] for name in result["figures"]} == {"figure4", "table5"}


def test_without_results_the_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(TwofoldError, match=r"results\.jsonl: no such file; run `twofold bench`"):
        write_tables(tmp_path, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_another_folder_can_be_named(folder: Path, tmp_path: Path) -> None:
    result = write_tables(folder, False, tmp_path / "a" / "b")
    assert result["out"] == str(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "tables.md").exists()
    assert not (folder / "tables").exists()


def test_without_matplotlib_tables_are_written_and_a_note_says_how_to_get_pictures(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    result = write_tables(folder, False)
    assert result["notes"] == ["no pictures without matplotlib: pip install 'twofold[tables]'"]
    assert result["figures"] == []
    assert set(contents(folder / "tables")) == set(result["tables"])
    assert "table5.csv" in result["tables"]


@pytest.mark.slow
def test_a_failed_write_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tables(folder, False)
    before = contents(folder / "tables")

    def full(self: Path, target: Path) -> Path:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        write_tables(folder, True)
    assert contents(folder / "tables") == before
