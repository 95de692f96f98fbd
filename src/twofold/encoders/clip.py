"""CLIP's towers for images and texts (OpenAI weights), through open_clip; extra ``clip``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from twofold.encoders.backbone import Backbone
from twofold.encoders.layouts import Layout, Rules, renamed
from twofold.encoders.spec import EncoderSpec, HubWeights, Network, Preprocessing, TextTower
from twofold.errors import ConfigError, MissingExtraError

__all__ = ["CLIP_RN50", "CLIP_VIT_B32"]

# A whole open_clip checkpoint: the image tower stands beside the text tower.
_WHOLE: Rules = {r"visual\.(.+)": r"\1", ".*": None}


def _blocks(tower: str) -> Rules:
    """The layers of a tower of Hugging Face transformers, under open_clip's names."""
    layer = rf"{tower}\.encoder\.layers\.(\d+)\."
    return {
        rf"{layer}layer_norm(\d)\.(\w+)": r"transformer.resblocks.\1.ln_\2.\3",
        rf"{layer}self_attn\.q_proj\.(\w+)": r"transformer.resblocks.\1.attn.in_proj_\2#0",
        rf"{layer}self_attn\.k_proj\.(\w+)": r"transformer.resblocks.\1.attn.in_proj_\2#1",
        rf"{layer}self_attn\.v_proj\.(\w+)": r"transformer.resblocks.\1.attn.in_proj_\2#2",
        rf"{layer}self_attn\.out_proj\.(\w+)": r"transformer.resblocks.\1.attn.out_proj.\2",
        rf"{layer}mlp\.fc1\.(\w+)": r"transformer.resblocks.\1.mlp.c_fc.\2",
        rf"{layer}mlp\.fc2\.(\w+)": r"transformer.resblocks.\1.mlp.c_proj.\2",
    }


# What `CLIPModel` and `CLIPVisionModelWithProjection` call the tensors.
_TRANSFORMERS: Rules = {
    r"vision_model\.embeddings\.class_embedding": "class_embedding",
    r"vision_model\.embeddings\.patch_embedding\.weight": "conv1.weight",
    r"vision_model\.embeddings\.position_embedding\.weight": "positional_embedding",
    r"vision_model\.pre_layrnorm\.(\w+)": r"ln_pre.\1",
    r"vision_model\.post_layernorm\.(\w+)": r"ln_post.\1",
    **_blocks("vision_model"),
    r"visual_projection\.weight": "proj",
    # The text tower, and a counter of places that older releases kept.
    r"(text_model|text_projection)\..*|logit_scale|vision_model\.embeddings\.position_ids": None,
}
# The text tower of a whole checkpoint of open_clip, or of OpenAI's state dict. Beside it stand the
# image tower, the temperature, and numbers that describe the network.
_WHOLE_TEXT: Rules = {
    r"visual\..+|logit_scale|logit_bias|input_resolution|context_length|vocab_size": None,
    r"text\.(.+)": r"\1",
}
_TRANSFORMERS_TEXT: Rules = {
    r"text_model\.embeddings\.token_embedding\.weight": "token_embedding.weight",
    r"text_model\.embeddings\.position_embedding\.weight": "positional_embedding",
    r"text_model\.final_layer_norm\.(\w+)": r"ln_final.\1",
    **_blocks("text_model"),
    r"text_projection\.weight": "text_projection",
    r"(vision_model|visual_projection)\..*|logit_scale|text_model\.embeddings\.position_ids": None,
}
# CLIP's own statistics in units of pixel values.
_CLIP = Preprocessing(
    224,
    (122.7709383, 116.7460125, 104.09373615),
    (68.5005327, 66.6321579, 70.3231630),
    "bicubic",
)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without open_clip's warning that the network has random weights: ours are loaded after."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _open_clip() -> Any:
    try:
        import open_clip  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError(
            "CLIP encoders need open_clip: pip install 'twofold[clip]'"
        ) from error
    return open_clip


def _model(architecture: str) -> Any:
    library = _open_clip()
    with _quiet():
        return library.create_model(architecture, pretrained=None)


def _visual(architecture: str) -> Any:
    return _model(architecture).visual


def _build_text(architecture: str) -> nn.Module:
    """The whole model without what only images need."""
    model: nn.Module = _model(architecture)
    del model.visual, model.logit_scale
    return model


