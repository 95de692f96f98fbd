"""The tables beyond the paper's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twofold.benchmark.tables.curves import (
    chosen_components,
    component_curves,
    figure4_table,
    selection_points,
    sweeps,
)
from twofold.benchmark.tables.layout import Cell, Number, Share, Table
from twofold.benchmark.tables.results import Results
from twofold.benchmark.tables.study_tables import study_tables

MakeLine = Callable[..., dict[str, Any]]
MakeResults = Callable[[list[dict[str, Any]]], Results]


def made(results: Results, *, with_published: bool = False) -> dict[str, Table]:
    return {table.id: table for table in study_tables(results, with_published=with_published)}


def as_dict(table: Table, row: int = 0) -> dict[str, Cell]:
    return dict(zip(table.header, table.rows[row], strict=True))


def share(cell: Cell) -> float:
    assert isinstance(cell, Share)
    return cell.value


def test_nothing_is_made_of_nothing() -> None:
    assert made(Results(())) == {}
    assert list(made(Results(()), with_published=True)) == ["negative_transfer"]


def test_every_configuration_has_its_row_per_class(line: MakeLine, results: MakeResults) -> None:
    lines = [
        line(**{"class": "cat"}, auroc=0.6),
        line(**{"class": "dog"}, auroc=0.8),
        line(options={"n_clusters": 5}, **{"class": "cat"}, auroc=None),
        line(dataset="elpv", direction="mono->poly", **{"class": "functional"}),
    ]
    tables = made(results(lines))
    table = tables["per_class_pacs_photo_to_sketch"]
    first, second = as_dict(table), as_dict(table, 1)
    assert (first["method"], first["cat"], first["dog"]) == ("paper", Share(0.6), Share(0.8))
    assert share(first["average"]) == pytest.approx(0.7)
    assert share(first["± over classes"]) == pytest.approx(0.1)
    assert first["± over runs"] is None
    assert (second["method"], second["cat"], second["dog"]) == (
        "paper [n_clusters=5]",
        "failed",
        None,
    )
    assert (second["average"], second["failed cells"], second["missing cells"]) == ("failed", 1, 1)
    assert as_dict(tables["per_class_elpv_mono_to_poly"])["functional"] == Share(0.8)


def test_averages_hold_every_setting(line: MakeLine, results: MakeResults) -> None:
    lines = [line(), line(anomaly_share=0.3, auroc=0.5), line(pool_size=50, protocol="other")]
    table = made(results(lines))["averages"]
    assert [row[2:5] for row in table.rows] == [
        ("uda_inductive", Share(0.1), "all"),
        ("uda_inductive", Share(0.3), "all"),
        ("other", Share(0.1), 50),
    ]
    assert as_dict(table)["average precision"] == Share(0.7)
    assert as_dict(table)["FPR at 95% TPR"] == Share(0.4)


def test_times_and_failures(line: MakeLine, results: MakeResults) -> None:
    lines = [line(run=run, seconds=seconds) for run, seconds in enumerate((1, 2, 9))]
    lines.append(line(run=3, auroc=None, seconds=100, error="two\nlines | of text"))
    tables = made(results(lines))
    assert tables["timing"].rows == (("pacs", "paper", 3, Number(2.0), Number(9.0)),)
    row = as_dict(tables["failed"])
    assert (row["class"], row["run"], row["error"]) == ("dog", 3, "two\nlines | of text")


def test_selection_averages_over_runs_then_classes(line: MakeLine, results: MakeResults) -> None:
    def cell(name: str, run: int, precision: float | None) -> dict[str, Any]:
        content = {"dominant_precision": precision, "dominant_recall": 0.5}
        return line(run=run, **{"class": name}, diagnostics=content)

    found = results([cell("a", 0, 0.8), cell("a", 1, 0.6), cell("b", 0, 0.9), cell("b", 1, None)])
    row = as_dict(made(found)["selection"])
    assert share(row["dominant precision"]) == pytest.approx(0.8)
    assert row["dominant recall"] == Share(0.5)
    assert row["normals among negatives"] is None


def test_pairs_and_harm_have_tables(line: MakeLine, results: MakeResults) -> None:
    lines = [line(auroc=0.4), line("source_only"), line("frozen_source", auroc=0.3)]
    tables = made(results(lines), with_published=True)
    pair = as_dict(tables["pairs"])
    assert (pair["first"], pair["second"], pair["wins"]) == ("paper", "source_only", 0)
    assert pair["p"] == "no test: 1 of 6 cells needed"
    rows = tables["negative_transfer"].rows
    assert rows[0] == ("ours", "paper", "source_only", 1, 1, "pacs photo->sketch: dog")
    assert rows[1] == ("ours", "paper", "frozen_source", 1, 0, "")
    assert ("published", "paper", "source_only", 52, 9) in [row[:5] for row in rows]


def test_the_curve_over_components_varies_nothing_else(
    line: MakeLine, results: MakeResults
) -> None:
    lines = [
        *(line(run=run, auroc=0.6 + run / 10) for run in range(2)),
        line(options={"n_clusters": 10}, auroc=0.9),
        line(options={"n_clusters": 5}, auroc=0.7),
        line(options={"n_clusters": 7, "psi": "self"}),
        line(options={"n_clusters": 8, "selector": "gmm"}),
        line(options={"n_clusters": 9}, image_size=224),
    ]
    (curve,) = component_curves(results(lines))
    assert [point.x for point in curve.points] == [2, 5, 10]
    assert [point.y for point in curve.points] == pytest.approx([0.65, 0.7, 0.9])
    assert curve.points[0].spread == pytest.approx(0.05)
    assert curve.points[1].spread is None
    points = selection_points(results(lines), "pacs")
    assert {(p.selector, p.psi, p.n_clusters) for p in points} == {
        *(("kmeans", "frozen", k) for k in (2, 5, 10)),
        ("kmeans", "self", 7),
        ("gmm", "frozen", 8),
    }
    assert selection_points(results(lines[:2]), "pacs") == []


def test_a_chosen_number_of_components_stands_beside_the_curve(
    line: MakeLine, results: MakeResults
) -> None:
    def auto(name: str, k: float | None, **changes: Any) -> dict[str, Any]:
        told = {} if k is None else {"chosen_clusters": k}
        return line(options={"n_clusters": "auto"}, **{"class": name}, diagnostics=told, **changes)

    lines = [line(**{"class": name}) for name in ("a", "b", "c")]
    lines += [auto("a", 1.0, auroc=0.9), auto("b", 4.0, auroc=0.7), auto("c", 1.0, auroc=0.8)]
    found = results(lines)
    (chosen,) = chosen_components(found)
    assert chosen.y == pytest.approx(0.8)
    assert (chosen.counts, chosen.mean) == (((1, 2), (4, 1)), 2.0)
    assert str(chosen) == "auto: K is 1 in 2, 4 in 1 of the cells"
    # A single K has no curve by itself, but is something to compare the choice with.
    (curve,) = component_curves(found)
    assert [point.x for point in curve.points] == [2]
    assert component_curves(results(lines[:3])) == []
    assert chosen_components(results(lines[:3])) == []
    row = figure4_table(found, with_published=False).rows[-1]
    assert row[:3] == ("pacs photo->sketch", "ours", str(chosen))
    selected = made(found)["selection"]
    assert as_dict(selected)["K chosen"] == Number(2.0)


def test_rows_that_do_not_tell_the_choice_have_an_average_still(
    line: MakeLine, results: MakeResults
) -> None:
    options = {"n_clusters": "auto"}
    lines = [line(), line(options=options, auroc=0.6), line(options=options | {"psi": "self"})]
    (chosen,) = chosen_components(results(lines))
    assert (chosen.y, chosen.counts, chosen.mean, str(chosen)) == (0.6, (), None, "auto")
    failed = [line(), line(options=options, auroc=None)]
    assert chosen_components(results(failed)) == []


def test_sweeps_vary_one_part_of_the_setting(line: MakeLine, results: MakeResults) -> None:
    lines = [
        *(line(run=run, n_target=200 + 20 * run) for run in range(2)),
        line(anomaly_share=0.3, auroc=0.5),
        line(pool_size=50, auroc=0.4),
        line(pool_size=50, anomaly_share=0.2),
        line("auto"),
    ]
    found = results(lines)
    (shares,) = sweeps(found, "pacs", "anomaly_share")
    assert [(p.x, p.y) for p in shares.points] == [(0.1, 0.8), (0.3, 0.5)]
    (sizes,) = sweeps(found, "pacs", "pool_size")
    assert [(p.x, p.y) for p in sizes.points] == [(50, 0.4), (210, 0.8)]
    assert sweeps(results(lines[:2]), "pacs", "anomaly_share") == []


def test_a_method_without_a_pool_has_no_place_for_all_of_it(
    line: MakeLine, results: MakeResults
) -> None:
    lines = [line(n_target=0, pool_size=size) for size in (None, 10, 20)]
    (sizes,) = sweeps(results(lines), "pacs", "pool_size")
    assert [point.x for point in sizes.points] == [10, 20]
