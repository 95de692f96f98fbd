"""DINOv2 ViT-S/14, with and without registers (Oquab et al. 2023, Darcet et al. 2023), by timm."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import Tensor, nn

from twofold.encoders.backbone import Backbone, SizedStem
from twofold.encoders.hub import IMAGENET
from twofold.encoders.layouts import Layout, Rules, renamed
from twofold.encoders.spec import EncoderSpec, HubWeights, Network

__all__ = ["DINOV2_VITS14", "DINOV2_VITS14_REG"]

_PATCH = 14
# Side in pixels of the training's last epochs, for which positions are published.
_PUBLISHED = 518

# What `Dinov2Model` and `Dinov2WithRegistersModel` call the tensors, also inside a classifier.
_INSIDE = r"(?:dinov2\.|dinov2_with_registers\.)?"
_LAYER = rf"{_INSIDE}encoder\.layer\.(\d+)\."
_TRANSFORMERS: Rules = {
    rf"{_INSIDE}embeddings\.(cls_token|mask_token|register_tokens)": r"\1",
    rf"{_INSIDE}embeddings\.position_embeddings": "pos_embed",
    rf"{_INSIDE}embeddings\.patch_embeddings\.projection\.(\w+)": r"patch_embed.proj.\1",
    rf"{_LAYER}attention\.attention\.query\.(\w+)": r"blocks.\1.attn.qkv.\2#0",
    rf"{_LAYER}attention\.attention\.key\.(\w+)": r"blocks.\1.attn.qkv.\2#1",
    rf"{_LAYER}attention\.attention\.value\.(\w+)": r"blocks.\1.attn.qkv.\2#2",
    rf"{_LAYER}attention\.output\.dense\.(\w+)": r"blocks.\1.attn.proj.\2",
    rf"{_LAYER}layer_scale(\d)\.lambda1": r"blocks.\1.ls\2.gamma",
    rf"{_LAYER}(norm\d|mlp\.fc\d)\.(\w+)": r"blocks.\1.\2.\3",
    rf"{_INSIDE}layernorm\.(\w+)": r"norm.\1",
    r"classifier\..*": None,
}


class _TokenStem(SizedStem):
    """Patches plus class token, registers and positions, as timm's ViT computes them.

    Args:
        net: of timm.
        positions: resampled to the grid of the images; None resamples them at each call.
    """

    positions: Tensor | None

    def __init__(self, net: Any, positions: Tensor | None = None) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("positions", positions, persistent=False)

    def fixed(self, shape: tuple[int, int]) -> _TokenStem:
        """With the positions of one size; OpenVINO's own resampling is another one."""
        positions = self._resampled((shape[0] // _PATCH, shape[1] // _PATCH))
        return _TokenStem(self.net, positions.detach())

    def _resampled(self, grid: tuple[int, int]) -> Tensor:
        net = self.net
        resampled: Tensor = resample_abs_pos_embed(
            net.pos_embed,
            new_size=list(grid),
            old_size=list(net.patch_embed.grid_size),
            num_prefix_tokens=0 if net.no_embed_class else net.num_prefix_tokens,
        )
        return resampled

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, t, c), the patches last."""
        net = self.net
        patches = net.patch_embed(images)
        positions = self.positions
        if positions is None:
            positions = self._resampled((patches.shape[1], patches.shape[2]))
        first = [token for token in (net.cls_token, net.reg_token) if token is not None]
        leading = [token.expand(len(images), -1, -1) for token in first]
        patches = patches.flatten(1, 2)
        if net.no_embed_class:
            return torch.cat([*leading, patches + positions], dim=1)
        return torch.cat([*leading, patches], dim=1) + positions


class _ClassToken(nn.Module):
    """The final norm's class token."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm(tokens)[:, 0]  # type: ignore[no-any-return]


def _build(architecture: str) -> Network:
    # Positions stay as published: resampled twice they would be blurred.
    net = timm.create_model(
        architecture, pretrained=False, num_classes=0, img_size=_PUBLISHED, dynamic_img_size=True
    )
    segments: dict[str, nn.Module] = {"stem": _TokenStem(net)}
    segments |= {f"block_{index}": block for index, block in enumerate(net.blocks)}
    last = f"block_{len(net.blocks) - 1}"
    segments["pool"] = _ClassToken(net.norm)
    return Network(net, Backbone(segments, {_PATCH: last}, last_stage=last), ignored=("head.",))


def _from_release(tensors: Mapping[str, Tensor], native: nn.Module) -> Mapping[str, Tensor]:
    """As timm does: without the mask token, registers renamed, positions on this grid.

    With registers timm keeps the position of the class token in the class token itself.
    """
    given = "register_tokens" in tensors or "reg_token" in tensors
    if given != (getattr(native, "reg_token", None) is not None):
        found, fits = ("has", DINOV2_VITS14_REG) if given else ("has no", DINOV2_VITS14)
        raise ValueError(f"it {found} registers, and may fit {fits.id}")
    converted: Mapping[str, Tensor] = checkpoint_filter_fn(dict(tensors), native)
    return converted


def _from_transformers(tensors: Mapping[str, Tensor], native: nn.Module) -> Mapping[str, Tensor]:
    return _from_release(renamed(tensors, _TRANSFORMERS), native)


_LAYOUTS = (
    Layout("DINOv2's release", "mask_token", _from_release),
    Layout(
        "Hugging Face transformers",
        rf"{_INSIDE}embeddings\.patch_embeddings\.projection\.weight",
        _from_transformers,
    ),
    # Under the native names positions may be those of images of another size.
    Layout("timm", "pos_embed", _from_release),
)


def _spec(name: str, architecture: str, title: str) -> EncoderSpec:
    return EncoderSpec(
        id=name,
        architecture=architecture,
        feature_dim=384,
        map_channels={_PATCH: 384},
        preprocessing=IMAGENET,
        licence="Apache-2.0",
        weights=HubWeights(f"timm/{architecture}.lvd142m", layouts=_LAYOUTS),
        build=partial(_build, architecture),
        summary=f"{title}, self-supervised, 224 px; weights from a hub or a local file",
        patch=_PATCH,
    )


DINOV2_VITS14 = _spec("dinov2_vits14", "vit_small_patch14_dinov2", "DINOv2 ViT-S/14")
DINOV2_VITS14_REG = _spec(
    "dinov2_vits14_reg", "vit_small_patch14_reg4_dinov2", "DINOv2 ViT-S/14 with registers"
)
