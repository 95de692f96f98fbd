"""Weights put in their place from each layout, and each reason why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import safetensors.torch
import timm
import torch
import torchvision
from tests.encoders.weights import cases
from tests.encoders.weights.cases import SAVERS, saved
from torch import Tensor, nn

from twofold.encoders import clip
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.fetch import fetch_weights
from twofold.encoders.weights import weights_available
from twofold.errors import ConfigError, WeightsError

State = dict[str, Tensor]

SIDE = 224


def drawn(network: nn.Module) -> nn.Module:
    """The network with random weights and statistics of its own."""
    generator = torch.Generator().manual_seed(8)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.05)
            if name.endswith("running_var"):
                tensor.copy_(tensor.abs() + 0.5)
    return network.eval()


def images() -> Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def assert_the_same(encoder: Encoder, network: nn.Module) -> None:
    with torch.inference_mode():
        found, expected = encoder.network.backbone(images()), network(images())
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def assert_stored(name: str, source: Path, layout: str, home: Path) -> Encoder:
    """Fetch, load without a file, and compare what is said with what is there."""
    stored = home / "weights" / f"{name}.safetensors"
    found = fetch_weights(name, source)
    encoder = load_encoder(name)
    assert (found.encoder, found.layout, found.stored) == (name, layout, stored)
    assert found.sha256 == encoder.weights_sha256
    assert weights_available(encoder.spec)
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]
    # What is stored has the native names, and nothing more.
    assert set(safetensors.torch.load_file(stored)) == set(encoder.state())
    return encoder


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        pytest.param("resnet50", marks=pytest.mark.slow),
        pytest.param("wide_resnet50_2", marks=pytest.mark.slow),
    ],
)
def test_a_resnet_of_torchvision(name: str, home: Path, tmp_path: Path) -> None:
    network = drawn(torchvision.models.get_model(name, weights=None))
    path = saved(network.state_dict(), tmp_path / f"{name}-f37072fd.pth")
    encoder = assert_stored(name, path, "timm or torchvision", home)
    network.fc = nn.Identity()
    assert_the_same(encoder, network)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin", "mine.pt"])
def test_a_folder_of_timm(resnet18: Encoder, home: Path, tmp_path: Path, file: str) -> None:
    classifier = {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    path = saved(resnet18.state() | classifier, tmp_path / file)
    (tmp_path / "config.json").write_text('{"architecture": "resnet18"}', encoding="utf-8")
    encoder = assert_stored("resnet18", tmp_path, "timm or torchvision", home)
    assert encoder.weights_sha256 == resnet18.weights_sha256
    assert fetch_weights("resnet18", tmp_path).source == path


@pytest.mark.slow
@pytest.mark.parametrize("registers", [False, True], ids=["plain", "registers"])
@pytest.mark.parametrize(
    ("dress", "layout"),
    [
        (dict, "timm"),
        (cases.dinov2_release, "DINOv2's release"),
        (cases.dinov2_transformers, "Hugging Face transformers"),
    ],
)
def test_dinov2(
    dress: Callable[[State], State], layout: str, registers: bool, home: Path, tmp_path: Path
) -> None:
    name = "dinov2_vits14_reg" if registers else "dinov2_vits14"
    architecture = "vit_small_patch14_reg4_dinov2" if registers else "vit_small_patch14_dinov2"
    build = timm.create_model
    network = drawn(build(architecture, num_classes=0, img_size=518, dynamic_img_size=True))
    path = saved(dress(dict(network.state_dict())), tmp_path / "dinov2.pth")
    encoder = assert_stored(name, path, layout, home)
    assert_the_same(encoder, network)
    for key, tensor in encoder.state().items():
        torch.testing.assert_close(tensor, network.state_dict()[key], msg=key)


@pytest.mark.slow
def test_a_classifier_of_transformers_gives_its_network(tmp_path: Path) -> None:
    state = load_encoder("dinov2_vits14", "random").state()
    inside = {f"dinov2.{n}": tensor for n, tensor in cases.dinov2_transformers(state).items()}
    path = saved(inside | {"classifier.weight": torch.ones(2, 768)}, tmp_path / "whole.safetensors")
    fetch_weights("dinov2_vits14", path)
    for key, tensor in load_encoder("dinov2_vits14").state().items():
        assert torch.equal(tensor, state[key]), key


@pytest.mark.slow
def test_positions_of_another_size_are_resampled(home: Path, tmp_path: Path) -> None:
    state = load_encoder("dinov2_vits14", "random").state()
    small = state | {"pos_embed": torch.ones(1, 1 + 16 * 16, 384)}
    path = saved(small, tmp_path / "small.safetensors")
    encoder = assert_stored("dinov2_vits14", path, "timm", home)
    torch.testing.assert_close(encoder.state()["pos_embed"], torch.ones(1, 1 + 37 * 37, 384))
    for wrong in (torch.ones(3), torch.ones(1, 1 + 37 * 37, 7), torch.empty(0)):
        path = saved(state | {"pos_embed": wrong}, tmp_path / "wrong.safetensors")
        with pytest.raises(WeightsError, match=r"wrong\.safetensors does not fit dinov2_vits14"):
            fetch_weights("dinov2_vits14", path)


def small_vit() -> nn.Module:
    """An image tower as of `clip_vit_b32`, narrow and of two layers."""
    tower: nn.Module = open_clip.transformer.VisionTransformer(
        image_size=SIDE,
        patch_size=32,
        width=16,
        layers=2,
        heads=2,
        mlp_ratio=4.0,
        output_dim=6,
        act_layer=open_clip.transformer.QuickGELU,
    )
    return tower


def small_resnet() -> nn.Module:
    """An image tower as of `clip_rn50`, narrow and of four blocks."""
    tower: nn.Module = open_clip.modified_resnet.ModifiedResNet(
        layers=(1, 1, 1, 1), output_dim=6, heads=2, image_size=SIDE, width=8
    )
    return tower


@pytest.mark.parametrize(
    ("name", "build", "dress", "layout"),
    [
        ("clip_vit_b32", small_vit, cases.clip_whole, "open_clip"),
        ("clip_vit_b32", small_vit, cases.clip_transformers, "Hugging Face transformers"),
        ("clip_vit_b32", small_vit, dict, "open_clip, image tower"),
        ("clip_rn50", small_resnet, cases.clip_whole, "open_clip"),
        ("clip_rn50", small_resnet, dict, "open_clip, image tower"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_clip(
    name: str,
    build: Callable[[], nn.Module],
    dress: Callable[[State], State],
    layout: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clip, "_visual", lambda architecture: build())
    network = drawn(build())
    path = saved(dress(dict(network.state_dict())), tmp_path / "open_clip_pytorch_model.bin")
    assert_the_same(assert_stored(name, path, layout, home), network)


def test_the_published_file_of_a_folder_goes_first(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip, "_visual", lambda architecture: small_vit())
    state = cases.clip_whole(dict(drawn(small_vit()).state_dict()))
    path = saved(state, tmp_path / "open_clip_model.safetensors")
    saved(state, tmp_path / "open_clip_pytorch_model.bin")
    saved({"cls_token": torch.ones(1)}, tmp_path / "model.safetensors")
    assert fetch_weights("clip_vit_b32", tmp_path).source == path


def test_safetensors_go_before_the_same_weights_in_another_form(
    resnet18: Encoder, home: Path, tmp_path: Path
) -> None:
    path = saved(resnet18.state(), tmp_path / "own.safetensors")
    saved({"other": torch.ones(1)}, tmp_path / "own.bin")
    assert fetch_weights("resnet18", tmp_path).source == path


def test_what_is_stored_is_replaced_whole(resnet18: Encoder, home: Path, tmp_path: Path) -> None:
    stored = home / "weights" / "resnet18.safetensors"
    stored.write_bytes(b"rubbish")
    path = saved(resnet18.state(), tmp_path / "good.pth")
    wrong = saved({"conv1.weight": torch.ones(2)}, tmp_path / "wrong.pth")
    with pytest.raises(WeightsError):
        fetch_weights("resnet18", wrong)
    assert stored.read_bytes() == b"rubbish"
    assert_stored("resnet18", path, "timm or torchvision", home)


def test_the_weights_folder_is_made(
    resnet18: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOFOLD_WEIGHTS", str(tmp_path / "new" / "weights"))
    fetch_weights("resnet18", saved(resnet18.state(), tmp_path / "own.pt"))
    assert (tmp_path / "new" / "weights" / "resnet18.safetensors").is_file()


def refused(name: str, source: Path, home: Path) -> str:
    """The one line that says why not; nothing is stored."""
    with pytest.raises(WeightsError) as caught:
        fetch_weights(name, source)
    assert list((home / "weights").iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown encoder 'vgg16'.*resnet18"):
        fetch_weights("vgg16", tmp_path)


def test_a_file_that_is_not_there(home: Path, tmp_path: Path) -> None:
    assert f"no weights file at {tmp_path / 'gone'}" in refused("resnet18", tmp_path / "gone", home)


def test_a_folder_without_weights(home: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    said = refused("resnet18", tmp_path, home)
    assert said.startswith(f"{tmp_path} holds no weights")
    assert ".safetensors" in said
    assert "--from" in said


@pytest.mark.parametrize("suffix", SAVERS)
def test_a_folder_with_several_weights(home: Path, tmp_path: Path, suffix: str) -> None:
    for number in range(6):
        saved({"a": torch.ones(1)}, tmp_path / f"{number}{suffix}")
    said = refused("resnet18", tmp_path, home)
    assert f"0{suffix}, 1{suffix}, 2{suffix}, 3{suffix} and 2 more" in said
    assert "--from" in said


def test_weights_of_another_architecture_name_what_fits(home: Path, tmp_path: Path) -> None:
    state = torchvision.models.resnet50(weights=None).state_dict()
    path = saved(state, tmp_path / "resnet50.pth")
    said = refused("resnet18", path, home)
    for words in (str(path), "does not fit resnet18", "model.safetensors of timm/resnet18.a1_in1k"):
        assert words in said


@pytest.mark.slow
def test_dinov2_with_and_without_registers_are_told_apart(home: Path, tmp_path: Path) -> None:
    plain = load_encoder("dinov2_vits14", "random").state()
    for dress in (dict, cases.dinov2_release, cases.dinov2_transformers):
        path = saved(dress(plain), tmp_path / "plain.safetensors")
        said = refused("dinov2_vits14_reg", path, home)
        assert "it has no registers, and may fit dinov2_vits14;" in said
        assert "timm, DINOv2's release, Hugging Face transformers" in said
    with_registers = plain | {"reg_token": torch.zeros(1, 4, 384)}
    said = refused("dinov2_vits14", saved(with_registers, tmp_path / "registers.pth"), home)
    assert "it has registers, and may fit dinov2_vits14_reg;" in said


@pytest.mark.slow
def test_a_layout_that_is_not_whole_names_its_file(home: Path, tmp_path: Path) -> None:
    state = cases.dinov2_release(load_encoder("dinov2_vits14_reg", "random").state())
    del state["pos_embed"]
    said = refused("dinov2_vits14_reg", saved(state, tmp_path / "torn.pth"), home)
    assert str(tmp_path / "torn.pth") in said
    assert "DINOv2's release" in said


def test_a_pickled_network_is_refused_with_the_way_out(home: Path, tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "network.pth")
    said = refused("resnet18", tmp_path / "network.pth", home)
    for words in (
        str(tmp_path / "network.pth"),
        "holds code (torch.nn.modules.linear.Linear), which is never run",
        "state_dict()",
        ".safetensors",
    ):
        assert words in said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_archive_is_refused(home: Path, tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "ViT-B-32.pt")
    said = refused("clip_vit_b32", tmp_path / "ViT-B-32.pt", home)
    assert "TorchScript archive" in said


def test_without_a_file_weights_are_those_of_the_usual_places(
    resnet18: Encoder, lite0: Encoder, home: Path
) -> None:
    with pytest.raises(WeightsError, match=r"fetch model\.safetensors of timm/resnet18.*--from"):
        fetch_weights("resnet18")
    found = fetch_weights("efficientnet_lite0")
    assert (found.sha256, found.layout) == (lite0.weights_sha256, "EfficientNet-PyTorch")
    assert found.stored == found.source
    path = saved(resnet18.state(), home / "weights" / "resnet18.pth")
    assert fetch_weights("resnet18").stored == path
