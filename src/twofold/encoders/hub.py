"""ResNet-18/50 and WideResNet-50-2 (ImageNet), through timm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twofold.deferred import deferred
from twofold.encoders.spec import EncoderSpec, HubWeights, Network, Preprocessing

if TYPE_CHECKING:
    import timm
    from torch import nn

    from twofold.encoders import backbone
else:
    timm = deferred("timm")
    nn = deferred("torch.nn")
    backbone = deferred("twofold.encoders.backbone")

__all__ = ["IMAGENET", "RESNET18", "RESNET50", "WIDE_RESNET50_2"]

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
    return Network(net, backbone.Backbone(segments, taps, last_stage="layer4"), ignored=("fc.",))


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
        # torchvision has the same names.
        layout="timm or torchvision",
    )


RESNET18 = _resnet_spec("resnet18", "a1_in1k", (64, 128, 256, 512))
RESNET50 = _resnet_spec("resnet50", "a1_in1k", (256, 512, 1024, 2048))
WIDE_RESNET50_2 = _resnet_spec("wide_resnet50_2", "racm_in1k", (256, 512, 1024, 2048))
