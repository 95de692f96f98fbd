"""The model format: what was written comes back."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bundle.cases import HEADER, arrays, document, same

from twofold.bundle import (
    SCHEMA_VERSION,
    Bundle,
    read_bundle,
    write_bundle,
)
from twofold.errors import BundleError

DTYPES = ["float16", "float32", "float64", "bool"] + [
    f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
]


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
