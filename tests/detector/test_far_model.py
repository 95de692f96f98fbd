"""A model at an address."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.support import toy

from twofold import Detector
from twofold.detector import far_model
from twofold.errors import BundleError, RemoteError


def stored(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """Read addresses of a bucket from a folder; which were asked for."""
    asked: list[str] = []

    def fetch(url: str, most: int) -> bytes:
        asked.append(url.rpartition("/")[2])
        file = folder / url.removeprefix("s3://plant/")
        if not file.is_file():
            raise RemoteError("no such file")
        content = file.read_bytes()
        if len(content) > most:
            raise RemoteError("too large")
        return content

    monkeypatch.setattr(far_model, "fetch", fetch)
    return asked


@pytest.mark.slow
def test_it_is_read_as_one_of_this_machine(
    fitted: Detector, world: toy.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "line_b.twofold")
    asked = stored(monkeypatch, tmp_path)
    loaded = Detector.load("s3://plant/line_b.twofold/", weights="random")
    assert asked[0] == "detector.json"
    assert set(asked) == {file.name for file in (tmp_path / "line_b.twofold").iterdir()}
    np.testing.assert_allclose(
        loaded.decision_function(world.test), fitted.decision_function(world.test), rtol=1e-4
    )
    near = Detector.load((tmp_path / "line_b.twofold").as_uri(), weights="random")
    assert near.threshold_ == loaded.threshold_


def test_what_is_wrong_is_told_by_its_address(
    fitted: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "m"
    fitted.save(model)
    stored(monkeypatch, tmp_path)
    with pytest.raises(BundleError, match=r"^s3://plant/gone/detector.json: no such file$"):
        Detector.load("s3://plant/gone")
    content = (model / "tensors.safetensors").read_bytes()
    (model / "tensors.safetensors").write_bytes(content[:-1] + b"x")
    with pytest.raises(BundleError, match=r"^s3://plant/m/tensors.safetensors: "):
        Detector.load("s3://plant/m", weights="random")
    (model / "tensors.safetensors").unlink()
    with pytest.raises(BundleError, match=r"^s3://plant/m/tensors.safetensors: no such file$"):
        Detector.load("s3://plant/m", weights="random")
    shutil.copy(Path(__file__), model / "detector.json")
    with pytest.raises(BundleError, match=r"^s3://plant/m/detector.json"):
        Detector.load("s3://plant/m", weights="random")
