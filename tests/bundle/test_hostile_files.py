"""The model format: pickles, malformed tensors, links and names that lead elsewhere."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from tests.bundle.cases import (
    HEADER,
    Arrays,
    arrays,
    document,
    entry,
    forge,
    forge_file,
    pack,
    refused,
    same,
)

from twofold.bundle import (
    read_bundle,
)
from twofold.errors import BundleError


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("suffix", ["pt", "pkl", "joblib", "ckpt"])
def test_a_pickle_is_refused_without_being_opened(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(pickle.dumps(Payload(marker)))

    def no_open(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("opened")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_open)
        patch.setattr("builtins.open", no_open)
        patch.setattr("io.open", no_open)
        refused(path, "is a file; a twofold model is a folder")
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()  # the payload works; it was not run


@pytest.mark.parametrize("name", ["tensors.safetensors", "encoder.safetensors", "detector.json"])
def test_a_pickle_inside_a_model_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    raw = pickle.dumps(Payload(marker))
    if name == "detector.json":
        (model / name).write_bytes(raw)
        refused(model, "not valid JSON")
    else:
        forge_file(model, raw, name)
        with pytest.raises(BundleError, match="not valid safetensors"):
            read_bundle(model).extra("encoder")
    assert not marker.exists()


def test_files_not_listed_are_not_opened(model: Path) -> None:
    os.mkfifo(model / "zzz.safetensors")
    (model / "evil.pkl").write_bytes(b"x")
    assert read_bundle(model).header == HEADER


MALFORMED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "length 2^63": lambda: struct.pack("<Q", 2**63) + b"{}",
    "length 2^64-1": lambda: struct.pack("<Q", 2**64 - 1) + b"{}",
    "length beyond the file": lambda: struct.pack("<Q", 50) + b"{}",
    "not JSON": lambda: pack(b"{]"),
    "not UTF-8": lambda: pack(b'{"\xff": 1}'),
    "list": lambda: pack(b"[]"),
    "depth": lambda: pack(b'{"a":' + b"[" * 100_000),
    "overlap": lambda: pack({"a": entry(), "b": entry(offsets=(2, 6))}, b"123456"),
    "same bytes twice": lambda: pack({"a": entry(), "b": entry()}, b"1234"),
    "hole": lambda: pack({"a": entry(), "b": entry(offsets=(6, 10))}, b"1234567890"),
    "bytes left over": lambda: pack({"a": entry()}, b"12345"),
    "offset beyond the end": lambda: pack({"a": entry(offsets=(0, 9), shape=(9,))}, b"1234"),
    "offsets reversed": lambda: pack({"a": entry(offsets=(4, 0))}, b"1234"),
    "huge offset": lambda: pack({"a": entry(offsets=(2**63, 2**63 + 4))}, b"1234"),
    "negative offset": lambda: pack({"a": entry(offsets=(-4, 0))}, b"1234"),
    "shape too large": lambda: pack({"a": entry(shape=(2**40, 2**40))}, b"1234"),
    "shape times zero": lambda: pack({"a": entry("F32", (0, 2**63 - 1), (0, 0))}),
    "many dimensions": lambda: pack({"a": entry(shape=[1] * 100, offsets=(0, 1))}, b"1"),
    "negative shape": lambda: pack({"a": entry(shape=(-4,))}, b"1234"),
    "bfloat16": lambda: pack({"a": entry("BF16", (2,))}, b"1234"),
    "four bits": lambda: pack({"a": entry("F4", (8,))}, b"1234"),
    "unknown type": lambda: pack({"a": entry("X9")}, b"1234"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_safetensors_behind_matching_hashes(model: Path, kind: str) -> None:
    forge_file(model, MALFORMED[kind]())
    refused(model, "tensors.safetensors: not valid safetensors")
    forge_file(model, safetensors.numpy.save(arrays()))
    forge_file(model, MALFORMED[kind](), "encoder.safetensors")
    with pytest.raises(BundleError, match="not valid safetensors"):
        read_bundle(model).extra("encoder")


def test_header_of_more_than_a_hundred_megabytes(model: Path) -> None:
    forge_file(model, pack(b"{" + b" " * 100_000_100 + b"}"))
    refused(model, "not valid safetensors")


def test_truncated_safetensors_behind_matching_hashes(model: Path) -> None:
    raw = (model / "tensors.safetensors").read_bytes()
    for length in np.linspace(0, len(raw) - 1, 20).astype(int):
        forge_file(model, raw[:length])
        refused(model, "not valid safetensors")


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        (arrays() | {"centre": np.zeros((3, 2), np.float32)}, "'centre' is .*3,2.*2,3"),
        (arrays() | {"centre": np.zeros((2, 3), np.int32)}, "'centre' is .*int32.*float32"),
        (arrays() | {"more": np.zeros(1)}, "'more' is .* but missing in detector.json"),
        ({"centre": np.zeros((2, 3), np.float32)}, "'count' is missing here"),
        (
            arrays() | {"centre": np.full((2, 3), np.nan, np.float32)},
            "'centre' holds .* not finite",
        ),
    ],
)
def test_tensors_that_are_not_as_listed(model: Path, tensors: Arrays, match: str) -> None:
    forge_file(model, safetensors.numpy.save(tensors))
    refused(model, match)


def test_listed_tensors_are_compared_strictly(model: Path) -> None:
    one: Arrays = {"t": np.zeros(1, np.float32)}
    good = {"t": {"dtype": "float32", "shape": [1]}}
    raw = safetensors.numpy.save(one)
    forge_file(model, raw, tensors=good)
    assert same(read_bundle(model).tensors, one)
    wrongs: tuple[Any, ...] = (
        {"t": {"dtype": "float32", "shape": [True]}},
        {"t": {"dtype": "float32", "shape": [1.0]}},
        {"t": {"dtype": "float32", "shape": [1], "more": 1}},
        {"t": None},
        good | {"ghost": None},
        [],
        None,
        {},
    )
    for wrong in wrongs:
        forge_file(model, raw, tensors=wrong)
        refused(model)
    forge_file(model, safetensors.numpy.save({}), tensors=[])
    refused(model, "does not list its tensors")


def test_values_that_hashes_cannot_vouch_for(model: Path) -> None:
    forge_file(
        model,
        pack({"a": entry("BOOL", (2,), (0, 2))}, b"\x01\x07"),
        tensors={"a": {"dtype": "bool", "shape": [2]}},
    )
    refused(model, "'a' holds bytes that are neither true nor false")
    forge_file(
        model,
        pack({"a": entry("C64", (1,), (0, 8))}, bytes(8)),
        tensors={"a": {"dtype": "complex64", "shape": [1]}},
    )
    refused(model, "complex64, which is not supported")
    name = "line\nbreak"
    forge_file(
        model,
        pack({name: entry()}, b"1234"),
        tensors={name: {"dtype": "uint8", "shape": [4]}},
    )
    refused(model, "printable")


TRAVERSALS = [
    "../x.safetensors",
    "..",
    "/etc/passwd",
    "/tmp/x.safetensors",
    "sub/x.safetensors",
    "..\\x.safetensors",
    "%2e%2e/x.safetensors",
    "%2e%2e%2fx.safetensors",
    "x\0.safetensors",
    "x.safetensors\0",
    "x.safetensors\n",
    "c:x.safetensors",
    "C:\\x.safetensors",
    "x" * 300 + ".safetensors",
    "x.pkl",
    "x.safetensors.pkl",
    ".x.safetensors",
    "X.safetensors",
    "\u2025.safetensors",
    "detector.json",
    "",
]


@pytest.mark.parametrize("name", TRAVERSALS, ids=ascii)
def test_names_that_lead_elsewhere(model: Path, name: str) -> None:
    (model.parent / "x.safetensors").write_bytes((model / "encoder.safetensors").read_bytes())
    content = document(model)
    content["files"][name] = content["files"]["encoder.safetensors"]
    forge(model, content)
    refused(model, "refuses the file name")


@pytest.mark.parametrize("name", ["tensors.safetensors", "encoder.safetensors", "detector.json"])
def test_links_pipes_and_folders_in_place_of_files(model: Path, tmp_path: Path, name: str) -> None:
    real = tmp_path / "elsewhere"
    (model / name).rename(real)
    refused(model, "cannot read: No such file")
    (model / name).symlink_to(real)
    refused(model, f"{name}: is a link")
    (model / name).unlink()
    os.mkfifo(model / name)
    refused(model, f"{name}: is not a plain file")
    (model / name).unlink()
    (model / name).mkdir()
    refused(model, f"{name}: is not a plain file")


@pytest.mark.parametrize("kind", ["link", "pipe", "longer", "shorter"])
def test_a_file_swapped_between_check_and_open(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = model / "tensors.safetensors"
    real_open = os.open

    def swap_then_open(path: Any, *args: Any, **kwargs: Any) -> int:
        if Path(path) == file:
            raw = file.read_bytes()
            file.unlink()
            if kind == "link":
                (tmp_path / "x").write_bytes(raw)
                file.symlink_to(tmp_path / "x")
            elif kind == "pipe":
                os.mkfifo(file)
            else:
                file.write_bytes(raw + b"x" if kind == "longer" else raw[:-1])
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", swap_then_open)
    refused(model, r"tensors\.safetensors")
