"""Cells, variants and their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.trees import make_tree

from twofold.benchmark.datasets import DATASETS, Dataset
from twofold.benchmark.plan import (
    Plan,
    configuration_id,
    make_variants,
    pick_classes,
    pick_directions,
)
from twofold.benchmark.presets import PRESETS, Preset, load_preset
from twofold.errors import ConfigError
from twofold.method_table import METHODS

PLAIN = Preset("plain", "nothing set", "efficientnet_lite0", None, 1)


@pytest.fixture
def pacs(tmp_path: Path) -> Dataset:
    return DATASETS.load("pacs")(make_tree(tmp_path / "pacs", "pacs", per_class=1, size=8))


def plan(dataset: Dataset, **changes: Any) -> Plan:
    given: dict[str, Any] = {
        "dataset": dataset,
        "preset": PLAIN,
        "variants": make_variants(["auto", "paper"], PLAIN, {}, {}),
        "directions": dataset.directions,
        "classes": dataset.classes,
        "runs": 2,
        "protocol": dataset.protocol,
    }
    return Plan(**(given | changes))


def test_the_cells_are_the_product_and_whole_runs_come_first(pacs: Dataset) -> None:
    whole = plan(pacs, anomaly_shares=(0.1, 0.2), pool_sizes=(None, 20))
    cells = list(whole.cells())
    assert len(cells) == len(whole) == 2 * 2 * 2 * 3 * 7 * 2
    assert len(set(map(repr, cells))) == len(cells)
    assert [cell.run for cell in cells] == sorted(cell.run for cell in cells)
    assert {cell.direction for cell in cells} == set(pacs.directions)
    assert {(cell.anomaly_share, cell.pool_size) for cell in cells} == {
        (share, size) for share in (0.1, 0.2) for size in (None, 20)
    }


@pytest.mark.parametrize("protocol", ["no_such", "given"])
def test_a_protocol_that_does_not_apply(pacs: Dataset, protocol: str) -> None:
    with pytest.raises(ConfigError, match=protocol):
        plan(pacs, protocol=protocol)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_method_takes_every_preset(preset: str) -> None:
    chosen = load_preset(preset)
    variants = make_variants(METHODS.ids(), chosen, {}, {})
    assert [variant.label for variant in variants] == list(METHODS.ids())
    trained = [v for v in variants if "training" in v.method.Config.model_fields]
    for variant in trained:
        training = variant.config.model_dump()["training"]
        for name, value in chosen.options["training"].items():
            assert training[name] == value
    for name in chosen.options:
        assert any(name in variant.method.Config.model_fields for variant in variants), name


def test_options_come_after_the_preset_and_only_where_they_exist() -> None:
    (auto, paper, mmd) = make_variants(
        ["auto", "paper", "paper_mmd"],
        load_preset("cpu"),
        {"n_clusters": 5, "training": {"max_steps": 7}},
        {},
    )
    assert auto.label == "auto"
    assert paper.label == "paper [n_clusters=5, training.max_steps=7]"
    dumped = paper.config.model_dump()
    assert (dumped["n_clusters"], dumped["training"]["max_steps"]) == (5, 7)
    assert dumped["training"]["trainable"] == "head"
    assert mmd.config.model_dump()["alignment"] == "mmd"


def test_a_grid_is_a_product_without_repeats() -> None:
    grid: dict[str, list[Any]] = {"n_clusters": [2, 5], "psi": ["self", "frozen"]}
    variants = make_variants(["frozen_source", "paper"], PLAIN, {}, grid)
    assert [variant.label for variant in variants] == [
        "frozen_source",
        "paper [n_clusters=2, psi=self]",
        "paper [n_clusters=2, psi=frozen]",
        "paper [n_clusters=5, psi=self]",
        "paper [n_clusters=5, psi=frozen]",
    ]


@pytest.mark.parametrize(
    ("options", "grid", "message"),
    [
        ({"nothing": 1}, {}, "'nothing'"),
        ({"training": {"nothing": 1}}, {}, r"'training\.nothing'"),
        ({}, {"nothing": [1]}, "'nothing'"),
        ({"n_clusters": 0}, {}, "n_clusters"),
        ({}, {"psi": ["nobody"]}, "psi"),
    ],
)
def test_options_nobody_has_and_bad_values(
    options: dict[str, Any], grid: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make_variants(["auto", "paper"], PLAIN, options, grid)
    assert len(str(caught.value).splitlines()) == 1


def test_names_of_directions_and_classes(pacs: Dataset) -> None:
    assert pick_directions(pacs, []) == pacs.directions
    both = pick_directions(pacs, ["photo->sketch", "photo:art", "photo:sketch"])
    assert both == (("photo", "sketch"), ("photo", "art_painting"))
    assert pick_directions(pacs, ["photo:photo"]) == (("photo", "photo"),)
    assert pick_classes(pacs, []) == pacs.classes
    assert pick_classes(pacs, ["dog", "dog"]) == ("dog",)
    for bad in ("sketch", "sketch->photo", "a:b:c", ""):
        with pytest.raises(ConfigError, match="photo->sketch"):
            pick_directions(pacs, [bad])
    with pytest.raises(ConfigError, match="giraffe"):
        pick_classes(pacs, ["cat"])


def test_an_unknown_preset_names_the_known() -> None:
    with pytest.raises(ConfigError, match="smoke, cpu, as_printed, thorough, gpu"):
        load_preset("night")


def test_the_first_name_of_a_preset_is_known() -> None:
    assert load_preset("paper") is load_preset("gpu")


def test_the_letter_trains_what_it_always_trained() -> None:
    (paper,) = make_variants(["paper"], load_preset("as_printed"), {}, {})
    dumped = paper.config.model_dump()
    assert (dumped["recipe"], dumped["geometry"]) == ("as_printed", "euclidean")
    assert (dumped["training"]["trainable"], dumped["training"]["max_steps"]) == ("last_stage", 80)


def test_a_configuration_is_named_by_all_of_it() -> None:
    one = configuration_id({"a": 1, "b": {"c": 2}})
    assert one == configuration_id({"b": {"c": 2}, "a": 1})
    assert len(one) == 12
    assert one != configuration_id({"a": 1, "b": {"c": 3}})
