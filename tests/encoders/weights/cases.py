"""Networks and files of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

Save = Callable[[dict[str, Tensor], Path], object]

SAVERS: dict[str, Save] = {
    ".bin": torch.save,
    ".safetensors": safetensors.torch.save_file,
    ".pth": torch.save,
    ".pt": torch.save,
}


def saved(tensors: dict[str, Tensor], path: Path) -> Path:
    SAVERS[path.suffix](tensors, path)
    return path


def dinov2_release(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's tensors of a DINOv2 network as its authors publish them."""
    found = state | {"mask_token": torch.zeros(1, 384)}
    if "reg_token" in state:
        found["register_tokens"] = found.pop("reg_token")
        # timm has added the class token's position to the class token.
        first = torch.full((1, 1, 384), 0.5)
        found["cls_token"] = state["cls_token"] - first[0]
        found["pos_embed"] = torch.cat([first, state["pos_embed"]], dim=1)
    return found


def dinov2_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same as Hugging Face transformers names them."""
    release, found = dinov2_release(state), {}
    outer = {
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "register_tokens": "embeddings.register_tokens",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
    }
    inner = {"ls1.gamma": "layer_scale1.lambda1", "ls2.gamma": "layer_scale2.lambda1"}
    for name, tensor in release.items():
        if name in outer:
            found[outer[name]] = tensor
            continue
        _, block, rest = name.split(".", 2)
        layer = f"encoder.layer.{block}"
        if rest.startswith("attn.qkv."):
            kind = rest.rpartition(".")[2]
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[f"{layer}.attention.attention.{part}.{kind}"] = third.clone()
        else:
            rest = rest.replace("attn.proj", "attention.output.dense")
            found[f"{layer}.{inner.get(rest, rest)}"] = tensor
    return found


def clip_whole(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """An image tower as a whole open_clip checkpoint holds it."""
    text = {"logit_scale": torch.ones(()), "transformer.resblocks.0.ln_1.bias": torch.ones(3)}
    return {f"visual.{name}": tensor for name, tensor in state.items()} | text


def clip_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The image tower of a ViT as Hugging Face transformers names it, beside a text tower."""
    found = {
        "logit_scale": torch.ones(()),
        "text_projection.weight": torch.ones(2, 2),
        "text_model.encoder.layers.0.layer_norm1.bias": torch.ones(3),
        "vision_model.embeddings.position_ids": torch.arange(50)[None],
        "visual_projection.weight": state["proj"].T.contiguous(),
        "vision_model.embeddings.class_embedding": state["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": state["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": state["positional_embedding"],
    }
    layers = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    for kind in ("weight", "bias"):
        found[f"vision_model.pre_layrnorm.{kind}"] = state[f"ln_pre.{kind}"]
        found[f"vision_model.post_layernorm.{kind}"] = state[f"ln_post.{kind}"]
        for block in range(2):
            own = f"transformer.resblocks.{block}"
            layer = f"vision_model.encoder.layers.{block}"
            for ours, theirs in layers.items():
                found[f"{layer}.{theirs}.{kind}"] = state[f"{own}.{ours}.{kind}"]
            thirds = state[f"{own}.attn.in_proj_{kind}"].chunk(3)
            for part, third in zip("qkv", thirds, strict=True):
                found[f"{layer}.self_attn.{part}_proj.{kind}"] = third.clone()
    return found


def clip_text_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The text tower of open_clip as Hugging Face transformers names it."""
    found = {
        "logit_scale": torch.ones(()),
        "text_model.embeddings.position_ids": torch.arange(77)[None],
        "text_projection.weight": state["text_projection"].T.contiguous(),
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"],
    }
    for kind in ("weight", "bias"):
        found[f"text_model.final_layer_norm.{kind}"] = state[f"ln_final.{kind}"]
        for block in range(2):
            own, layer = f"transformer.resblocks.{block}.", f"text_model.encoder.layers.{block}."
            for number in (1, 2):
                found[f"{layer}layer_norm{number}.{kind}"] = state[f"{own}ln_{number}.{kind}"]
            found[f"{layer}self_attn.out_proj.{kind}"] = state[f"{own}attn.out_proj.{kind}"]
            found[f"{layer}mlp.fc1.{kind}"] = state[f"{own}mlp.c_fc.{kind}"]
            found[f"{layer}mlp.fc2.{kind}"] = state[f"{own}mlp.c_proj.{kind}"]
            thirds = state[f"{own}attn.in_proj_{kind}"].chunk(3)
            for part, third in zip("qkv", thirds, strict=True):
                found[f"{layer}self_attn.{part}_proj.{kind}"] = third.clone()
    return found
