"""Training: collapse, forward passes, the weight of compactness, configuration."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.support import toy
from tests.training.cases import SPLITS, Line, descend, fitted, fitting, world
from torch import nn

from twofold.encoders.spec import Trainable
from twofold.errors import CollapseError, ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.paper import adaptation
from twofold.training import (
    TrainingConfig,
    as_batch,
    check_collapse,
    forward_all,
)


@pytest.mark.parametrize("trainable", SPLITS)
def test_a_forced_collapse_is_found(trainable: Trainable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A centre at zero and a huge weight decay: all weights vanish, and the features with them."""
    monkeypatch.setattr(adaptation, "one_class_center", lambda rows: torch.zeros(rows.shape[1]))
    forced = {
        "trainable": trainable,
        "weight_decay": 25.0,
        "learning_rate": 0.01,
        "momentum": 0.0,
        "head_learning_rate_factor": 1.0,
        "epochs": 8,
        "batch_source": 8,
    }
    with pytest.raises(CollapseError, match="training collapsed"):
        fitted(training=forced)


@pytest.mark.parametrize("name", ["source_only", "paper", "oracle"])
@pytest.mark.parametrize("trainable", SPLITS)
def test_no_false_alarm(name: str, trainable: Trainable) -> None:
    fitted(name, training={"trainable": trainable, "epochs": 6})


def test_check_collapse() -> None:
    before = np.random.default_rng(0).normal(size=(50, 4))
    check_collapse(before, before)
    check_collapse(before, before * 0.011)
    with pytest.raises(CollapseError, match="collapsed"):
        check_collapse(before, before * 0.009)
    with pytest.raises(CollapseError, match="collapsed"):
        check_collapse(before, np.ones_like(before))
    for bad in (np.nan, np.inf):
        after = before.copy()
        after[3, 1] = bad
        with pytest.raises(CollapseError, match="not finite"):
            check_collapse(before, after)


@pytest.mark.parametrize("trainable", SPLITS)
def test_a_row_alone_gives_the_same_bits(trainable: Trainable) -> None:
    name = "pooled" if trainable == "head" else f"split:{trainable}"
    network = fitted(training={"trainable": trainable, "epochs": 1, "head": "linear"}).network_
    rows = world().source[name]
    whole = forward_all(network, rows)
    assert whole.dtype == np.float64
    assert whole.shape == (70, toy.DIM)
    for size in (1, 2, 63, 64, 65):
        assert np.array_equal(forward_all(network, rows[:size]), whole[:size])
    assert all(
        np.array_equal(forward_all(network, rows[i : i + 1])[0], whole[i]) for i in range(70)
    )


def test_untrained_features_are_those_of_the_encoder() -> None:
    suffix = toy.encoder().trainable_suffix("last_stage").eval()
    features = forward_all(suffix, world().test["split:last_stage"])
    np.testing.assert_allclose(features, world().test["pooled"], atol=1e-5)


def test_no_rows() -> None:
    assert len(forward_all(nn.Identity(), np.empty((0, 3), np.float32))) == 0


def test_maps_are_channels_last() -> None:
    values = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)
    batch = as_batch(values)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(batch.numpy(), values)
    assert as_batch(values[:, 0, 0]).shape == (1, 4)


def test_ad_scale() -> None:
    before = np.random.default_rng(0).normal(size=(30, toy.DIM)) * np.arange(1, toy.DIM + 1)
    spread = ((before - before.mean(axis=0)) ** 2).sum(axis=1).mean()
    expected = {"none": 3.0, "dimension": 3.0 / toy.DIM, "initial": 3.0 / spread}
    method = METHODS.load("source_only")
    for scale, weight in expected.items():
        config = parse_config(method, {"ad_scale": scale, "lambda_ad": 3.0})
        model: Any = method(toy.encoder(), config)
        assert model._lambda_ad(before) == pytest.approx(weight)
    with pytest.raises(CollapseError, match="same features"):
        model._lambda_ad(np.ones((4, toy.DIM)))


def test_initial_scale_starts_source_only_training_at_its_weight() -> None:
    """Divided by its value before training, eq. 5 starts at lambda_ad."""
    fit = fitting(training={"epochs": 1, "max_steps": 1, "batch_source": 40})
    assert fit.diagnostics.losses["training"][0] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"epochs": 0}, {"momentum": 1.0}, {"learning_rate": 0}, {"trainable": "tail"}, {"speed": 1}],
)
def test_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig(**options)
    with pytest.raises(ConfigError, match=f"training.{next(iter(options))}"):
        parse_config(METHODS.load("paper"), {"training": options})


def test_what_a_head_needs() -> None:
    assert TrainingConfig(trainable="head").has_head
    assert TrainingConfig(head="linear").has_head
    assert TrainingConfig(head="projection").has_head
    assert not TrainingConfig().has_head


def test_an_outside_copy_is_not_trained() -> None:
    line = Line()
    other = copy.deepcopy(line)
    descend(line, learning_rate=0.1)
    assert other.body.weight.item() == 1.0
