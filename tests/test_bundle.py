"""The model format: round trips, hostile and damaged folders, interrupted saves."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import pickle
import random
import shutil
import struct
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twofold.bundle import (
    SCHEMA_VERSION,
    Bundle,
    check_destination,
    read_bundle,
    write_bundle,
)
from twofold.errors import BundleError

Arrays = dict[str, NDArray[Any]]

HEADER: dict[str, Any] = {
    "method": "patch_memory",
    "configuration": {"k": 3, "rate": 1e-05, "layers": ["a", "b"], "ünïcode": "é\u2028\x1b"},
    "evidence": [0.1, 0.30000000000000004, None, True, -7, 2**70],
    "threshold": 0.25,
}
DTYPES = ["float16", "float32", "float64", "bool"] + [
    f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
]


def arrays(value: float = 1.5) -> Arrays:
    return {
        "centre": np.full((2, 3), value, np.float32),
        "count": np.array(7, np.int64),
        "none": np.zeros((0, 4), np.float16),
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    write_bundle(path, HEADER, arrays(), {"encoder": {"w": np.arange(5, dtype=np.float32)}})
    return path


def document(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((path / "detector.json").read_text("utf-8"))
    return loaded


def forge(path: Path, content: dict[str, Any]) -> None:
    """Write ``detector.json`` with a checksum that matches, as an attacker would."""
    content = {key: value for key, value in content.items() if key != "checksum"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (path / "detector.json").write_text(text, "utf-8")


def forge_file(path: Path, raw: bytes, name: str = "tensors.safetensors", **changes: Any) -> None:
    """Replace a file by ``raw`` with size, SHA-256 and checksum that match."""
    (path / name).write_bytes(raw)
    content = document(path)
    content["files"][name] = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    forge(path, content | changes)


def refused(path: Path | str, match: str | None = None) -> str:
    with pytest.raises(BundleError, match=match) as caught:
        read_bundle(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1500
    return message


def same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].tobytes() == other[name].tobytes()
        for name in one
    )


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_of_every_dtype_and_shape(tmp_path: Path, dtype: str) -> None:
    shapes: list[tuple[int, ...]] = [(), (0,), (1,), (2, 0, 3), (2, 3, 4)]
    rng = np.random.default_rng(0)
    tensors = {
        f"t {i} é": rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
        for i, shape in enumerate(shapes)
    }
    write_bundle(tmp_path / "m", {}, tensors, {"encoder": tensors})
    bundle = read_bundle(tmp_path / "m")
    assert same(bundle.tensors, tensors)
    assert same(bundle.extra("encoder"), tensors)
    assert all(array.flags.writeable for array in bundle.tensors.values())


def test_extreme_values_come_back(tmp_path: Path) -> None:
    info = np.finfo(np.float64)
    tensors = {
        "f": np.array([info.max, info.min, info.tiny, -0.0, 5e-324]),
        "i": np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
        "u": np.array([2**64 - 1], np.uint64),
    }
    write_bundle(tmp_path / "m", {}, tensors)
    assert same(read_bundle(tmp_path / "m").tensors, tensors)


def test_memory_layout_and_byte_order_are_not_content(tmp_path: Path) -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    tensors = {"t": base.T, "step": base[::2, ::3], "big": base.astype(">f4"), "flip": base[::-1]}
    write_bundle(tmp_path / "m", {}, tensors)
    loaded = read_bundle(tmp_path / "m").tensors
    for name, array in tensors.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == np.float32


def test_header_path_and_extras_come_back(model: Path) -> None:
    bundle = read_bundle(str(model))
    assert isinstance(bundle, Bundle)
    assert bundle.header == HEADER
    assert bundle.path == model
    assert bundle.extras == ("encoder",)
    with pytest.raises(BundleError, match="no extra file 'tensors'"):
        bundle.extra("tensors")
    with pytest.raises(BundleError, match="no extra file"):
        bundle.extra("../encoder")


def test_layout_on_disk(model: Path) -> None:
    content = document(model)
    assert content["schema_version"] == SCHEMA_VERSION == 1
    assert content["format"] == "twofold"
    assert content["method"] == "patch_memory"
    assert content["tensors"]["centre"] == {"dtype": "float32", "shape": [2, 3]}
    raw = (model / "tensors.safetensors").read_bytes()
    assert content["files"]["tensors.safetensors"] == {
        "sha256": hashlib.sha256(raw).hexdigest(),
        "bytes": len(raw),
    }
    stated = content.pop("checksum")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    assert stated == hashlib.sha256(canonical.encode()).hexdigest()
    assert "ünïcode" in (model / "detector.json").read_text("utf-8")
    assert sorted(p.name for p in model.parent.iterdir()) == ["model"]
    assert read_bundle(model).header == HEADER


def test_saving_what_was_read_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    bundle = read_bundle(model)
    write_bundle(
        tmp_path / "copy", bundle.header, bundle.tensors, {"encoder": bundle.extra("encoder")}
    )
    for file in model.iterdir():
        assert (tmp_path / "copy" / file.name).read_bytes() == file.read_bytes()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(value=json_values)
def test_any_json_content_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("h") / "m"
    write_bundle(path, {"value": value}, {})
    loaded = read_bundle(path).header["value"]
    assert json.dumps(loaded) == json.dumps(value)


def test_parents_are_created_and_models_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "m"
    write_bundle(path, {"n": 1}, arrays(), {"encoder": arrays()})
    write_bundle(path, {"n": 2}, arrays(2))
    bundle = read_bundle(path)
    assert bundle.header == {"n": 2}
    assert bundle.extras == ()
    assert sorted(p.name for p in path.iterdir()) == ["detector.json", "tensors.safetensors"]
    assert [p.name for p in path.parent.iterdir()] == ["m"]


def test_parents_deeper_than_the_recursion_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        write_bundle("y/" * 1500 + "m", {"n": 1}, {})
        assert read_bundle("y/" * 1500 + "m").header == {"n": 1}
    finally:  # pytest's own clean-up recurses
        subprocess.run(["rm", "-rf", str(tmp_path / "y")], check=True)


def test_relative_path_and_link_to_a_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    (model.parent / "link").symlink_to(model)
    assert read_bundle("model").header == HEADER
    assert read_bundle("link").header == HEADER
    monkeypatch.chdir(model)
    assert read_bundle(".").header == HEADER


def test_reading_takes_little_more_than_twice_the_file(tmp_path: Path) -> None:
    size = 64 * 2**20
    write_bundle(tmp_path / "m", {}, {"t": np.zeros(size // 4, np.float32)})
    tracemalloc.start()
    try:
        read_bundle(tmp_path / "m")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * size + 20 * 2**20


# --- what is refused at saving -------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        {"a": math.nan},
        {"a": [math.inf]},
        {"a": (1, 2)},
        {"a": {1: 2}},
        {"a": {1, 2}},
        {"a": np.float32(1)},
        {"a": np.zeros(2)},
        {"a": b"x"},
        {"a": "\ud800"},
        {"a": 10**500},
        {"a": 10**5000},
        {1: "a"},
        {"schema_version": 1},
        {"format": 1},
        {"files": 1},
        {"tensors": 1},
        {"checksum": 1},
    ],
    ids=range(17),
)
def test_header_refused(tmp_path: Path, header: Any) -> None:
    with pytest.raises(BundleError) as caught:
        write_bundle(tmp_path / "m", header, arrays())
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_deep_and_circular_headers_refused(tmp_path: Path) -> None:
    for depth in (100, 100_000):
        deep: Any = []
        for _ in range(depth):
            deep = [deep]
        with pytest.raises(BundleError):
            write_bundle(tmp_path / "m", {"a": deep}, {})
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "m", {"a": circle}, {})


def test_overlong_header_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="too large"):
        write_bundle(tmp_path / "m", {"a": "x" * 2**24}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("centre", np.array([1.0, math.nan])),
        ("centre", np.array([math.inf], np.float16)),
        ("centre", np.array([None])),
        ("centre", np.array(["a"])),
        ("centre", np.array([1 + 1j])),
        ("centre", np.zeros(2, np.longdouble)),
        ("centre", np.zeros(2, "datetime64[s]")),
        ("centre", np.zeros(2, [("a", "f4")])),
        ("centre", np.array([7], np.uint8).view(np.bool_)),
        ("centre", np.ma.masked_array([1.0], [True])),
        ("centre", [1.0]),
        ("", np.zeros(1)),
        ("n" * 201, np.zeros(1)),
        ("a\nb", np.zeros(1)),
        ("a\0", np.zeros(1)),
        ("\ud800", np.zeros(1)),
        ("__metadata__", np.zeros(1)),
        (3, np.zeros(1)),
    ],
    ids=lambda value: ascii(value)[:24],
)
@pytest.mark.parametrize("where", ["tensors", "extra"])
def test_tensors_refused(tmp_path: Path, name: Any, array: Any, where: str) -> None:
    tensors = {"fine": np.zeros(1), name: array}
    main, extras = (tensors, {}) if where == "tensors" else ({}, {"encoder": tensors})
    with pytest.raises(BundleError) as caught:
        write_bundle(tmp_path / "m", {}, main, extras)
    assert name != "centre" or "'centre'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_nan_far_inside_a_large_tensor_is_found(tmp_path: Path) -> None:
    array = np.zeros((3, 2**20), np.float32)
    array[2, 12345] = np.nan
    with pytest.raises(BundleError, match="'t' holds values that are not finite"):
        write_bundle(tmp_path / "m", {}, {"t": array})


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "a/b",
        "/x",
        "A",
        "1a",
        "a.b",
        "a\n",
        "a\0",
        "ä",
        "%2e%2e",
        "c:x",
        "a" * 42,
        "tensors",
    ],
)
def test_extra_names_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="no name for an extra file"):
        write_bundle(tmp_path / "m", {}, {}, {name: arrays()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", "x" * 300, "y/" * 3000, "x" * 250])
def test_impossible_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    refused(path)
    with pytest.raises(BundleError) as caught:
        write_bundle(path, {}, {})
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("path", [".", "..", "/", "a/.."])
def test_paths_without_a_name_are_not_saved_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="name the folder"):
        write_bundle(path, {}, {})


def test_what_is_not_a_model_is_not_replaced(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "file.pt"
    file.write_text("x")
    (tmp_path / "link").symlink_to(model)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    project = tmp_path / "project"
    project.mkdir()
    (project / "thesis.txt").write_text("x")
    for path in (file, project):
        with pytest.raises(BundleError, match="exists and is not a twofold model: choose another"):
            write_bundle(path, {}, {})
    for path in (tmp_path / "link", tmp_path / "dangling"):
        with pytest.raises(BundleError, match="is a link"):
            write_bundle(path, {}, {})
    with pytest.raises(BundleError, match="cannot save the model: Not a directory"):
        write_bundle(file / "inside", {}, {})
    assert (project / "thesis.txt").read_text() == file.read_text() == "x"
    assert read_bundle(tmp_path / "link").header == HEADER


def test_other_files_in_a_model_folder_are_not_lost(model: Path) -> None:
    (model / "notes.txt").write_text("x")
    with pytest.raises(BundleError, match=r"also holds 'notes.txt', which would be lost"):
        write_bundle(model, {}, {})
    (model / "notes.txt").unlink()
    (model / "sub").mkdir()
    with pytest.raises(BundleError, match="also holds 'sub'"):
        write_bundle(model, {}, {})
    (model / "sub").rmdir()
    (model / ".DS_Store").write_text("left by a file browser")
    write_bundle(model, {}, {})
    assert read_bundle(model).header == {}


def test_an_empty_or_damaged_model_folder_is_replaced(model: Path, tmp_path: Path) -> None:
    (model / "detector.json").write_text("{")
    (tmp_path / "empty").mkdir()
    for path in (model, tmp_path / "empty"):
        write_bundle(path, {"n": 1}, {})
        assert read_bundle(path).header == {"n": 1}


# --- what is refused at reading ------------------------------------------------------------------


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


def pack(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str = "U8", shape: Any = (4,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


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


def test_sizes_that_do_not_fit(model: Path) -> None:
    whole = document(model)
    for size in (-1, 0, 10, 2**62, 10**300, True, "1", None, 1.5):
        whole["files"]["tensors.safetensors"]["bytes"] = size
        forge(model, whole)
        refused(model)


def test_a_sparse_giant_is_not_read(model: Path) -> None:
    content = document(model)
    content["files"]["tensors.safetensors"]["bytes"] = 2**40
    forge(model, content)
    try:
        os.truncate(model / "tensors.safetensors", 2**40)
    except OSError:
        pytest.skip("the disk has no sparse files")
    refused(model, "too many")


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"", "not valid JSON"),
        (b"[" * 200_000, "not valid JSON"),
        (b'{"a":' * 200_000, "not valid JSON"),
        (b"[" * 500 + b"]" * 500, "nested too deeply"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b'{"b": {"a": 1, "a": 2}}', "twice"),
        (b'{"a": NaN}', "not a finite number"),
        (b'{"a": -Infinity}', "not a finite number"),
        (b'{"a": 1e999}', "not a finite number"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not a finite number"),
        (b'{"a": ' + b"1" * 8_000_000 + b"}", "not a finite number"),
        (b'{"a": 0.' + b"1" * 8_000_000 + b"}", "not a finite number"),
        (b'{"a": "\xff"}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ('{"format": "twofold"}'.encode("utf-16"), "not valid JSON"),
        (b"null", "does not describe a twofold model"),
        (b"[]", "does not describe"),
        (b"{}", "does not describe"),
        (b'{"format": "twofold"}', "unknown schema version None"),
        (b'{"format": "twofold", "schema_version": 0}', "unknown schema version 0"),
        (b'{"format": "twofold", "schema_version": true}', "unknown schema version True"),
        (b'{"format": "twofold", "schema_version": "1"}', "unknown schema version 1"),
        (b'{"format": "twofold", "schema_version": 2}', r"newer twofold \(schema 2\); upgrade"),
        (b'{"format": "twofold", "schema_version": 1}', "checksum does not match"),
        (b'{"format": "twofold", "schema_version": 1, "checksum": []}', "checksum does not match"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_bad_json(model: Path, raw: bytes, match: str) -> None:
    (model / "detector.json").write_bytes(raw)
    begun = time.monotonic()
    assert "detector.json" in refused(model, match)
    assert time.monotonic() - begun < 5


def test_json_beyond_the_limit_is_not_read(model: Path) -> None:
    (model / "detector.json").write_bytes(b" " * (2**23 + 1))
    refused(model, "too many")


START = b'{"format": "twofold", "schema_version": 1, "a": '
LARGE: dict[str, Callable[[], bytes]] = {
    "numbers": lambda: START + b"[" + b"0," * 4_000_000 + b"0]}",
    "as many numbers as are read": lambda: START + b"[" + b"0," * 99_000 + b"0]}",
    "empty lists": lambda: START + b"[" + b"[]," * 2_700_000 + b"0]}",
    "empty objects": lambda: START + b"[" + b"{}," * 2_700_000 + b"0]}",
    "depth": lambda: START + b"[" + (b"[" * 60 + b"]" * 60 + b",") * 69_000 + b"0]}",
    "depth that is read": lambda: START + b"[" + (b"[" * 60 + b"]" * 60 + b",") * 1_600 + b"0]}",
    "keys": lambda: START + b"{" + b",".join(b'"%x":0' % i for i in range(800_000)) + b"}}",
    "strings": lambda: START + b"[" + b'"",' * 2_700_000 + b"0]}",
    "quotes": lambda: b'"' * 2**23,
    "backslashes": lambda: b'"' + b"\\" * (2**23 - 1),
    "an open string of quotes": lambda: b'"' + b'\\"' * (2**22 - 1),
    "escapes": lambda: START + b'"' + b"\\u00e9" * 1_390_000 + b'"}',
    "one string": lambda: START + b'"' + b"x" * 8_000_000 + b'"}',
    "long numbers": lambda: START + b"[" + b"1" * 83 + (b"," + b"1" * 83) * 99_000 + b"]}",
}


def at_once(refusal: Callable[[], object]) -> None:
    """Half a second at most: the least of three times, since others use the machine too."""
    times = []
    for _ in range(3):
        begun = time.process_time()
        refusal()
        times.append(time.process_time() - begun)
        if times[-1] < 0.5:
            return
    pytest.fail(f"refused after {min(times):.2f} s")


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_a_large_document_is_refused_at_once(model: Path, content: Callable[[], bytes]) -> None:
    raw = content()
    assert len(raw) <= 2**23
    (model / "detector.json").write_bytes(raw)
    at_once(lambda: refused(model, r"detector\.json: "))


def test_a_deep_document_with_a_matching_checksum_is_refused_at_once(model: Path) -> None:
    """What a save would write for it is a hundred times as long as the file."""
    deep: Any = []
    for _ in range(60):
        deep = [deep]
    content = document(model) | {"a": [deep] * 1500}
    content.pop("checksum")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    (model / "detector.json").write_text(json.dumps(content))
    at_once(lambda: refused(model, "was edited after saving"))


@pytest.mark.parametrize("name", ["tensors.safetensors", "encoder.safetensors"])
def test_a_million_empty_tensors_are_refused_at_once(model: Path, name: str) -> None:
    one = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'

    def read() -> None:
        with pytest.raises(BundleError, match=f"{name}: .* lists too many tensors"):
            read_bundle(model).extra("encoder")

    for count in (120_000, 1_000_000):
        raw = pack(("{" + ",".join(f'"{i:x}":{one}' for i in range(count)) + "}").encode())
        forge_file(model, raw, name)
        at_once(read)


def test_too_many_tensors_are_refused_at_saving_too(tmp_path: Path) -> None:
    many = {f"{i}": np.zeros(0) for i in range(10_001)}
    with pytest.raises(BundleError, match="lists too many tensors"):
        write_bundle(tmp_path / "m", {}, many)
    with pytest.raises(BundleError, match="lists too many tensors"):
        write_bundle(tmp_path / "m", {}, {}, {"encoder": many})
    assert list(tmp_path.iterdir()) == []


def test_too_many_values_are_refused_at_saving_too(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds more than 100000 values"):
        write_bundle(tmp_path / "m", {"a": [0] * 100_001}, {})
    write_bundle(tmp_path / "m", {"a": [0] * 90_000, "b": ['"\\,[{'] * 9_000}, {})
    assert len(read_bundle(tmp_path / "m").header["b"]) == 9_000  # type: ignore[arg-type]


def test_forged_documents(model: Path) -> None:
    whole = document(model)
    files: Any
    listed: Any
    for key in ("files", "tensors"):
        forge(model, {k: v for k, v in whole.items() if k != key})
        refused(model, "lists no files or no tensors")
    for files in (None, [], {}, {"encoder.safetensors": whole["files"]["encoder.safetensors"]}):
        forge(model, whole | {"files": files})
        refused(model, "does not list tensors.safetensors")
    for listed in (None, [], {}, {"bytes": 3}, {"bytes": 3, "sha256": 4}, {"sha256": "0" * 64}):
        forge(model, whole | {"files": {"tensors.safetensors": listed}})
        refused(model, "states no size and SHA-256")
    files = whole["files"] | {"decoder.safetensors": whole["files"]["encoder.safetensors"]}
    forge(model, whole | {"files": files})
    refused(model, "decoder.safetensors: cannot read: No such file")
    forge(model, whole)
    assert read_bundle(model).header == HEADER


def test_changes_that_leave_the_content_alone(model: Path) -> None:
    file = model / "detector.json"
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b"\n", b"\r\n"))
    assert read_bundle(model).header == HEADER
    for other in (
        raw.replace(b"\n  ", b"\n \t", 1),
        raw.replace(b"1e-05", b"1E-05"),
        raw.replace(b"0.30000000000000004", b"0.30000000000000003"),
        raw[:-1],
        json.dumps(json.loads(raw)).encode(),
    ):
        assert other != raw
        file.write_bytes(other)
        refused(model, "was edited after saving")


def test_an_escaped_half_character_is_refused(model: Path) -> None:
    content = document(model) | {"note": "\ud800"}
    content.pop("checksum")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    (model / "detector.json").write_text(json.dumps(content, indent=2) + "\n")
    refused(model, "was edited after saving")


def test_an_extra_changed_after_reading(model: Path) -> None:
    bundle = read_bundle(model)
    file = model / "encoder.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(BundleError, match="SHA-256 does not match"):
        bundle.extra("encoder")
    file.unlink()
    with pytest.raises(BundleError, match="cannot read"):
        bundle.extra("encoder")


def test_missing_things(tmp_path: Path, model: Path) -> None:
    refused(tmp_path / "nothing", "no such model folder")
    refused(model / "detector.json" / "x", "cannot read the model")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "detector.json")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "a twofold model is a folder")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop")
    assert "\n" not in refused(tmp_path / "two\nlines")


def flips(model: Path, count: int, seed: int) -> None:
    rng = random.Random(seed)
    whole = {file: file.read_bytes() for file in sorted(model.iterdir())}
    for _ in range(count):
        file = rng.choice(list(whole))
        raw = bytearray(whole[file])
        if rng.random() < 0.2:
            del raw[rng.randrange(len(raw)) :]
        else:
            for _ in range(rng.choice([1, 1, 1, 2, 8])):
                raw[rng.randrange(len(raw))] = rng.randrange(256)
        if raw == whole[file]:
            continue
        file.write_bytes(raw)
        with pytest.raises(BundleError):
            read_bundle(model).extra("encoder")
        file.write_bytes(whole[file])
    assert read_bundle(model).header == HEADER


def test_flipped_bytes_and_truncations(model: Path) -> None:
    flips(model, 500, 0)


@pytest.mark.slow
def test_many_flipped_bytes_and_truncations(model: Path) -> None:
    flips(model, 10_000, 1)


def test_flips_behind_matching_hashes(model: Path) -> None:
    """Whatever the bytes are, the answer is a BundleError or finite arrays as listed."""
    rng = random.Random(2)
    whole = (model / "tensors.safetensors").read_bytes()
    for _ in range(300):
        raw = bytearray(whole)
        for _ in range(rng.choice([1, 2, 4])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        forge_file(model, bytes(raw))
        try:
            loaded = read_bundle(model).tensors
        except BundleError:
            continue
        assert {name: a.shape for name, a in loaded.items()} == {
            name: a.shape for name, a in arrays().items()
        }
        assert all(np.isfinite(a).all() for a in loaded.values())


# --- interrupted saves ---------------------------------------------------------------------------

CALLS = ("mkdir", "open", "fsync", "rename", "replace", "unlink", "rmdir", "listdir", "close")


class Killed(BaseException):
    """Stands for the end of the process: nothing can be done after it."""


@contextmanager
def failing(at: int, error: Callable[[], BaseException], stay: bool) -> Iterator[list[int]]:
    """Let the ``at``-th call to the operating system fail, and with ``stay`` all after it."""
    seen = [0]

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen[0] += 1
            if seen[0] == at or (stay and seen[0] > at):
                raise error()
            return real(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(getattr(os, name)))
        yield seen


def save(path: Path, n: int) -> None:
    write_bundle(path, {"n": n}, {"t": np.full(3, float(n))}, {"encoder": {"w": np.full(2, n)}})


def loaded_number(path: Path) -> int:
    bundle = read_bundle(path)
    n = bundle.header["n"]
    assert isinstance(n, int)
    assert (bundle.tensors["t"] == n).all()
    assert (bundle.extra("encoder")["w"] == n).all()
    return n


def number_of_calls(tmp_path: Path) -> int:
    save(tmp_path / "count" / "m", 1)
    with failing(0, OSError, stay=False) as seen:
        save(tmp_path / "count" / "m", 2)
    shutil.rmtree(tmp_path / "count")
    assert seen[0] > 12
    return seen[0]


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EIO, errno.EACCES])
def test_an_error_at_every_call_leaves_old_or_new(tmp_path: Path, code: int) -> None:
    for at in range(1, number_of_calls(tmp_path) + 1):
        path = tmp_path / str(at) / "m"
        save(path, 1)
        message = None
        with failing(at, lambda: OSError(code, os.strerror(code)), stay=False):
            try:
                save(path, 2)
            except BundleError as error:
                message = str(error)
        if message is None:
            assert loaded_number(path) == 2
        else:
            assert os.strerror(code) in message
            assert len(message.splitlines()) == 1
            assert loaded_number(path) in (1, 2)
        left = {p.name for p in path.parent.iterdir()} - {"m", ".m.previous"}
        assert len(left) <= 1  # the removal itself may be what failed
        save(path, 3)
        assert loaded_number(path) == 3
        assert not (path.parent / ".m.previous").exists()


@pytest.mark.parametrize("existing", [True, False])
def test_a_kill_at_every_call_leaves_old_or_new(tmp_path: Path, existing: bool) -> None:
    found = set()
    for at in range(1, number_of_calls(tmp_path) + 1):
        path = tmp_path / str(at) / "m"
        if existing:
            save(path, 1)
        with suppress(Killed), failing(at, Killed, stay=True) as seen:
            save(path, 2)
        if existing or path.exists():
            found.add(loaded_number(path))
            assert existing or seen[0] > 5
        else:
            refused(path, "no such model folder")
        # A second kill at the same place, on top of what the first has left.
        with suppress(Killed), failing(at, Killed, stay=True):
            save(path, 2)
        if existing:
            assert loaded_number(path) in (1, 2)
        save(path, 3)
        assert loaded_number(path) == 3
    assert found == ({1, 2} if existing else {2})


def test_ctrl_c_at_every_call_leaves_old_or_new_and_no_litter(tmp_path: Path) -> None:
    for at in range(1, number_of_calls(tmp_path) + 1):
        path = tmp_path / str(at) / "m"
        save(path, 1)
        with failing(at, KeyboardInterrupt, stay=False), pytest.raises(KeyboardInterrupt):
            save(path, 2)
        assert loaded_number(path) in (1, 2)
        assert {p.name for p in path.parent.iterdir()} <= {"m", ".m.previous"}


def test_between_the_two_renames_the_previous_model_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(path, 1)
    path.rename(tmp_path / ".m.previous")
    assert loaded_number(path) == 1
    assert read_bundle(path).path == path
    save(path, 2)
    assert loaded_number(path) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("name", ["detector.json", "tensors.safetensors"])
def test_a_save_during_a_read_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "m"
    save(path, 1)
    real_open = os.open
    saves = [2]

    def save_then_open(file: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if Path(file) == path / name and saves:
            save(path, saves.pop())
        return real_open(file, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", save_then_open)
    assert loaded_number(path) == 2
    (path / "encoder.safetensors").unlink()
    refused(path, "encoder.safetensors: cannot read")


def test_a_failed_save_over_a_recovered_model_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(path, 1)
    path.rename(tmp_path / ".m.previous")
    with pytest.MonkeyPatch.context() as patch:

        def no_rename(*args: Any) -> None:
            raise OSError(errno.EIO, "no rename")

        patch.setattr(os, "rename", no_rename)
        with pytest.raises(BundleError, match="no rename"):
            save(path, 2)
    assert loaded_number(path) == 1
    assert [p.name for p in tmp_path.iterdir()] == [".m.previous"]


def test_a_stranger_under_the_name_of_the_previous_model_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(path, 1)
    stranger = tmp_path / ".m.previous"
    stranger.mkdir()
    (stranger / "detector.json").write_text("x")
    (stranger / "thesis.txt").write_text("x")
    with pytest.raises(BundleError, match=r"in the way.*\.m\.previous"):
        save(path, 2)
    assert len(list(stranger.iterdir())) == 2
    assert loaded_number(path) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [".m.previous", "m"]


STOPPED_SAVE = """
import sys, time
import numpy as np
from twofold.bundle import _files, write_bundle

