"""The table of encoders: one line each."""

from __future__ import annotations

from twofold.encoders.spec import EncoderSpec
from twofold.registry import Registry

__all__ = ["ENCODERS"]

ENCODERS: Registry[EncoderSpec] = Registry(
    "encoder",
    {
        "efficientnet_lite0": "twofold.encoders.efficientnet_lite:LITE0",
        "efficientnet_lite1": "twofold.encoders.efficientnet_lite:LITE1",
        "efficientnet_lite2": "twofold.encoders.efficientnet_lite:LITE2",
        "resnet18": "twofold.encoders.hub:RESNET18",
        "resnet50": "twofold.encoders.hub:RESNET50",
        "wide_resnet50_2": "twofold.encoders.hub:WIDE_RESNET50_2",
        "dinov2_vits14": "twofold.encoders.dinov2:DINOV2_VITS14",
        "dinov2_vits14_reg": "twofold.encoders.dinov2:DINOV2_VITS14_REG",
        "clip_rn50": "twofold.encoders.clip:CLIP_RN50",
        "clip_vit_b32": "twofold.encoders.clip:CLIP_VIT_B32",
    },
)
