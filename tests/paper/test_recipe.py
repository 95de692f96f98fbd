"""How the choices that the paper leaves open are settled, and what may be set beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support import toy

from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config

TRAINED = (
    "paper",
    "paper_mmd",
    "paper_grl",
    "paper_few_shot",
    "align_all",
    "source_only",
    "oracle",
)


def options(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return parse_config(METHODS.load(name), given).model_dump()


@pytest.mark.parametrize("name", TRAINED)
def test_as_printed_is_what_a_method_has_by_itself(name: str) -> None:
    found = options(name, {})
    assert found == options(name, {"recipe": "as_printed"})
    assert found["geometry"] == "euclidean"
    assert (found["training"]["trainable"], found["training"]["min_steps"]) == ("last_stage", 0)
    assert found["debias"] == 0.0


@pytest.mark.parametrize("name", TRAINED)
def test_all_variants_share_geometry_weight_and_training(name: str) -> None:
    """A difference between two of them is what their names say."""
    found, paper = (options(each, {"recipe": "reasoned"}) for each in (name, "paper"))
    for option in ("geometry", "lambda_ad", "ad_scale", "lambda_uda", "training"):
        assert found[option] == paper[option], option
    assert (found["geometry"], found["lambda_uda"]) == ("sphere", 1.0)
    assert found["training"]["trainable"] == "head"
    assert found.get("selector", "trimmed") == "trimmed"
    assert found["debias"] == (0.0 if name == "oracle" else 0.5)


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_given_counts_more_than_the_recipe(name: str) -> None:
    given: dict[str, Any] = {"recipe": "reasoned", "geometry": "euclidean", "lambda_uda": 0.7}
    found = options(name, given | {"training": {"trainable": "last_stage", "max_steps": 3}})
    assert (found["geometry"], found["lambda_uda"]) == ("euclidean", 0.7)
    training = found["training"]
    shown = training["trainable"], training["max_steps"], training["min_steps"]
    assert shown == ("last_stage", 3, 200)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("recipe", ["reasoned", "as_printed"])
def test_options_that_were_written_down_are_read_as_they_were(name: str, recipe: str) -> None:
    found = options(name, {"recipe": recipe})
    assert options(name, found) == found


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(ConfigError, match=r"option recipe: .*'as_printed' or 'reasoned'"):
        options("paper", {"recipe": "tuned"})


def test_the_reasoned_recipe_adapts_where_scarcity_holds() -> None:
    adapted: list[float] = []
    before: list[float] = []
    for seed in range(3):
        world = toy.clouds(seed)
        for name, areas in (("paper", adapted), ("source_only", before)):
            areas.append(toy.area(toy.fit(name, world, seed, recipe="reasoned"), world))
    assert np.mean(adapted) > np.mean(before) + 0.05, (adapted, before)
