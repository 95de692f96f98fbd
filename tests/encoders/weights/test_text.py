"""Text towers: their vectors, their weights from each layout, and each reason why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from tests.encoders.weights import cases
from tests.encoders.weights.cases import saved
from torch import Tensor

from twofold.encoders import clip
from twofold.encoders.encoder import load_encoder
from twofold.encoders.fetch import fetch_weights
from twofold.encoders.text import encode_text, text_digest
from twofold.errors import ConfigError, WeightsError

State = dict[str, Tensor]

TEXT = "a photo of a desk lamp"
NAME = "clip_vit_b32"


def small_clip(seed: int = 0) -> Any:
    """Both towers as of `clip_vit_b32`, narrow and of two layers, with weights of their own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CLIP(
            embed_dim=6,
            vision_cfg=open_clip.CLIPVisionCfg(layers=2, width=64, patch_size=32),
            text_cfg=open_clip.CLIPTextCfg(width=16, heads=2, layers=2),
            quick_gelu=True,
        )
        for parameter in model.parameters():
            parameter.data.normal_(0, 0.2)
    return model.eval()


@pytest.fixture(autouse=True)
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLIP is small, but in the slow tests."""
    if "slow" not in request.keywords:
        monkeypatch.setattr(clip, "_model", lambda architecture: small_clip())


def reference(model: Any, text: str = TEXT) -> Any:
    with torch.inference_mode():
        return model.encode_text(open_clip.get_tokenizer("ViT-B-32-quickgelu")([text]))[0].numpy()


def whole(model: Any) -> State:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def image_tower(model: Any) -> State:
    return {n: t.clone() for n, t in model.visual.state_dict().items()}


def apart(model: Any) -> State:
    """As open_clip saves models that keep their towers apart."""
    return {
        name if name.startswith(("visual.", "logit_")) else f"text.{name}": tensor
        for name, tensor in whole(model).items()
    }


def openai(model: Any) -> State:
    """A state dict of OpenAI's archive: half floats, and numbers that describe the network."""
    numbers = {
        "input_resolution": torch.tensor(224),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    return {name: tensor.half() for name, tensor in whole(model).items()} | numbers


def transformers(model: Any) -> State:
    return cases.clip_transformers(image_tower(model)) | cases.clip_text_transformers(whole(model))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "architecture"),
    [("clip_vit_b32", "ViT-B-32-quickgelu"), ("clip_rn50", "RN50-quickgelu")],
)
def test_the_vector_is_that_of_open_clip(
    name: str, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_encoder(name, "random")
    with torch.random.fork_rng(devices=[]), clip._quiet():
        torch.manual_seed(0)
        model = open_clip.create_model(architecture, pretrained=None).eval()
    vector = encode_text(encoder, TEXT)
    assert vector.shape == (encoder.spec.feature_dim,)
    np.testing.assert_allclose(vector, reference(model), atol=1e-5)
    assert np.abs(vector - encode_text(encoder, "a photo of a mouse")).max() > 1e-3


@pytest.mark.parametrize("dress", [whole, apart, openai, transformers])
def test_both_towers_are_fetched(dress: Callable[[Any], State], home: Path, tmp_path: Path) -> None:
    model = small_clip(3)
    path = saved(dress(model), tmp_path / "both.pt")
    found = fetch_weights(NAME, path)
    assert found.text_refused is None
    assert found.text_stored == home / "weights" / f"{NAME}_text.safetensors"
    encoder = load_encoder(NAME)
    assert found.sha256 == encoder.weights_sha256
    assert found.text_sha256 == text_digest(encoder)
    if dress is openai:
        model = model.half().float()
    np.testing.assert_allclose(encode_text(encoder, TEXT), reference(model), atol=1e-5)
    # The file itself gives the same, as --weights.
    given = load_encoder(NAME, path)
    assert given.weights_sha256 == encoder.weights_sha256
    assert np.array_equal(encode_text(given, TEXT), encode_text(encoder, TEXT))
    assert text_digest(given) == found.text_sha256


def test_the_digest_of_an_image_tower_does_not_depend_on_the_text(tmp_path: Path) -> None:
    model = small_clip(3)
    both = fetch_weights(NAME, saved(whole(model), tmp_path / "both.pt"))
    alone = fetch_weights(NAME, saved(image_tower(model), tmp_path / "alone.pt"))
    assert both.sha256 == alone.sha256
    assert (alone.text_stored, alone.text_refused) == (None, None)


def test_random_weights_are_always_the_same() -> None:
    encoder = load_encoder(NAME, "random")
    first = encode_text(encoder, TEXT)
    first_digest = text_digest(encoder)
    first[:] = 0  # of the caller's own
    again = load_encoder(NAME, "random")
    np.testing.assert_allclose(encode_text(again, TEXT), reference(small_clip()), atol=1e-5)
    assert text_digest(again) == first_digest


def refused(encoder: Any, text: str = TEXT) -> str:
    with pytest.raises((WeightsError, ConfigError)) as caught:
        encode_text(encoder, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_image_tower_alone_says_what_to_fetch(home: Path, tmp_path: Path) -> None:
    fetch_weights(NAME, saved(image_tower(small_clip(3)), tmp_path / "alone.pt"))
    said = refused(load_encoder(NAME))
    for words in (
        "holds no text tower of clip_vit_b32",
        str(home / "weights" / "clip_vit_b32_text.safetensors"),
        "open_clip_model.safetensors of timm/vit_base_patch32_clip_224.openai",
        "twofold encoders fetch clip_vit_b32 --from FILE",
    ):
        assert words in said
    # What has been fetched since is seen at once.
    fetch_weights(NAME, saved(whole(small_clip(3)), tmp_path / "both.pt"))
    assert encode_text(load_encoder(NAME), TEXT).shape == (6,)


def test_towers_of_two_checkpoints_are_not_paired(tmp_path: Path) -> None:
    both = saved(whole(small_clip(3)), tmp_path / "both.pt")
    other = saved(image_tower(small_clip(4)), tmp_path / "other.pt")
    fetch_weights(NAME, both)
    fetch_weights(NAME, other)
    assert "does not belong to the image tower" in refused(load_encoder(NAME))
    encoder = load_encoder(NAME, both)
    saved(whole(small_clip(5)), both)
    assert "does not belong to the image tower" in refused(encoder)


def test_a_text_tower_that_does_not_fit_leaves_the_image_tower(home: Path, tmp_path: Path) -> None:
    state = whole(small_clip(3))
    state["text_projection"] = torch.ones(3, 3)
    path = saved(state, tmp_path / "both.pt")
    found = fetch_weights(NAME, path)
    assert found.text_stored is None
    assert found.text_refused is not None
    assert "does not fit the text tower of clip_vit_b32" in found.text_refused
    assert [file.name for file in (home / "weights").iterdir()] == [f"{NAME}.safetensors"]
    assert "has misshapen text_projection" in refused(load_encoder(NAME, path))


def test_encoders_without_a_text_tower_name_those_with_one() -> None:
    said = refused(load_encoder("resnet18", "random"))
    assert said.startswith("encoder resnet18 has no text tower")
    assert said.endswith("clip_rn50, clip_vit_b32")


def test_a_long_text_is_not_cut_short() -> None:
    encoder = load_encoder(NAME, "random")
    assert np.isfinite(encode_text(encoder, "dog " * 75)).all()
    assert "the text has 76 tokens, CLIP reads 75" in refused(encoder, "dog " * 76)
