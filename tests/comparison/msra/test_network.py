"""MsRA's network and heads: the released layers, on encoders of every family."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.support import toy
from torch import nn

from twofold.comparison.msra.dct import spectral_coefficients
from twofold.comparison.msra.network import MsraNetwork, MsraTrainee
from twofold.encoders.backbone import as_map
from twofold.encoders.encoder import load_encoder
from twofold.training import local_generator


def trainee(**changes: Any) -> MsraTrainee:
    generator = local_generator(0)
    network = MsraNetwork(toy.encoder(), "head", 256, generator=generator)
    given: dict[str, Any] = {
        "hidden": 100,
        "dropout": 0.5,
        "from_coefficients": True,
        "always_eval": False,
    }
    return MsraTrainee(network, **(given | changes), generator=generator)


def test_the_architecture_is_the_released_one() -> None:
    parts = trainee()
    shapes = {name: tuple(p.shape) for name, p in parts.named_parameters() if p.ndim == 2}
    assert shapes == {
        "network.bottleneck.0.weight": (256, toy.DIM),
        "class_head.0.weight": (100, 256),
        "class_head.4.weight": (100, 100),
        "class_head.7.weight": (1, 100),
        "domain_head.0.weight": (100, 256),
        "domain_head.3.weight": (2, 100),
    }

    def kinds(part: nn.Module) -> list[str]:
        return [type(child).__name__ for child in part.children()]

    block = ["Linear", "BatchNorm1d", "ReLU"]
    assert kinds(parts.network.bottleneck) == block
    assert kinds(parts.class_head) == [*block, "Dropout", *block, "Linear"]
    assert kinds(parts.domain_head) == [*block, "Linear", "LogSoftmax"]
    assert parts.network.pooling.logits.shape == (15,)


def test_features_are_the_bottleneck_of_weighted_coefficients_of_the_deepest_map() -> None:
    network = MsraNetwork(toy.encoder(), "head", 7, generator=local_generator(0)).eval()
    rows = torch.from_numpy(toy.encoded_world().test["split:last_stage"][:3])
    maps = toy.encoder().network.backbone.segments["layer2"](rows)
    coefficients = spectral_coefficients(as_map(maps))
    weights = torch.sigmoid(network.pooling.logits)
    pooled = coefficients[:, 0] + (coefficients[:, 1:] * weights[:, None]).sum(dim=1)
    torch.testing.assert_close(network(rows), network.bottleneck(pooled))
    torch.testing.assert_close(network.trunk(rows), coefficients)


@pytest.mark.parametrize("factor", [0.5, 2.0, 7.0])
def test_on_the_sphere_the_length_of_a_map_has_no_say(factor: float) -> None:
    rows = torch.randn(4, 16, toy.DIM, generator=local_generator(1))
    same = {}
    for geometry in ("sphere", "euclidean"):
        network = MsraNetwork(toy.encoder(), "head", 7, geometry, local_generator(0)).eval()
        plain, scaled = (network.from_coefficients(part) for part in (rows, factor * rows))
        same[geometry] = torch.allclose(plain, scaled, rtol=1e-4, atol=1e-5)
    assert same == {"sphere": True, "euclidean": False}


def test_the_sphere_is_before_the_bottleneck_and_has_values_of_about_one() -> None:
    """One image after the other, against the network's own layers on vectors made by hand."""
    network = MsraNetwork(toy.encoder(), "head", 7, "sphere", local_generator(0)).eval()
    rows = 5 * torch.randn(4, 16, toy.DIM, generator=local_generator(1))
    for row, found in zip(rows, network.from_coefficients(rows), strict=True):
        pooled = network.pooling(row[None])[0].detach()
        length = sum(float(value) ** 2 for value in pooled) ** 0.5
        placed = torch.stack([value * toy.DIM**0.5 / length for value in pooled])
        assert float(placed.pow(2).mean()) == pytest.approx(1, rel=1e-5)
        torch.testing.assert_close(found, network.bottleneck(placed[None])[0])


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "dinov2_vits14"])
def test_encoders_of_every_family(name: str) -> None:
    """Maps of any stride, from tokens too."""
    encoder = load_encoder(name, "random")
    network = MsraNetwork(encoder, "head", 9, generator=local_generator(0)).eval()
    size = encoder.spec.preprocessing.size
    split = encoder.network.backbone.split_index("last_stage")
    rows = torch.zeros(1, 3, size, size)
    with torch.no_grad():
        for segment in list(encoder.network.backbone.segments.values())[:split]:
            rows = segment(rows)
        assert network(rows).shape == (1, 9)
