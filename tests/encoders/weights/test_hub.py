"""Weights from the Hugging Face hub: offline, unreachable, cached."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import huggingface_hub
import pytest
from tests.encoders.weights.cases import saved

from twofold.encoders import weights
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.registry import ENCODERS
from twofold.encoders.spec import EncoderSpec, HubWeights
from twofold.encoders.weights import load_weights, weights_available
from twofold.errors import WeightsError

SPECS = [ENCODERS.load(name) for name in ENCODERS.ids()]

HUB_SPECS = [spec for spec in SPECS if isinstance(spec.weights, HubWeights)]


def assert_says_what_to_do(error: WeightsError, spec: EncoderSpec, home: Path) -> None:
    assert isinstance(spec.weights, HubWeights)
    for word in (
        spec.weights.repository,
        spec.weights.file,
        str(home / "weights" / f"{spec.id}.safetensors"),
        "--weights",
    ):
        assert word in str(error)


@pytest.mark.parametrize("spec", HUB_SPECS, ids=lambda spec: spec.id)
def test_offline_says_what_to_fetch_and_where_to_put_it(
    spec: EncoderSpec, resnet18: Encoder, home: Path
) -> None:
    with pytest.raises(WeightsError) as caught:
        load_weights(spec, resnet18.network)
    assert_says_what_to_do(caught.value, spec, home)


def test_loading_offline_fails_within_five_seconds(home: Path) -> None:
    start = time.perf_counter()
    with pytest.raises(WeightsError) as caught:
        load_encoder("resnet18")
    assert time.perf_counter() - start < 5
    assert_says_what_to_do(caught.value, ENCODERS.load("resnet18"), home)


def _refuse_connections(*_: object, **__: object) -> None:
    raise TimeoutError("no route")


def _fail_to_download(*_: object, **__: object) -> str:
    raise huggingface_hub.errors.LocalEntryNotFoundError("nothing there")


@pytest.mark.parametrize("obstacle", ["no route", "failed download"])
def test_an_unreachable_hub_is_like_offline(
    resnet18: Encoder, home: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", _fail_to_download)
    if obstacle == "no route":
        monkeypatch.setattr(socket, "create_connection", _refuse_connections)
    else:
        monkeypatch.setattr(weights, "hub_reachable", lambda: True)
    with pytest.raises(WeightsError) as caught:
        load_weights(resnet18.spec, resnet18.network)
    assert_says_what_to_do(caught.value, resnet18.spec, home)


def test_a_closed_port_is_found_out_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}/hub"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
        assert not weights.hub_reachable()
        listener.listen()
        assert weights.hub_reachable()


def test_weights_come_from_the_hub_and_its_cache(
    resnet18: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(resnet18.state(), tmp_path / "model.safetensors")
    asked = []

    def download(repository: str, file: str) -> str:
        asked.append((repository, file))
        return str(path)

    monkeypatch.setattr(weights, "hub_reachable", lambda: True)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert load_encoder("resnet18").weights_sha256 == resnet18.weights_sha256
    assert asked == [("timm/resnet18.a1_in1k", "model.safetensors")]
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(path))
    assert weights_available(resnet18.spec)
    assert load_encoder("resnet18").weights_sha256 == resnet18.weights_sha256
    assert len(asked) == 1
