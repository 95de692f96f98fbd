"""A model at an address."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.support import toy
from tests.support.bucket import STORES, bucket

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


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A store by address; ``detector.json`` must come last and go first."""
    files: dict[str, bytes] = {}

    def store(url: str, content: bytes) -> None:
        assert url.endswith("/detector.json") or not any("/detector.json" in one for one in files)
        files[url] = content

    def listed(url: str) -> list[str]:
        found = sorted(one for one in files if one.startswith(url))
        if not found:
            raise RemoteError("no such file")
        return found

    monkeypatch.setattr(far_model, "store", store)
    monkeypatch.setattr(far_model, "check_store", lambda url: None)
    monkeypatch.setattr(far_model, "remove", lambda url: files.pop(url, None))
    monkeypatch.setattr(far_model, "list_files", listed)
    monkeypatch.setattr(far_model, "fetch", lambda url, most: files[url])
    return files


@pytest.mark.slow
def test_it_is_saved_at_an_address_and_replaced(
    fitted: Detector, world: toy.World, kept: dict[str, bytes]
) -> None:
    fitted.save("s3://plant/line_b.twofold/")
    kept["s3://plant/line_b.twofold/weights.safetensors"] = b"of an earlier model"
    fitted.save("s3://plant/line_b.twofold", references=False)
    assert "s3://plant/line_b.twofold/weights.safetensors" not in kept
    loaded = Detector.load("s3://plant/line_b.twofold", weights="random")
    np.testing.assert_allclose(
        loaded.decision_function(world.test), fitted.decision_function(world.test), rtol=1e-4
    )


def test_something_else_at_an_address_is_left_alone(
    fitted: Detector, kept: dict[str, bytes]
) -> None:
    kept["s3://plant/archive/2026/a.png"] = b"an image"
    with pytest.raises(BundleError, match="s3://plant/archive: holds something else"):
        fitted.save("s3://plant/archive")
    kept["s3://plant/models/detector.json"] = b"{}"
    kept["s3://plant/models/line_b/detector.json"] = b"{}"
    with pytest.raises(BundleError, match="s3://plant/models: holds something else"):
        far_model.check_model_out("s3://plant/models")
    assert len(kept) == 3


def test_the_web_is_only_read() -> None:
    with pytest.raises(RemoteError, match=r"^https://h/m: the web is only read"):
        far_model.check_model_out("https://h/m?sig=secret")


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_a_bucket(
    fitted: Detector,
    world: toy.World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    store: str,
) -> None:
    address = f"{store}://plant/models/line_b.twofold"
    with bucket(store, "plant", monkeypatch) as plant:
        for _ in range(2):
            far_model.check_model_out(address)
            fitted.save(address)
        fitted.save(tmp_path / "here")
        assert {Path(key).name: size for key, size in plant.sizes().items()} == {
            file.name: file.stat().st_size for file in (tmp_path / "here").iterdir()
        }
        loaded = Detector.load(address, weights="random")
        assert loaded.threshold_ == fitted.threshold_
        plant.put("archive/a.png", b"an image")
        with pytest.raises(BundleError, match="holds something else"):
            fitted.save(f"{store}://plant/archive")
        with pytest.raises(BundleError, match=f"{store}://nowhere/m: "):
            fitted.save(f"{store}://nowhere/m")
