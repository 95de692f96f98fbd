"""The model format: JSON documents that are forged, deep, large or of another version."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bundle.cases import HEADER, document, forge, forge_file, pack, refused

from twofold.bundle import (
    read_bundle,
    write_bundle,
)
from twofold.errors import BundleError


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


@pytest.mark.slow
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
