"""The model format: what is refused before anything is written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bundle.cases import HEADER, arrays, refused

from twofold.bundle import (
    read_bundle,
    write_bundle,
)
from twofold.errors import BundleError


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
