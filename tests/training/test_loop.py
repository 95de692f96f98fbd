"""The optimisation loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import toy
from tests.training.cases import SPLITS, Line, descend, fitted, fitting
from torch import Tensor, nn

from twofold.encoders.encoded import EncodedImages, LazyRows
from twofold.encoders.encoder import load_encoder
from twofold.encoders.spec import Trainable
from twofold.errors import CollapseError
from twofold.method_table import METHODS
from twofold.methods import Method, parse_config
from twofold.paper.network import AdaptedNetwork
from twofold.training import (
    Step,
    TrainingConfig,
    forward_all,
    local_generator,
    make_sgd,
    optimise,
)

Array = NDArray[Any]


def parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("name", ["source_only", "paper", "oracle"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_loss_falls(name: str, seed: int) -> None:
    losses = fitting(name, seed).diagnostics.losses["training"]
    assert len(losses) == 20
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.parametrize("trainable", SPLITS)
def test_only_the_chosen_part_moves(trainable: Trainable) -> None:
    encoder = toy.encoder()
    before = parameters(encoder.network.native)
    model = fitted(training={"trainable": trainable, "epochs": 3})
    after = parameters(encoder.network.native)
    assert all(torch.equal(before[name], after[name]) for name in before)
    start = parameters(encoder.trainable_suffix(trainable))
    end = parameters(model.network_.suffix)
    assert start.keys() == end.keys()
    expected = {
        "head": set(),
        "last_stage": {"layer2", "pool"},
        "all": set(toy.build().backbone.segments),
    }
    assert {name.split(".")[1] for name in start} <= expected[trainable]
    for name, value in start.items():
        moved = not torch.equal(value, end[name])
        is_statistic = "running_" in name or "num_batches" in name
        assert moved != is_statistic, name
    if trainable == "head":
        weight = model.network_.head.weight
        assert not torch.equal(weight, torch.eye(toy.DIM))
        assert not start


def test_a_head_on_top_of_the_last_stage_starts_as_the_identity() -> None:
    slow = {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0, "head": "linear"}
    model = fitted(training=slow)
    torch.testing.assert_close(model.network_.head.weight, torch.eye(toy.DIM))
    assert model.network_.head.bias is None


def test_a_network_is_left_in_evaluation_mode_on_the_cpu() -> None:
    model = fitted(training={"epochs": 1})
    assert not any(module.training for module in model.network_.modules())
    assert all(p.device.type == "cpu" for p in model.network_.parameters())


def test_normalisation_layers_stay_in_evaluation_mode_while_training() -> None:
    suffix = toy.encoder().trainable_suffix("last_stage")
    modes = []

    def loss(module: nn.Module, step: Step) -> Tensor:
        del step
        modes.append([m.training for m in module.modules() if isinstance(m, nn.BatchNorm2d)])
        result: Tensor = module(torch.ones(2, 24, 8, 8)).square().sum()
        return result

    optimise(suffix, loss, TrainingConfig(epochs=2), steps_per_epoch=1)
    assert modes == [[False], [False]]


@pytest.mark.parametrize(
    ("policy", "network", "alignment"),
    [("frozen", False, True), ("joint", True, True), ("separate", True, True)],
)
def test_which_statistics_are_live(policy: str, network: bool, alignment: bool) -> None:
    """Those of a part that only training needs always: there are none to keep."""
    parts = {"network": nn.BatchNorm1d(3), "alignment": nn.Sequential(nn.BatchNorm1d(3))}
    module = nn.Module()
    for name, part in parts.items():
        module.add_module(name, nn.Sequential(part))
    module.forward = lambda x: module.alignment(module.network(x))  # type: ignore[operator]
    modes: dict[str, bool] = {}

    def loss(wrapped: nn.Module, step: Step) -> Tensor:
        del step
        for name in parts:
            modes[name] = all(
                m.training for m in module.get_submodule(name).modules() if _has_statistics(m)
            )
        result: Tensor = wrapped(torch.randn(4, 3, generator=local_generator(0))).square().sum()
        return result

    config = TrainingConfig.model_validate({"batch_norm": policy, "epochs": 1})
    optimise(module, loss, config, steps_per_epoch=1)
    assert modes == {"network": network, "alignment": alignment}
    assert not any(child.training for child in module.modules())


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm1d)


def test_global_randomness_is_left_alone() -> None:
    before = torch.get_rng_state()
    fitted("paper", 3, training={"epochs": 1, "head": "linear"})
    assert torch.equal(before, torch.get_rng_state())
    one, two = (torch.rand(3, generator=local_generator(5)) for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("limit", "epochs"), [(None, [4, 4, 4]), (1, [1]), (6, [4, 2]), (8, [4, 4]), (99, [4, 4, 4])]
)
def test_steps_and_epochs(limit: int | None, epochs: list[int]) -> None:
    seen: list[tuple[int, int]] = []
    steps: list[Step] = []
    values = iter(range(100))

    def loss(module: nn.Module, step: Step) -> Tensor:
        steps.append(step)
        result: Tensor = 0.0 * module(torch.ones(1, 1)).sum() + next(values)
        return result

    config = TrainingConfig(epochs=3, max_steps=limit)
    log = optimise(Line(), loss, config, steps_per_epoch=4, progress=lambda *at: seen.append(at))
    total = sum(epochs)
    assert log.steps == total
    assert seen == [(step, total) for step in range(1, total + 1)]
    starts = np.cumsum([0, *epochs[:-1]])
    assert [step.index for step in steps] == list(range(total))
    assert [step.index for step in steps if step.starts_epoch] == list(starts)
    assert [step.progress for step in steps] == [index / total for index in range(total)]
    expected = [np.arange(s, s + n).mean() for s, n in zip(starts, epochs, strict=True)]
    assert log.losses == pytest.approx(expected)


@pytest.mark.parametrize(
    ("epochs", "at_least", "at_most", "steps"),
    [(3, 0, None, 12), (3, 10, None, 12), (3, 30, None, 30), (3, 30, 20, 20), (3, 8, 9, 9)],
)
def test_a_small_source_gets_more_epochs(
    epochs: int, at_least: int, at_most: int | None, steps: int
) -> None:
    def loss(module: nn.Module, step: Step) -> Tensor:
        result: Tensor = 0.0 * module(torch.ones(1, 1)).sum() + float(step.index)
        return result

    config = TrainingConfig(epochs=epochs, min_steps=at_least, max_steps=at_most)
    log = optimise(Line(), loss, config, steps_per_epoch=4)
    assert log.steps == steps
    assert len(log.losses) == -(-steps // 4)


def test_the_head_learns_faster() -> None:
    line = Line()
    descend(line, learning_rate=0.01, head_learning_rate_factor=7.0)
    assert line.body.weight.item() == pytest.approx(1 - 0.01 / np.sqrt(2))
    assert line.head.weight.item() == pytest.approx(1 - 0.07 / np.sqrt(2))


def test_a_pretrained_segment_called_head_is_no_new_part() -> None:
    """EfficientNet-Lite calls its last convolution so."""
    encoder = load_encoder("efficientnet_lite0", "random").at_size(32)
    network = AdaptedNetwork(encoder, TrainingConfig(head="projection"), "euclidean")
    assert any(name.startswith("suffix.segments.head") for name, _ in network.named_parameters())
    optimiser = make_sgd(network, TrainingConfig())
    rates = {
        id(parameter): group["lr"]
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    for name, parameter in network.named_parameters():
        assert rates[id(parameter)] == (0.01 if name.startswith("head.") else 0.001)


def test_gradients_are_clipped_by_their_common_norm() -> None:
    for scale in (1e6, 10.0, 1.0):
        line = Line()
        descend(line, scale, learning_rate=0.1, head_learning_rate_factor=1.0, gradient_clip=0.5)
        moves = [1 - line.body.weight.item(), 1 - line.head.weight.item()]
        assert np.linalg.norm(moves) == pytest.approx(0.1 * 0.5, rel=1e-3)
    line = Line()
    descend(line, 0.1, learning_rate=0.1, head_learning_rate_factor=1.0)
    assert line.body.weight.item() == pytest.approx(1 - 0.01)


def test_weight_decay_and_momentum() -> None:
    line = Line()
    descend(line, 0.0, learning_rate=0.1, weight_decay=0.5, head_learning_rate_factor=1.0)
    assert line.body.weight.item() == pytest.approx(1 - 0.1 * 0.5)
    # Nesterov: the first step moves by (1 + momentum) times the gradient.
    line = Line()
    descend(line, 0.1, learning_rate=0.1, momentum=0.9, head_learning_rate_factor=1.0)
    assert line.body.weight.item() == pytest.approx(1 - 0.1 * 0.1 * 1.9)


def test_another_optimiser() -> None:
    """Adam's first step moves every weight by its learning rate, whatever the gradient's length."""
    line, config = Line(), TrainingConfig(epochs=1, learning_rate=5.0)
    optimise(
        line,
        lambda m, _: 0.1 * m(torch.ones(1, 1)).sum(),
        config,
        steps_per_epoch=1,
        make_optimiser=lambda m: torch.optim.Adam(m.parameters(), lr=0.02),
    )
    assert line.body.weight.item() == pytest.approx(0.98)
    assert line.head.weight.item() == pytest.approx(0.98)


def test_a_schedule_multiplies_each_groups_own_rate() -> None:
    weights = []

    def loss(module: nn.Module, step: Step) -> Tensor:
        del step
        weights.append([parameter.item() for parameter in module.parameters()])
        result: Tensor = 0.1 * module(torch.ones(1, 1)).sum()
        return result

    plain = TrainingConfig(
        epochs=3, momentum=0, weight_decay=0, learning_rate=0.1, head_learning_rate_factor=2
    )
    line = Line()
    optimise(line, loss, plain, steps_per_epoch=1, rate=lambda step: 1 - step.progress)
    weights.append([line.body.weight.item(), line.head.weight.item()])
    moved = -np.diff(np.array(weights), axis=0)
    factors = np.array([1, 2 / 3, 1 / 3])
    np.testing.assert_allclose(moved[:, 0], 0.1 * 0.1 * factors, rtol=1e-4)
    np.testing.assert_allclose(moved[:, 1], 0.1 * 0.2 * factors, rtol=1e-4)


def test_a_schedule_that_stays_at_one_changes_no_bit() -> None:
    lines = [Line(), Line()]
    rates: list[Callable[[Step], float] | None] = [None, lambda step: 1.0]
    for line, rate in zip(lines, rates, strict=True):
        optimise(
            line,
            lambda m, _: m(torch.ones(1, 1)).square().sum(),
            TrainingConfig(epochs=4),
            steps_per_epoch=1,
            rate=rate,
        )
    assert torch.equal(lines[0].body.weight, lines[1].body.weight)
    assert torch.equal(lines[0].head.weight, lines[1].head.weight)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite(value: float) -> None:
    with pytest.raises(CollapseError, match=r"became (nan|inf) at step 1: lower learning_rate"):
        descend(Line(), value)


def test_a_gradient_that_is_not_finite_shows_in_the_next_loss() -> None:
    def loss(module: nn.Module, step: Step) -> Tensor:
        del step
        values: Tensor = module(torch.ones(1, 1))
        return (values - values).sqrt().sum()  # 0, with a slope of infinity

    with pytest.raises(CollapseError, match="became nan at step 2: lower learning_rate"):
        optimise(Line(), loss, TrainingConfig(epochs=2), steps_per_epoch=1)


def test_a_far_too_large_learning_rate_is_named() -> None:
    with pytest.raises(CollapseError):
        fitted(training={"learning_rate": 1e30, "gradient_clip": 1e30})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["paper", "paper_grl"])
def test_inputs_made_on_demand_train_like_those_in_memory(name: str) -> None:
    """A whole network, from files that are read again each epoch."""
    images = toy.make_world(n_source=12, n_pool=20, n_test=6)
    lazy = toy.encode_world(images, ("pooled", "split:all"))
    assert isinstance(lazy.source["split:all"], LazyRows)

    def in_memory(part: EncodedImages) -> EncodedImages:
        return replace(part, arrays={name: array[:] for name, array in part.arrays.items()})

    encoded = replace(lazy, source=in_memory(lazy.source), pool=in_memory(lazy.pool))
    options: dict[str, Any] = {
        "trainable": "all",
        "epochs": 2,
        "min_steps": 0,
        "batch_source": 6,
    }
    method: type[Method] = METHODS.load(name)
    results = []
    for world in (encoded, lazy):
        data = toy.fit_data(method, world)
        fit = method(toy.encoder(), parse_config(method, {"training": options})).fit(data)
        results.append((fit.model.score(encoded.test), fit.out_of_sample.scores))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4)


def test_a_failing_pass_leaves_gradients_on() -> None:
    with pytest.raises(RuntimeError) as caught:
        forward_all(nn.Linear(3, 2), np.zeros((5, 4), dtype=np.float32))
    assert caught.value.__traceback__ is not None
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
