"""What a file of weights makes is remembered, so that the network may wait."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors.torch import save_file

from twofold.encoders.digests import array_digest, known_digest
from twofold.encoders.encoder import Encoder, LazyNetwork, load_encoder
from twofold.encoders.weights import located_weights, state_digest
from twofold.errors import WeightsError
from twofold.files import file_sha256


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = load_encoder("resnet18", "random")
    save_file(made.state(), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def waits(encoder: Encoder) -> bool:
    return isinstance(encoder.held, LazyNetwork) and encoder.held._found is None


def test_arrays_have_the_digest_of_the_tensors() -> None:
    state = load_encoder("resnet18", "random").state()
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    assert array_digest(arrays) == state_digest(state)


@pytest.mark.slow
def test_the_second_time_the_network_waits_until_it_is_needed(file: Path) -> None:
    first = load_encoder("resnet18", file)
    second = load_encoder("resnet18", file)
    assert not waits(first)
    assert waits(second)
    assert second.fingerprint == first.fingerprint
    assert waits(second.at_size(96))
    tensors = second.state()
    assert not waits(second)
    assert state_digest(tensors) == second.weights_sha256
    assert second.network is second.network


def test_a_changed_file_is_read_anew(file: Path) -> None:
    before = load_encoder("resnet18", file)
    state = before.state()
    state["conv1.weight"] = state["conv1.weight"] + 1
    save_file(state, file)
    after = load_encoder("resnet18", file)
    assert not waits(after)
    assert after.weights_sha256 != before.weights_sha256


def test_expected_weights_are_compared_without_reading_them(file: Path) -> None:
    digest = load_encoder("resnet18", file).weights_sha256
    assert waits(load_encoder("resnet18", file, expected_sha256=digest))
    with pytest.raises(WeightsError, match="are not those the model was fitted with"):
        load_encoder("resnet18", file, expected_sha256="a" * 64)


@pytest.mark.slow
def test_a_wrong_memory_is_found_out_and_forgotten(file: Path, cache: Path) -> None:
    load_encoder("resnet18", file)
    sha256 = file_sha256(file)
    (cache / "weights.json").write_text(json.dumps({f"resnet18:{sha256}": "b" * 64}))
    encoder = load_encoder("resnet18", file)
    with pytest.raises(WeightsError, match="run this again"):
        _ = encoder.network
    assert known_digest("resnet18", sha256) is None
    assert load_encoder("resnet18", file).weights_sha256 != "b" * 64


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "\x00"])
def test_a_damaged_memory_is_no_memory(file: Path, cache: Path, content: str) -> None:
    cache.mkdir()
    (cache / "weights.json").write_text(content)
    first = load_encoder("resnet18", file)
    assert not waits(first)
    assert waits(load_encoder("resnet18", file))


def test_without_a_cache_nothing_is_remembered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    assert not waits(load_encoder("resnet18", file))
    assert not waits(load_encoder("resnet18", file))


@pytest.mark.slow
def test_altered_weights_of_a_package_are_refused_though_their_file_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = load_encoder().state()
    name = min(state)
    state[name] = state[name] + 1
    altered = tmp_path / "altered.safetensors"
    save_file(state, altered)
    load_encoder(weights=altered)
    assert waits(load_encoder(weights=altered))

    def pointed(spec: object, file: object) -> object:
        return altered, located_weights(spec, file)[1]  # type: ignore[arg-type]

    monkeypatch.setattr("twofold.encoders.encoder.located_weights", pointed)
    with pytest.raises(WeightsError, match="has been altered"):
        load_encoder()


def test_a_folder_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        load_encoder("resnet18", tmp_path)


@pytest.mark.slow
def test_threads_that_come_at_once_get_a_network(file: Path) -> None:
    load_encoder("resnet18", file)
    second = load_encoder("resnet18", file)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: state_digest(second.state()), range(8)))
    assert set(found) == {second.weights_sha256}
    assert second.network is second.network
