"""``encoders`` and ``encoders fetch``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from typer.testing import Result

from twofold.defaults import DEFAULT_ENCODER
from twofold.encoders.encoder import load_encoder
from twofold.encoders.registry import ENCODERS

Run = Callable[..., Result]
Parse = Callable[[str], dict[str, Any]]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder of its own, and no hub."""
    monkeypatch.setenv("TWOFOLD_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "weights"


def test_the_list_as_json(run: Run, as_object: Parse) -> None:
    result = run("encoders", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    content = as_object(result.stdout)
    assert set(content) == {"encoders"}
    assert [row["id"] for row in content["encoders"]] == list(ENCODERS.ids())
    for row in content["encoders"]:
        assert isinstance(row["available"], bool)
        assert row["feature_dim"] > 0
        assert row["licence"]
    assert next(r for r in content["encoders"] if r["id"] == DEFAULT_ENCODER)["available"]


def test_the_table_names_every_encoder(run: Run) -> None:
    result = run("encoders")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in ENCODERS.ids())


@pytest.mark.slow
def test_fetching_puts_weights_in_their_place(
    run: Run, as_object: Parse, weights: Path, tmp_path: Path
) -> None:
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(load_encoder("resnet18", "random").state(), path)
    result = run("encoders", "fetch", "resnet18", "--from", path, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    content = as_object(result.stdout)
    assert content == {
        "encoder": "resnet18",
        "source": str(path),
        "layout": "timm or torchvision",
        "sha256": load_encoder("resnet18").weights_sha256,
        "stored": str(weights / "resnet18.safetensors"),
    }
    again = run("encoders", "--json", "fetch", "resnet18")
    assert as_object(again.stdout) == content | {"source": content["stored"]}
    listed = as_object(run("encoders", "--json").stdout)["encoders"]
    assert next(row for row in listed if row["id"] == "resnet18")["available"]
    told = run("encoders", "fetch", "resnet18", "--from", path)
    assert told.exit_code == 0
    for value in content.values():
        assert value in told.stdout


def test_failures_are_one_line(run: Run, weights: Path, tmp_path: Path) -> None:
    for arguments, code, words in (
        (("resnet18",), 1, str(weights / "resnet18.safetensors")),
        (("resnet18", "--from", tmp_path), 1, "holds no weights"),
        (("resnet18", "--from", tmp_path / "gone.pth"), 1, "no weights file at"),
        (("vgg16",), 2, "unknown encoder 'vgg16'"),
    ):
        result = run("encoders", "fetch", *arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.startswith("twofold: ")
        assert words in result.stderr
        assert result.stderr.count("\n") == 1


def test_fetch_has_help(run: Run) -> None:
    result = run("encoders", "fetch", "--help")
    assert result.exit_code == 0
    assert "--from" in result.stdout
