"""DINOv2 at any size: against timm's network of that size with the same published weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from numpy.typing import NDArray
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import Tensor, nn

from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.scales import shape_of
from twofold.encoders.tiled import is_large

NAMES = {
    "dinov2_vits14": "vit_small_patch14_dinov2",
    "dinov2_vits14_reg": "vit_small_patch14_reg4_dinov2",
}


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def published(name: str) -> dict[str, Tensor]:
    """Random tensors under timm's names, with positions for 518 pixels."""
    state = timm.create_model(NAMES[name], pretrained=False, num_classes=0).state_dict()
    generator = torch.Generator().manual_seed(3)
    for key, tensor in state.items():
        if "norm" not in key:
            scale = 0.5 if "gamma" in key or "pos" in key or "token" in key else 0.03
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale)
    return dict(state)


@pytest.fixture(scope="module")
def encoder(
    name: str, published: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Encoder:
    path: Path = tmp_path_factory.mktemp("dinov2") / "model.safetensors"
    safetensors.torch.save_file(published, path)
    return load_encoder(name, path)


def timm_network(name: str, published: dict[str, Tensor], size: tuple[int, int]) -> nn.Module:
    """Built at this size, with the weights as timm's own filter loads them."""
    net = timm.create_model(NAMES[name], pretrained=False, num_classes=0, img_size=size)
    assert isinstance(net, nn.Module)
    net.load_state_dict(checkpoint_filter_fn(dict(published), net))
    return net.eval()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(224, 224), (280, 280), (154, 238)], ids=str)
def test_vectors_are_those_of_a_network_of_that_size(
    name: str, encoder: Encoder, published: dict[str, Tensor], size: tuple[int, int]
) -> None:
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = timm_network(name, published, size)(images)
        found = encoder.network.backbone(images)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, atol=1e-4 * scale, rtol=0)
    if size == (224, 224):
        assert torch.equal(found, expected)
    assert float((found[0] - found[1]).abs().max()) > 1e-2 * scale


@pytest.mark.slow
def test_positions_stay_as_published(encoder: Encoder, published: dict[str, Tensor]) -> None:
    for key, tensor in encoder.state().items():
        assert torch.equal(tensor, published[key])


@pytest.mark.slow
def test_sides_are_the_nearest_multiples_of_a_patch(encoder: Encoder) -> None:
    shapes = {280: 280, 276: 280, 300: 294, 5: 14}
    assert {s: encoder.at_size(s).spec.preprocessing.size for s in shapes} == shapes
    assert encoder.at_size(150, 200).spec.preprocessing.shape == (154, 196)
    assert encoder.at_size(230) is encoder
    assert shape_of("pooled-1", encoder) == (154, 154)
    assert shape_of("pooled-2", encoder) == (112, 112)


def test_large_images_are_seen_whole(encoder: Encoder) -> None:
    assert not is_large(encoder.at_size(1022), ("patches@3",))


def batch(encoder: Encoder) -> NDArray[np.uint8]:
    shape = (8, *encoder.spec.preprocessing.shape, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_maps_are_laid_out_on_the_grid_of_a_rectangle(encoder: Encoder) -> None:
    wide = encoder.at_size(28, 56)
    pixels = batch(wide)
    (found,) = make_engine(wide, ("stride14",), "torch")(pixels)
    assert found.shape == (8, 384, 2, 4)
    preprocessing = encoder.spec.preprocessing
    images = (torch.from_numpy(pixels).float() - torch.tensor(preprocessing.mean)) / torch.tensor(
        preprocessing.std
    )
    with torch.inference_mode():
        tokens = images.permute(0, 3, 1, 2)
        for segment in list(encoder.network.backbone.segments.values())[:-1]:
            tokens = segment(tokens)
    expected = tokens[:, -8:].reshape(8, 2, 4, 384).permute(0, 3, 1, 2)
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.slow
def test_openvino_agrees_at_another_size(encoder: Encoder) -> None:
    names = ("pooled", "pooled-1", "stride14")
    wide = encoder.at_size(154, 196)
    pixels = batch(wide)
    found = make_engine(wide, names, "openvino")(pixels)
    expected = make_engine(wide, names, "torch")(pixels)
    for output, own, other in zip(names, found, expected, strict=True):
        scale = float(np.abs(other).max())
        np.testing.assert_allclose(own, other, atol=1e-4 * scale, err_msg=output)
