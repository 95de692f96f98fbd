"""What every registered encoder must do: a new one is tested by its registry line."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from twofold.defaults import DEFAULT_ENCODER
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.outputs import BATCH, output_names
from twofold.encoders.registry import ENCODERS
from twofold.encoders.spec import PackagedWeights
from twofold.encoders.weights import weights_available

Arrays = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module", params=ENCODERS.ids())
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return load_encoder(request.param, "random")


@pytest.fixture(scope="module")
def arrays(encoder: Encoder, random_batch: Callable[..., NDArray[np.uint8]]) -> Arrays:
    names = output_names(encoder)
    engine = make_engine(encoder, names, "torch")
    batch = random_batch(encoder.spec.preprocessing.size)
    return dict(zip(names, engine(batch), strict=True))


def test_the_default_needs_no_network() -> None:
    assert isinstance(ENCODERS.load(DEFAULT_ENCODER).weights, PackagedWeights)


def test_its_id_is_its_name_in_the_table() -> None:
    assert [ENCODERS.load(name).id for name in ENCODERS.ids()] == list(ENCODERS.ids())


def test_its_weights_are_available_only_if_packaged() -> None:
    for name in ENCODERS.ids():
        spec = ENCODERS.load(name)
        assert weights_available(spec) == isinstance(spec.weights, PackagedWeights)


@pytest.mark.slow
def test_its_spec_states_the_real_sizes(encoder: Encoder, arrays: Arrays) -> None:
    spec = encoder.spec
    assert arrays["pooled"].shape == (BATCH, spec.feature_dim)
    strides = {int(name.removeprefix("stride")) for name in arrays if name.startswith("stride")}
    assert strides == set(spec.map_channels)
    for stride, channels in spec.map_channels.items():
        side = math.ceil(spec.preprocessing.size / stride)
        assert arrays[f"stride{stride}"].shape == (BATCH, channels, side, side)
    assert spec.summary
    assert spec.licence


@pytest.mark.slow
def test_its_outputs_are_finite_single_precision_and_differ_between_images(
    arrays: Arrays,
) -> None:
    for name, array in arrays.items():
        assert array.dtype == np.float32, name
        assert np.isfinite(array).all(), name
        assert np.abs(array[0] - array[1]).max() > 0, name


@pytest.mark.slow
def test_the_parts_behind_the_splits_give_the_pooled_vector(
    encoder: Encoder, arrays: Arrays
) -> None:
    assert np.array_equal(arrays["split:head"], arrays["pooled"])
    for trainable in ("all", "last_stage", "head"):
        activations = torch.from_numpy(arrays[f"split:{trainable}"])
        suffix = encoder.network.backbone.suffix(trainable)
        with torch.inference_mode():
            pooled = suffix(activations).numpy()
        scale = np.abs(arrays["pooled"]).max()
        np.testing.assert_allclose(pooled, arrays["pooled"], atol=1e-4 * scale, err_msg=trainable)


@pytest.mark.slow
def test_its_native_module_and_its_chain_share_all_parameters(encoder: Encoder) -> None:
    native = {id(tensor) for tensor in encoder.network.native.parameters()}
    chain = {id(tensor) for tensor in encoder.network.backbone.parameters()}
    assert native == chain


def test_its_specification_names_the_stage_maps_there_are(encoder: Encoder) -> None:
    assert encoder.spec.map_channels.keys() == encoder.network.backbone.taps.keys()


def test_it_is_frozen(encoder: Encoder) -> None:
    for module in (encoder.network.native, encoder.network.backbone):
        assert not any(child.training for child in module.modules())
        assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.slow
def test_openvino_agrees_with_torch(
    encoder: Encoder, arrays: Arrays, random_batch: Callable[..., NDArray[np.uint8]]
) -> None:
    engine = make_engine(encoder, tuple(arrays), "openvino")
    batch = random_batch(encoder.spec.preprocessing.size)
    for name, array in zip(engine.outputs, engine(batch), strict=True):
        scale = max(1.0, float(np.abs(arrays[name]).max()))
        np.testing.assert_allclose(array, arrays[name], atol=1e-4 * scale, err_msg=name)


@pytest.mark.parametrize(
    "name", [n for n in ENCODERS.ids() if isinstance(ENCODERS.load(n).weights, PackagedWeights)]
)
def test_packaged_weights_load_and_give_varied_features(
    name: str, random_batch: Callable[..., NDArray[np.uint8]]
) -> None:
    encoder = load_encoder(name)
    (pooled,) = make_engine(encoder, kind="torch")(random_batch(encoder.spec.preprocessing.size))
    assert np.isfinite(pooled).all()
    assert pooled.std() > 0.01
    assert np.abs(pooled[0] - pooled[1]).max() > 0.01
