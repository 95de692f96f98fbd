"""ResNet-18/50, WideResNet-50-2 (ImageNet) and DINOv2 ViT-S/14, through timm."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import timm
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import Tensor, nn

from twofold.encoders.backbone import Backbone
from twofold.encoders.spec import EncoderSpec, HubWeights, Network, Preprocessing

__all__ = ["DINOV2_VITS14", "IMAGENET", "RESNET18", "RESNET50", "WIDE_RESNET50_2"]

# ImageNet statistics in units of pixel values.
IMAGENET = Preprocessing(224, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "bicubic")


def _build_resnet(architecture: str) -> Network:
    net = timm.create_model(architecture, pretrained=False, num_classes=0)
    segments: dict[str, nn.Module] = {
        "stem": nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool),
        "layer1": net.layer1,
        "layer2": net.layer2,
        "layer3": net.layer3,
        "layer4": net.layer4,
        "pool": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    }
    taps = {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}
    return Network(net, Backbone(segments, taps, last_stage="layer4"), ignored=("fc.",))


class _TokenStem(nn.Module):
    """Patches plus class token plus positions, as timm's ViT computes them."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.net._pos_embed(self.net.patch_embed(images))
        return self.net.norm_pre(self.net.patch_drop(tokens))  # type: ignore[no-any-return]


class _ClassToken(nn.Module):
    """The final norm's class token."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm(tokens)[:, 0]  # type: ignore[no-any-return]


def _build_dinov2() -> Network:
    net = timm.create_model(
        "vit_small_patch14_dinov2", pretrained=False, num_classes=0, img_size=IMAGENET.size
    )
    segments: dict[str, nn.Module] = {"stem": _TokenStem(net)}
    segments |= {f"block_{index}": block for index, block in enumerate(net.blocks)}
    last = f"block_{len(net.blocks) - 1}"
    segments["pool"] = _ClassToken(net.norm)
    return Network(net, Backbone(segments, {14: last}, last_stage=last), ignored=("head.",))


def _adapt_dinov2(tensors: Mapping[str, Tensor], native: nn.Module) -> Mapping[str, Tensor]:
    """Resample the positions of 518-pixel training to the grid used here, as timm does."""
    adapted: Mapping[str, Tensor] = checkpoint_filter_fn(dict(tensors), native)
    return adapted


def _resnet_spec(name: str, tag: str, channels: tuple[int, int, int, int]) -> EncoderSpec:
    return EncoderSpec(
        id=name,
        architecture=name,
        feature_dim=channels[-1],
        map_channels=dict(zip((4, 8, 16, 32), channels, strict=True)),
        preprocessing=IMAGENET,
        licence="Apache-2.0",
        weights=HubWeights(f"timm/{name}.{tag}"),
        build=partial(_build_resnet, name),
        summary=f"{name}, ImageNet, 224 px; weights from a hub or a local file",
    )


RESNET18 = _resnet_spec("resnet18", "a1_in1k", (64, 128, 256, 512))
RESNET50 = _resnet_spec("resnet50", "a1_in1k", (256, 512, 1024, 2048))
WIDE_RESNET50_2 = _resnet_spec("wide_resnet50_2", "racm_in1k", (256, 512, 1024, 2048))

DINOV2_VITS14 = EncoderSpec(
    id="dinov2_vits14",
    architecture="vit_small_patch14_dinov2",
    feature_dim=384,
    map_channels={14: 384},
    preprocessing=IMAGENET,
    licence="Apache-2.0",
    weights=HubWeights("timm/vit_small_patch14_dinov2.lvd142m", adapt=_adapt_dinov2),
    build=_build_dinov2,
    summary="DINOv2 ViT-S/14, self-supervised, 224 px; weights from a hub or a local file",
    any_size=False,
)