def stop(folder):
    print("stopped", flush=True)
    sys.stdin.readline()

_files.fsync_folder = stop  # all files are written, nothing is renamed
write_bundle(sys.argv[1], {"n": 2}, {"t": np.full(3, 2.0)}, {"encoder": {"w": np.full(2, 2)}})
"""


def stopped_save(path: Path) -> subprocess.Popen[str]:
    """A save in another process, which goes on once it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED_SAVE, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    return process


@pytest.mark.parametrize("after", ["load", "save"])
def test_what_a_killed_save_has_left_is_gone_after_the_next(tmp_path: Path, after: str) -> None:
    path = tmp_path / "m"
    save(path, 1)
    with stopped_save(path) as other:
        left = {entry.name for entry in tmp_path.iterdir()} - {"m"}
        assert len(left) == 2
        assert all(name.startswith(".m.tmp-") for name in left)
        # While it lives, nobody touches its folder.
        assert loaded_number(path) == 1
        save(tmp_path / "n", 5)
        save(path, 3)
        assert {entry.name for entry in tmp_path.iterdir()} == {"m", "n", *left}
        other.kill()
        other.wait()
    if after == "save":
        save(path, 4)
    assert loaded_number(path) == (4 if after == "save" else 3)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m", "n"]


def test_a_save_that_others_have_seen_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(path, 1)
    with stopped_save(path) as other:
        assert loaded_number(path) == 1
        assert other.stdin is not None
        other.stdin.write("\n" * 9)
        other.stdin.close()
        assert other.wait() == 0
    assert loaded_number(path) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


