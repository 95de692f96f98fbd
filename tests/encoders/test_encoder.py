"""Loading encoders and what identifies them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.spec import Preprocessing, Trainable
from twofold.errors import ConfigError, WeightsError

MakeTiny = Callable[..., Encoder]


def numpy_state() -> str:
    return repr(np.random.get_state(legacy=True))  # noqa: NPY002


def test_an_unknown_id_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"encoder 'vgg16'.*efficientnet_lite0.*clip_vit_b32"):
        load_encoder("vgg16")


def test_the_default_is_lite0_and_loads_twice_the_same(lite0: Encoder) -> None:
    again = load_encoder()
    assert again.spec.id == "efficientnet_lite0"
    assert again.weights_sha256 == lite0.weights_sha256
    assert again.fingerprint == lite0.fingerprint
    assert load_encoder(expected_sha256=lite0.weights_sha256).fingerprint == lite0.fingerprint


def test_random_weights_are_always_the_same() -> None:
    torch.manual_seed(123)
    first = load_encoder("resnet18", "random")
    torch.manual_seed(456)
    assert load_encoder("resnet18", "random").weights_sha256 == first.weights_sha256


@pytest.mark.parametrize("weights", ["random", None])
def test_the_global_random_states_are_left_alone(weights: str | None) -> None:
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), numpy_state()
    load_encoder("efficientnet_lite0", weights)
    assert torch.equal(torch.get_rng_state(), before)
    assert numpy_state() == numpy_before


def test_other_weights_than_expected_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"resnet18.*aaaaaaaaaaaa.*--weights"):
        load_encoder("resnet18", "random", expected_sha256="a" * 64)


def test_its_state_loads_back(lite0: Encoder) -> None:
    again = load_encoder("efficientnet_lite0", lite0.state())
    assert again.weights_sha256 == lite0.weights_sha256


def test_given_tensors_that_do_not_fit_are_refused(lite0: Encoder) -> None:
    state = lite0.state()
    del state["conv_stem.weight"]
    with pytest.raises(WeightsError, match="efficientnet_lite0"):
        load_encoder("efficientnet_lite0", state)
    with pytest.raises(WeightsError, match="resnet18"):
        load_encoder("resnet18", lite0.state())
    state = lite0.state() | {"conv_stem.weight": torch.zeros(3)}
    with pytest.raises(WeightsError, match="efficientnet_lite0"):
        load_encoder("efficientnet_lite0", state)


def test_the_fingerprint_covers_weights_and_preprocessing(make_tiny: MakeTiny) -> None:
    plain = make_tiny()
    assert plain.fingerprint == make_tiny().fingerprint
    one_bit = copy.deepcopy(plain.network)
    with torch.no_grad():
        next(iter(one_bit.native.parameters())).view(-1)[0] += 1e-6
    variants = [
        make_tiny(seed=1),
        make_tiny(preprocessing=dataclasses.replace(plain.spec.preprocessing, size=33)),
        make_tiny(preprocessing=Preprocessing(32, (120.0, 110.0, 101.0), (60.0, 50.0, 40.0))),
        dataclasses.replace(plain, spec=dataclasses.replace(plain.spec, id="small")),
        dataclasses.replace(plain, spec=dataclasses.replace(plain.spec, architecture="other")),
    ]
    assert len({plain.fingerprint, *(variant.fingerprint for variant in variants)}) == 6


@pytest.mark.parametrize("trainable", ["all", "last_stage"])
def test_a_trainable_part_is_a_copy_that_takes_gradients(
    make_tiny: MakeTiny, trainable: Trainable
) -> None:
    encoder = make_tiny()
    before = {name: tensor.clone() for name, tensor in encoder.state().items()}
    suffix = encoder.trainable_suffix(trainable)
    suffix.train()
    shape = {"all": (4, 3, 32, 32), "last_stage": (4, 12, 4, 4)}[trainable]
    torch.autograd.backward(suffix(torch.randn(shape)).square().sum())
    assert list(suffix.parameters())
    with torch.no_grad():
        for parameter in suffix.parameters():
            assert parameter.grad is not None
            parameter.sub_(parameter.grad)
    for name, tensor in encoder.state().items():
        assert torch.equal(tensor, before[name]), name
    assert not any(parameter.requires_grad for parameter in encoder.network.native.parameters())
    assert not any(module.training for module in encoder.network.backbone.modules())


def test_nothing_of_the_network_trains_under_a_new_head(make_tiny: MakeTiny) -> None:
    suffix = make_tiny().trainable_suffix("head")
    assert list(suffix.parameters()) == []
    assert torch.equal(suffix(torch.ones(2, 16)), torch.ones(2, 16))
