"""The packaged weights under timm's names, and what the network computes with them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.encoders.efficientnet_lite import LITE0, LITE1, LITE2, timm_name
from twofold.encoders.engine import Engine
from twofold.encoders.outputs import BATCH
from twofold.encoders.spec import EncoderSpec, PackagedWeights
from twofold.encoders.weights import packaged_file

LITES = (LITE0, LITE1, LITE2)


@cache
def published(variant: int) -> dict[str, Tensor]:
    """The tensors of the package, read here without the code under test."""
    weights = LITES[variant].weights
    assert isinstance(weights, PackagedWeights)
    content = torch.load(packaged_file(weights), weights_only=True)
    assert isinstance(content, dict)
    return content


def classifier(variant: int) -> nn.Module:
    model = timm.create_model(f"tf_efficientnet_lite{variant}", pretrained=False)
    assert isinstance(model, nn.Module)
    return model


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_every_published_tensor_has_its_place_in_timm(variant: int) -> None:
    tensors = published(variant)
    wanted = classifier(variant).state_dict()
    names = {name: timm_name(name, variant=variant) for name in tensors}
    assert sorted(names.values()) == sorted(wanted)
    assert len(set(names.values())) == len(tensors)
    assert all(tensors[name].shape == wanted[names[name]].shape for name in tensors)
    # Both list their tensors in the order of the network.
    assert list(names.values()) == list(wanted)


def test_lite0_has_296_tensors() -> None:
    assert len(published(0)) == 296


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.3._expand_conv.weight", "blocks.2.0.conv_pw.weight"),
        ("_blocks.15._bn2.running_var", "blocks.6.0.bn3.running_var"),
        ("_fc.bias", "classifier.bias"),
        ("_blocks.16._bn2.bias", "_blocks.16._bn2.bias"),  # Lite0 has 16 blocks
        ("something.else", "something.else"),
    ],
)
def test_single_names(name: str, expected: str) -> None:
    assert timm_name(name, variant=0) == expected


def test_pooled_features_equal_those_of_timm(lite0_torch: Engine, lite0_openvino: Engine) -> None:
    """Against timm's own forward pass, with the tensors poured in by order, not by name."""
    model = classifier(0)
    in_order = zip(model.state_dict(), published(0).values(), strict=True)
    model.load_state_dict(dict(in_order), strict=True)
    model.eval()
    rows, columns = np.mgrid[0:224, 0:224]
    stripes = (128 + 100 * np.sin(rows / 9)).astype(np.uint8)
    image = np.stack([rows.astype(np.uint8), columns.astype(np.uint8), stripes], axis=-1)
    normalised = (torch.from_numpy(image).permute(2, 0, 1)[None].float() - 127.0) / 128.0
    with torch.inference_mode():
        expected = model.forward_features(normalised).mean(dim=(2, 3)).numpy()  # type: ignore[operator]
    assert expected.std() > 0.05
    batch: NDArray[np.uint8] = np.repeat(image[None], BATCH, axis=0)
    for engine in (lite0_torch, lite0_openvino):
        pooled = engine(batch)[engine.outputs.index("pooled")]
        np.testing.assert_allclose(pooled, np.repeat(expected, BATCH, axis=0), atol=1e-4)


@pytest.mark.parametrize("spec", LITES, ids=lambda spec: spec.id)
def test_preprocessing_is_that_of_the_lite_family(spec: EncoderSpec) -> None:
    assert spec.preprocessing.mean == (127.0, 127.0, 127.0)
    assert spec.preprocessing.std == (128.0, 128.0, 128.0)
    config = classifier(int(spec.id[-1])).pretrained_cfg
    assert spec.preprocessing.size == config["input_size"][1]  # type: ignore[index]
    assert spec.preprocessing.interpolation == config["interpolation"]  # type: ignore[index]