def test_marks_that_are_none_of_ours_are_not_opened(tmp_path: Path) -> None:
    """Opening one as a lock could empty what a link points to, or wait for ever at a pipe."""
    path = tmp_path / "m"
    save(path, 1)
    precious = tmp_path / "precious.txt"
    precious.write_text("x")
    empty = tmp_path / "empty.txt"
    empty.touch()
    for digit, kind in enumerate(("link", "pipe", "folder", "content", "hard link")):
        folder = tmp_path / f".m.tmp-{str(digit) * 16}"
        folder.mkdir()
        mark = Path(f"{folder}.lock")
        if kind == "link":
            mark.symlink_to(precious)
        elif kind == "pipe":
            os.mkfifo(mark)
        elif kind == "folder":
            mark.mkdir()
        elif kind == "content":
            mark.write_text("x")
        else:
            mark.hardlink_to(empty)
    before = {entry.name for entry in tmp_path.iterdir()}
    save(path, 2)
    assert loaded_number(path) == 2
    assert {entry.name for entry in tmp_path.iterdir()} == before
    assert precious.read_text() == "x"


def test_a_name_too_long_is_refused_before_the_work(tmp_path: Path) -> None:
    for length in (240, 300):
        with pytest.raises(BundleError, match="cannot save the model"):
            check_destination(tmp_path / ("x" * length))
    save(check_destination(tmp_path / ("x" * 200)), 1)
    assert [len(entry.name) for entry in tmp_path.iterdir()] == [200]


