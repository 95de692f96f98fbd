"""``methods`` and ``doctor``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.cli.cases import one_line
from typer.testing import Result

from twofold import __version__
from twofold.defaults import DEFAULT_ENCODER
from twofold.encoders.encoder import Encoder
from twofold.encoders.measuring import Measured
from twofold.encoders.settings import EngineSettings
from twofold.errors import WeightsError
from twofold.method_table import METHODS
from twofold.methods import Need

Run = Callable[..., Result]
Parse = Callable[[str], dict[str, Any]]


def test_methods_as_json(run: Run, as_object: Parse) -> None:
    result = run("methods", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    content = as_object(result.stdout)
    assert set(content) == {"methods"}
    assert [row["id"] for row in content["methods"]] == list(METHODS.ids())
    by_id = {row["id"]: row for row in content["methods"]}
    assert by_id["auto"]["needs"] == ["target_pool"]
    assert [by_id[name]["group"] for name in ("auto", "padim", "oracle", "gnl")] == [
        *("recommended", "recommended", "paper", "comparison")
    ]
    assert by_id["oracle"]["needs"] == ["target_labels", "target_pool"]
    assert by_id["source_only"]["needs"] == []
    assert by_id["gnl"]["needs"] == ["source_reference"]
    assert (by_id["tsa"]["needs"], by_id["tsa"]["may_need"]) == (
        ["target_shots"],
        ["source_anomalies"],
    )
    for row in content["methods"]:
        assert set(row) == {"id", "group", "needs", "may_need", "summary"}
        assert set(row["needs"]) | set(row["may_need"]) <= set(get_args(Need))
        assert row["summary"]


def test_the_table_names_every_method(run: Run) -> None:
    result = run("methods")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in METHODS.ids())


@pytest.mark.slow
def test_doctor_as_json(run: Run, as_object: Parse, tmp_path: Path) -> None:
    result = run("doctor", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    content = as_object(result.stdout)
    assert content["twofold"] == __version__
    assert content["problems"] == []
    assert content["default_encoder"] == DEFAULT_ENCODER
    assert content["images_per_second"] > 0
    assert content["cores"] >= 1
    assert isinstance(content["cuda"], bool)


def test_doctor_fails_without_the_default_weights(
    run: Run, as_object: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> float:
        raise WeightsError(f"{name} has no weights")

    monkeypatch.setattr("twofold.cli.info._speed", missing)
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    result = run("doctor", "--json")
    assert result.exit_code == 1
    assert result.stderr == "twofold: efficientnet_lite0 has no weights\n"
    content = as_object(result.stdout)
    assert content["problems"] == ["efficientnet_lite0 has no weights"]
    assert content["cache"] is None
    assert content["images_per_second"] is None


def test_doctor_reports_an_unusable_cache(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("twofold.cli.info._speed", lambda name: 1.0)
    result = run("doctor")
    assert result.exit_code == 1
    assert "set TWOFOLD_CACHE" in result.stderr.splitlines()[-1]


def test_doctor_measures_and_forgets(
    run: Run, as_object: Parse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    monkeypatch.setattr("twofold.cli.info._speed", lambda name: 1.0)
    fast, usual = EngineSettings(1, 8, measured=True), EngineSettings.usual()

    def measured(encoder: Encoder, progress: Callable[[int, int], None]) -> Measured:
        progress(1, 1)
        return Measured(fast, {fast: 20.0, usual: 10.04})

    monkeypatch.setattr("twofold.encoders.measuring.measure", measured)
    content = as_object(run("doctor", "--measure", "--json").stdout)
    assert content["settings"] == {"streams": 1, "group": 8, "measured": True}
    assert content["measured"][0] == {"streams": 1, "group": 8, "images_per_second": 20.0}
    assert "20.0 images/s  1 at a time, 8 a call" in run("doctor", "--measure").stdout
    assert as_object(run("doctor", "--json").stdout)["settings"]["measured"]
    assert not as_object(run("doctor", "--forget", "--json").stdout)["settings"]["measured"]
    one_line(run("doctor", "--measure", "--forget"), code=2, word="not both")