def _encode_text(native: Any, text: str) -> Tensor:
    # The tokenizer's vocabulary is a file of the package. It would cut a long text short.
    tokenizer = _open_clip().SimpleTokenizer(context_length=native.context_length)
    n_tokens, limit = len(tokenizer.encode(text)), native.context_length - 2
    if n_tokens > limit:
        raise ConfigError(f"the text has {n_tokens} tokens, CLIP reads {limit}: shorten it")
    return torch.as_tensor(native.encode_text(tokenizer([text]))[0])


def _build_rn50() -> Network:
    visual = _visual("RN50-quickgelu")
    stem = [getattr(visual, f"{kind}{i}") for i in (1, 2, 3) for kind in ("conv", "bn", "act")]
    segments: dict[str, nn.Module] = {
        "stem": nn.Sequential(*stem, visual.avgpool),
        "layer1": visual.layer1,
        "layer2": visual.layer2,
        "layer3": visual.layer3,
        "layer4": visual.layer4,
        "pool": visual.attnpool,
    }
    taps = {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}
    return Network(visual, Backbone(segments, taps, last_stage="layer4"))


class _TokenStem(nn.Module):
    """Patches plus class token plus positions, as open_clip's ViT computes them."""

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        return self.visual._embeds(images)  # type: ignore[no-any-return]


class _Projection(nn.Module):
    """Final norm, class token, projection into CLIP's joint space."""

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.norm = visual.ln_post
        self.proj: nn.Parameter = visual.proj

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.as_tensor(self.norm(tokens)[:, 0] @ self.proj)


def _build_vit_b32() -> Network:
    visual = _visual("ViT-B-32-quickgelu")
    segments: dict[str, nn.Module] = {"stem": _TokenStem(visual)}
    blocks = visual.transformer.resblocks
    segments |= {f"block_{index}": block for index, block in enumerate(blocks)}
    last = f"block_{len(blocks) - 1}"
    segments["pool"] = _Projection(visual)
    return Network(visual, Backbone(segments, {32: last}, last_stage=last))


def _from_whole(tensors: Mapping[str, Tensor], native: nn.Module) -> dict[str, Tensor]:
    """Keep the image tower of a whole CLIP checkpoint."""
    del native
    return renamed(tensors, _WHOLE)


def _from_transformers(tensors: Mapping[str, Tensor], native: nn.Module) -> dict[str, Tensor]:
    del native
    found = renamed(tensors, _TRANSFORMERS)
    # A linear layer there, a matrix from the right here.
    return found | ({"proj": found["proj"].T.contiguous()} if "proj" in found else {})


def _from_whole_text(tensors: Mapping[str, Tensor], native: nn.Module) -> dict[str, Tensor]:
    """Keep the text tower of a whole CLIP checkpoint."""
    del native
    return renamed(tensors, _WHOLE_TEXT)


def _from_transformers_text(tensors: Mapping[str, Tensor], native: nn.Module) -> dict[str, Tensor]:
    del native
    found, name = renamed(tensors, _TRANSFORMERS_TEXT), "text_projection"
    return found | ({name: found[name].T.contiguous()} if name in found else {})


_LAYOUTS = (
    Layout("open_clip", r"visual\..*", _from_whole),
    Layout("Hugging Face transformers", r"vision_model\..*", _from_transformers),
)
_TEXT_LAYOUTS = (
    Layout("open_clip", r"(text\.)?token_embedding\.weight", _from_whole_text),
    Layout(
        "Hugging Face transformers", r"text_model\..*embedding\.weight", _from_transformers_text
    ),
)


def _spec(name: str, architecture: str, hub: str, dim: int, maps: dict[int, int]) -> EncoderSpec:
    return EncoderSpec(
        id=name,
        architecture=architecture,
        feature_dim=dim,
        map_channels=maps,
        preprocessing=_CLIP,
        licence="MIT",
        weights=HubWeights(hub, "open_clip_model.safetensors", layouts=_LAYOUTS),
        build=_build_rn50 if "RN50" in architecture else _build_vit_b32,
        summary=f"CLIP {architecture} image tower, 224 px; weights from a hub or a local file",
        any_size=False,
        layout="open_clip, image tower",
        text=TextTower(
            partial(_build_text, f"{architecture}-quickgelu"), _encode_text, _TEXT_LAYOUTS
        ),
    )


CLIP_RN50 = _spec(
    "clip_rn50",
    "RN50",
    "timm/resnet50_clip.openai",
    1024,
    {4: 256, 8: 512, 16: 1024, 32: 2048},
)
CLIP_VIT_B32 = _spec(
    "clip_vit_b32", "ViT-B-32", "timm/vit_base_patch32_clip_224.openai", 512, {32: 768}
)