def test_only_old_leftovers_of_ours_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "m"
    names = {
        "old": ".m.tmp-" + "0" * 16,
        "young": ".m.tmp-" + "1" * 16,
        "strange": ".m.tmp-" + "2" * 16,
        "link": ".m.tmp-" + "3" * 16,
        "other model": ".n.tmp-" + "4" * 16,
        "other name": ".m.tmp-backup",
    }
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "detector.json").write_text("x")
    for kind, name in names.items():
        folder = tmp_path / name
        if kind == "link":
            folder.symlink_to(tmp_path / "precious")
            os.utime(folder, (0, 0), follow_symlinks=False)
            continue
        folder.mkdir()
        (folder / ("thesis.txt" if kind == "strange" else "detector.json")).write_text("x")
        if kind != "young":
            os.utime(folder, (0, 0))
    save(path, 1)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"m", "precious", *names.values()} - {names["old"]}
    assert (tmp_path / "precious" / "detector.json").exists()


def test_read_only_and_full_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in (("mkdir", errno.EROFS), ("open", errno.EROFS), ("fsync", errno.ENOSPC)):
        with monkeypatch.context() as patch:

            def fail(*args: Any, _code: int = code, **kwargs: Any) -> Any:
                raise OSError(_code, os.strerror(_code), args[0])

            patch.setattr(os, name, fail)
            with pytest.raises(BundleError, match=f"m: cannot save the model: {os.strerror(code)}"):
                save(tmp_path / "m", 1)
        assert list(tmp_path.iterdir()) == []


