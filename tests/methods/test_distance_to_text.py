"""`frozen_source` by the distance to a text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from tests.support import toy
from tests.support.texts import encode, toy_with_text, vector_of

from twofold import Detector
from twofold.encoders import text as texts
from twofold.encoders.spec import TextTower
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import Method, parse_config

FROZEN = METHODS.load("frozen_source")
TEXT = "a photo of a disc"


def method(**options: Any) -> Method:
    return FROZEN(toy_with_text(), parse_config(FROZEN, options))


@pytest.mark.parametrize("scoring", ["center", "cosine", "knn"])
def test_the_score_is_one_minus_the_cosine(scoring: str) -> None:
    world = toy.encoded_world()
    fit = method(text=TEXT, scoring=scoring).fit(toy.fit_data(FROZEN, world))
    toward = vector_of(TEXT)[None]
    for images, scores in (
        (world.test, fit.model.score(world.test)),
        (world.source, fit.out_of_sample.scores),
    ):
        expected = cdist(images["pooled"], toward, "cosine")[:, 0]
        np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert fit.out_of_sample.origin == "source"


def test_the_source_does_not_move_the_scores() -> None:
    world = toy.encoded_world()
    data = toy.fit_data(FROZEN, world)
    fewer = replace(data, source=data.source.subset(np.arange(5)))
    whole, part = (method(text=TEXT).fit(given).model.score(world.test) for given in (data, fewer))
    assert np.array_equal(whole, part)
    other = method(text="another").fit(data).model.score(world.test)
    assert not np.array_equal(whole, other)


def test_a_restored_model_needs_no_text_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    world = toy.encoded_world()
    model = method(text=TEXT).fit(toy.fit_data(FROZEN, world)).model
    state = model.state()
    assert set(state) == {"text"}
    assert state["text"].shape == (1, toy.DIM)
    monkeypatch.setattr(texts, "_loaded", None)
    restored = method(text=TEXT).restore(state)
    assert np.array_equal(restored.score(world.test), model.score(world.test))
    for bad in (
        {"text": state["text"][:, :-1]},
        {"text": np.repeat(state["text"], 2, axis=0)},
        {"normals": state["text"]},
    ):
        with pytest.raises(ConfigError, match="do not fit method frozen_source"):
            method(text=TEXT).restore(bad)
    with pytest.raises(ConfigError, match="do not fit method frozen_source"):
        method().restore(state)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the threshold rests on source images:UserWarning")
def test_a_saved_detector_needs_no_text_tower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "SPEC", toy_with_text().spec)
    world = toy.make_world(n_source=30, n_test=10)
    with toy.registered():
        detector = Detector(
            method="frozen_source", encoder="toy", weights="random", options={"text": TEXT}
        ).fit(source=world.source)
        scores = detector.decision_function(world.test)
        detector.save(tmp_path / "model")

        def build() -> torch.nn.Module:
            raise AssertionError("the text tower was asked for")

        without = TextTower(build, encode, ())
        monkeypatch.setattr(toy, "SPEC", replace(toy.SPEC, text=without))
        texts._encoded.cache_clear()
        loaded = Detector.load(tmp_path / "model", weights="random")
        assert np.array_equal(loaded.decision_function(world.test), scores)


def test_a_class_is_filled_in_by_benchmarks_alone() -> None:
    config = parse_config(FROZEN, {"text": "a photo of a {class}"})
    assert config.reads_text()
    filled = config.for_class("desk_lamp")
    assert filled.model_dump()["text"] == "a photo of a desk lamp"
    assert config.model_dump()["text"] == "a photo of a {class}"
    FROZEN(toy_with_text(), filled)
    with pytest.raises(ConfigError) as caught:
        FROZEN(toy_with_text(), config)
    said = str(caught.value)
    assert "\n" not in said
    assert "still holds {class}: write the class's name" in said
    bare = parse_config(FROZEN, {})
    assert bare.for_class("dog") is bare
    assert not bare.reads_text()


def test_an_encoder_without_a_text_tower_is_refused_before_any_image() -> None:
    with pytest.raises(ConfigError, match=r"encoder toy has no text tower.*clip_rn50, clip_vit"):
        FROZEN(toy.encoder(), parse_config(FROZEN, {"text": TEXT}))


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="frozen_source, option text: an empty text"):
        parse_config(FROZEN, {"text": text})
