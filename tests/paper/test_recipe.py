"""How the choices that the paper leaves open are settled, and what may be set beside them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support import toy
from tests.support.each_method import TRAINED

from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.selection import SELECTORS


def options(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return parse_config(METHODS.load(name), given).model_dump()


@pytest.mark.parametrize("name", TRAINED)
def test_as_printed_has_the_geometry_weight_and_training_of_the_letter(name: str) -> None:
    found = options(name, {"recipe": "as_printed"})
    assert found["geometry"] == "euclidean"
    assert found["lambda_uda"] == (1.0 if name in ("paper_mmd", "paper_grl") else 0.1)
    assert (found["training"]["trainable"], found["training"]["min_steps"]) == ("last_stage", 0)
    if "selector" in found:
        assert (found["selector"], found["n_clusters"]) == ("kmeans", 2)
    assert (found["debias"], found["batch_others"]) == (0.0, 32 if name == "paper_few_shot" else 16)


@pytest.mark.parametrize("name", TRAINED)
def test_all_variants_share_geometry_weight_and_training(name: str) -> None:
    found, paper = options(name, {}), options("paper", {})
    for option in ("recipe", "geometry", "lambda_ad", "ad_scale", "lambda_uda", "training"):
        assert found[option] == paper[option], option
    assert (found["recipe"], found["geometry"]) == ("reasoned", "sphere")


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_given_counts_more_than_the_recipe(name: str) -> None:
    given: dict[str, Any] = {"recipe": "as_printed", "geometry": "sphere", "lambda_uda": 0.7}
    found = options(name, given | {"training": {"trainable": "head", "max_steps": 3}})
    assert (found["geometry"], found["lambda_uda"]) == ("sphere", 0.7)
    training = found["training"]
    assert (training["trainable"], training["max_steps"], training["min_steps"]) == ("head", 3, 0)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("recipe", ["reasoned", "as_printed"])
def test_options_that_were_written_down_are_read_as_they_were(name: str, recipe: str) -> None:
    found = options(name, {"recipe": recipe})
    assert options(name, found) == found


def test_options_of_an_older_model_stay_what_they_were() -> None:
    """Before there was a choice, a model had everything but the name of its recipe."""
    older = options("paper", {"recipe": "as_printed"})
    del older["recipe"], older["training"]["min_steps"]
    found = options("paper", older | {"training": older["training"] | {"min_steps": 0}})
    assert {k: v for k, v in found.items() if k != "recipe"} == {
        **older,
        "training": older["training"] | {"min_steps": 0},
    }


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(ConfigError, match=r"option recipe: .*'reasoned' or 'as_printed'"):
        options("paper", {"recipe": "tuned"})


@pytest.mark.parametrize("name", ["paper", "source_only", "oracle"])
def test_both_recipes_fit_and_rank(name: str) -> None:
    world = toy.clouds()
    quick: dict[str, Any] = {"training": {"trainable": "head", "epochs": 3, "min_steps": 0}}
    found = [
        toy.fit(name, world, recipe=recipe, **quick).score(world.test)
        for recipe in ("reasoned", "as_printed")
    ]
    assert (found[0] != found[1]).any()


def test_the_default_selection_is_one_that_the_registry_has() -> None:
    assert options("paper", {})["selector"] in SELECTORS