KILLS = """
import os, random, signal, sys, time
import numpy as np
from twofold.bundle import read_bundle, write_bundle

path, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)

def save(n):
    write_bundle(path, {"n": n}, {"t": np.full(5000, float(n))}, {"encoder": {"w": np.full(9, n)}})

def check():
    bundle = read_bundle(path)
    n = bundle.header["n"]
    assert (bundle.tensors["t"] == n).all() and (bundle.extra("encoder")["w"] == n).all()
    return n

save(0)
total = 0
for _ in range(rounds):
    first = check() + 1
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        n = first
        while True:
            save(n)
            os.write(writable, b".")
            n += 1
    os.close(writable)
    os.read(readable, 1)  # at least one save is done: the child is well under way
    time.sleep(rng.uniform(0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    done = 1
    while more := os.read(readable, 65536):
        done += len(more)
    os.close(readable)
    total += done
    last = first + done - 1
    assert check() in (last, last + 1), (check(), last)
print("rounds", rounds, "saves", total)
"""


def kill_rounds(tmp_path: Path, rounds: int, seed: int) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            textwrap.dedent(KILLS),
            str(tmp_path / "m"),
            str(rounds),
            str(seed),
        ],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.returncode == 0, done.stderr
    assert f"rounds {rounds} " in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    kill_rounds(tmp_path, 20, 0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_kill_9_at_many_random_moments(tmp_path: Path) -> None:
    kill_rounds(tmp_path, 400, 1)


def test_reading_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, twofold.bundle; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.stdout.strip() == "False"
