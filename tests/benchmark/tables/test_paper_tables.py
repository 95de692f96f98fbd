"""The paper's tables: every printed number, ours beside it, missing and failed cells."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from twofold.benchmark.tables.curves import figure4_table
from twofold.benchmark.tables.layout import Number, Share, Table
from twofold.benchmark.tables.markdown import to_csv, to_markdown
from twofold.benchmark.tables.names import class_name, dataset_of, direction_name, wanted
from twofold.benchmark.tables.paper_tables import PAPER_TABLES, paper_tables
from twofold.benchmark.tables.results import Results

MakeLine = Callable[..., dict[str, Any]]
MakeResults = Callable[[list[dict[str, Any]]], Results]

PRINTED = json.loads(
    (resources.files("twofold.benchmark.tables") / "published.json").read_text(encoding="utf-8")
)["tables"]
NAMES = {name.split("_")[0]: name for name in PRINTED}


def tables(results: Results, *, with_published: bool) -> dict[str, Table]:
    return {table.id: table for table in paper_tables(results, with_published=with_published)}


def cells(table: Table) -> dict[tuple[str, str, str, str], str]:
    """{(direction, class or quantity, result, column): text in Markdown}"""
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("| ")]
    header, _, *rows = ([part.strip() for part in line.strip("|").split(" | ")] for line in lines)
    found = {}
    for row in rows:
        for column, text in zip(header[3:], row[3:], strict=True):
            key = (row[0].split(" ")[-1], row[1], row[2], column)
            assert key not in found
            found[key] = text.strip()
    return found


COLUMNS = {
    "ours": "paper",
    "ours_few_shot": "paper_few_shot",
    "grl": "paper_grl",
    "mmd": "paper_mmd",
    "contrastive": "paper",
    "kmeans": "paper, kmeans",
    "gmm": "paper, gmm",
    "meanshift": "paper, meanshift",
    "clip_rn50": "frozen_source, clip_rn50",
    "clip_vit_b32": "frozen_source, clip_vit_b32",
}


@pytest.fixture(scope="module")
def printed() -> dict[str, Table]:
    """All tables without any result of ours."""
    return tables(Results(()), with_published=True)


def test_all_tables_are_there_with_the_published_numbers(printed: dict[str, Table]) -> None:
    assert tuple(printed) == PAPER_TABLES
    assert tables(Results(()), with_published=False) == {}


@pytest.mark.parametrize("name", [name for name in PAPER_TABLES if name != "table3"])
def test_every_printed_number_appears(name: str, printed: dict[str, Table]) -> None:
    found = cells(printed[name])
    count = 0
    for printed_direction, content in PRINTED[NAMES[name]]["directions"].items():
        direction, dataset = direction_name(printed_direction), dataset_of(printed_direction)

        def check(row: str, method: str, value: float, direction: str = direction) -> None:
            column = COLUMNS.get(method, method)
            assert found[direction, row, "published", column] == f"{value:.2f}"

        for method, values in content.get("methods", {}).items():
            for printed_class, value in zip(content["classes"], values, strict=True):
                check(class_name(dataset, printed_class), method, value)
                count += 1
        for row, key in (("average", "average"), ("± over classes", "std_over_classes")):
            for method, value in content.get(key, {}).items():
                check(row, method, value)
                count += 1
    filled = [key for key, text in found.items() if text and key[1] != "paradigm"]
    assert len(filled) == count


def test_every_row_of_table_3_appears(printed: dict[str, Table]) -> None:
    rows = {
        tuple(row[1:6]): tuple(c.value for c in row[6:8] if isinstance(c, Share))
        for row in printed["table3"].rows
    }
    assert len(rows) == len(PRINTED["table3_ablation"]["rows"]) == 8
    for row in PRINTED["table3_ablation"]["rows"]:
        parts = ("yes" if row[part] else "no" for part in ("adaptation", "clustering", "clip"))
        values = (row["average"] / 100, row["std_over_classes"] / 100)
        assert rows[row["backbone"], *parts, "published"] == values


def test_the_text_about_figure_4_appears() -> None:
    page = to_markdown(figure4_table(Results(()), with_published=True))
    for word in ("8 to 10", "75.00", "76.00", "degrades gradually", "not readable", "cad->real"):
        assert word in page
    assert figure4_table(Results(()), with_published=False).rows == ()


def test_names_that_differ_are_mapped() -> None:
    assert direction_name("photo->art") == "photo->art_painting"
    assert class_name("officehome", "Paperclip") == "Paper_Clip"
    assert class_name("office31", "Laptop") == "laptop_computer"
    assert class_name("visda2017", "Aeroplane") == "aeroplane"
    assert wanted("gmm").options == (("selector", "gmm"),)
    assert wanted("msra").method == "msra"


def office(line: MakeLine, method: str, **changes: Any) -> dict[str, Any]:
    place = {"dataset": "office31", "direction": "webcam->amazon", "class": "mouse"}
    return line(method, **(place | changes))


def test_ours_stand_above_the_published(line: MakeLine, results: MakeResults) -> None:
    lines = [
        *(office(line, "paper", run=run, auroc=0.6 + run / 10) for run in range(2)),
        *(office(line, "paper", run=run, **{"class": "pen"}) for run in range(2)),
        office(line, "gnl", auroc=None),
        office(line, "source_only", **{"class": "pen"}),
    ]
    table = tables(results(lines), with_published=True)["table1b"]
    found = cells(table)
    place = "webcam->amazon"
    assert found[place, "mouse", "ours", "paper"] == "65.00"
    assert found[place, "mouse", "published", "paper"] == "92.97"
    assert found[place, "average", "ours", "paper"] == "72.50"
    assert found[place, "± over classes", "ours", "paper"] == "7.50"
    assert found[place, "± over runs", "ours", "paper"] == "2.50"
    assert found[place, "± over classes", "published", "paper"] == "8.48"
    assert found[place, "mouse", "ours", "gnl"] == "failed"
    assert found[place, "average", "ours", "gnl"] == "failed"
    assert found[place, "mouse", "published", "gnl"] == ""
    assert found[place, "mouse", "ours", "source_only"] == "–"  # noqa: RUF001
    assert found[place, "mouse", "ours", "msra"] == "–"  # noqa: RUF001
    assert found[place, "failed cells", "ours", "gnl"] == "1"
    assert found[place, "missing cells", "ours", "source_only"] == "3"
    order = [row[2] for row in table.rows if row[:2] == (place, "average")]
    assert order == ["ours", "published"]


def test_without_the_published_only_what_was_run(line: MakeLine, results: MakeResults) -> None:
    made = tables(results([office(line, "paper"), office(line, "gnl")]), with_published=False)
    assert list(made) == ["table1b", "table6", "table7"]
    table = made["table1b"]
    assert table.header == ("direction", "class", "result", "paper", "gnl")
    assert {row[0] for row in table.rows} == {"webcam->amazon"}
    assert [row[1] for row in table.rows][:2] == ["mouse", "average"]
    assert not any("published" in row for row in table.rows)


def test_which_configuration_and_setting_is_said(line: MakeLine, results: MakeResults) -> None:
    lines = [office(line, "paper", options={"n_clusters": 5}, run=run) for run in range(2)]
    lines.append(office(line, "paper", options={"n_clusters": 5}, anomaly_share=0.3))
    notes = " ".join(tables(results(lines), with_published=False)["table1b"].notes)
    assert "office31: protocol uda_inductive, 10% anomalies in the pool, pool size all." in notes
    assert "`paper [n_clusters=5]` (as `paper`)" in notes
    assert "encoder efficientnet_lite0 at 160 px, preset cpu, runs: 2" in notes
    assert "Versions: twofold 1.2.3." in notes


def test_table_3_takes_backbone_and_psi(line: MakeLine, results: MakeResults) -> None:
    visda = {"dataset": "visda2017", "direction": "cad->real", "class": "car"}
    lines = [
        line("source_only", encoder="resnet18", auroc=0.5, **visda),
        line("paper", options={"psi": "self"}, encoder="resnet18", auroc=0.6, **visda),
        line("paper", auroc=0.7, **visda),
    ]
    table = tables(results(lines), with_published=True)["table3"]
    ours = {row[1:5]: row[6] for row in table.rows if row[5] == "ours"}
    assert ours == {
        ("resnet18", "no", "no", "no"): Share(0.5),
        ("resnet18", "yes", "yes", "no"): Share(0.6),
        ("efficientnet_lite0", "yes", "yes", "frozen encoder"): Share(0.7),
    }
    assert sum(row[5] == "published" for row in table.rows) == 8


def test_clip_as_a_detector_is_told_from_our_encoder(line: MakeLine, results: MakeResults) -> None:
    visda = {"dataset": "visda2017", "direction": "cad->real", "class": "car"}
    clip = {"encoder": "clip_rn50", "configuration_id": "b" * 12}
    lines = [line("frozen_source", auroc=0.5, **visda)]
    lines.append(line("frozen_source", auroc=0.6, **clip, **visda))
    found = cells(tables(results(lines), with_published=True)["table4"])
    assert found["cad->real", "car", "ours", "frozen_source, clip_rn50"] == "60.00"
    assert found["cad->real", "car", "ours", "frozen_source (efficientnet_lite0)"] == "50.00"
    assert found["", "paradigm", "", "oracle"] == "supervised"


def test_distances_to_a_text_have_columns_of_their_own(
    line: MakeLine, results: MakeResults
) -> None:
    visda = {"dataset": "visda2017", "direction": "cad->real", "class": "car"}
    clip = {"encoder": "clip_rn50"} | visda
    photo, drawing = ({"text": f"a {kind} of a {{class}}"} for kind in ("photo", "drawing"))
    lines = [
        line("frozen_source", auroc=0.9, options=photo, **clip),
        line("frozen_source", auroc=0.8, options=drawing, **clip),
    ]
    title = 'frozen_source, clip_rn50, distance to the text "a {} of a {{class}}"'
    table = tables(results(lines), with_published=True)["table4"]
    found = cells(table)
    # The printed column, whose scoring is unknown, does not take them for its own.
    nothing = found["cad->real", "car", "ours", "oracle"]
    assert found["cad->real", "car", "ours", "frozen_source, clip_rn50"] == nothing
    assert found["cad->real", "car", "published", "frozen_source, clip_rn50"] == "67.84"
    assert found["cad->real", "car", "ours", title.format("photo")] == "90.00"
    assert found["cad->real", "car", "ours", title.format("drawing")] == "80.00"
    lines.append(line("frozen_source", auroc=0.6, **clip))
    table = tables(results(lines), with_published=True)["table4"]
    found = cells(table)
    assert found["cad->real", "car", "ours", "frozen_source, clip_rn50"] == "60.00"
    assert found["cad->real", "car", "ours", title.format("photo")] == "90.00"
    assert table.header[3] == "frozen_source, clip_rn50"
    assert set(table.header[4:6]) == {title.format(kind) for kind in ("photo", "drawing")}
    assert table.header[6] == "frozen_source, clip_vit_b32"
    assert sum("frozen_source" in name for name in table.header) == 4


def test_variants_on_other_datasets_follow_in_tables_6_and_7(
    line: MakeLine, results: MakeResults
) -> None:
    gmm = line(options={"selector": "gmm"}, auroc=0.6)
    made = tables(results([line(), line("paper_mmd", auroc=0.7), gmm]), with_published=False)
    assert cells(made["table6"])["photo->sketch", "average", "ours", "paper_mmd"] == "70.00"
    assert cells(made["table7"])["photo->sketch", "average", "ours", "paper, gmm"] == "60.00"
    assert cells(made["table5"])["photo->sketch", "average", "ours", "paper"] == "80.00"


def test_names_are_neither_formulas_nor_tags() -> None:
    rows = (("=1+1", Share(-0.25)), ("<img src=x>", Number(-12.0)), ("caf\udce9", Number(2.5)))
    table = Table("t", "Title", ("@class", "y"), rows)
    text = to_csv(table)
    assert text == "'@class,y\n'=1+1,-0.25\n<img src=x>,-12\ncaf\\udce9,2.5\n"
    page = to_markdown(table)
    assert "| &lt;img src=x> | -12.0 |" in page
    assert (text + page).encode()


def test_csv_holds_fractions_and_blanks() -> None:
    rows = (("a|b, c", Share(0.97484), None, "failed", ""),)
    table = Table("t", "Title", ("x", "y", "z", "u", "v"), rows)
    assert to_csv(table) == 'x,y,z,u,v\n"a|b, c",0.97484,,failed,\n'
    assert "| a\\|b, c | 97.48 | – | failed |  |" in to_markdown(table)  # noqa: RUF001
