"""Tests of drift that outlive their service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.serve import serving

from twofold import Detector
from twofold.images import ImageSet
from twofold.serve.drifts import Watch
from twofold.serve.limits import Limits
from twofold.serve.metrics import Metrics
from twofold.serve.model import Model, Source
from twofold.serve.states import State

MODEL = "ab" * 32


def watched(detector: Detector, pngs: list[bytes], watch: Watch) -> None:
    detector.examine(
        ImageSet.from_contents(pngs), lambda images, portion: watch(portion), with_maps=False
    )


def test_another_test_takes_another_file(tmp_path: Path) -> None:
    first, second = State(tmp_path / "new" / "folder", MODEL), State(tmp_path / "new/folder", MODEL)
    assert first.path != second.path
    assert first.read() is None
    first.write(b"one")
    first.close()
    again = State(tmp_path / "new" / "folder", MODEL)
    assert again.path == first.path
    assert again.read() == b"one"
    assert State(tmp_path / "new" / "folder", "cd" * 32).read() is None


def test_a_watch_goes_on(detector: Detector, pngs: list[bytes], tmp_path: Path) -> None:
    whole = Watch(detector, 0.02)
    for some in (pngs[:25], pngs[25:40]):
        watch = Watch(detector, 0.02, State(tmp_path, MODEL))
        watched(detector, some, watch)
        watch.close()
        assert watch.note == ""
        watched(detector, some, whole)
        assert watch.described() == whole.described()
    assert whole.described()["n_images"] == 40


def test_what_is_known_is_kept_on_the_way(
    detector: Detector, pngs: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twofold.serve.drifts._KEEP_EVERY", 32)
    killed = Watch(detector, 0.02, State(tmp_path, MODEL))
    watched(detector, pngs[:34], killed)
    document = next(tmp_path.glob("*.json")).read_bytes()
    assert detector.drift_monitor(document=document).current().n_images >= 32


@pytest.mark.parametrize("broken", [b"", b"{}", b"\xff" * 99])
def test_what_cannot_be_read_begins_anew(
    detector: Detector, pngs: list[bytes], tmp_path: Path, broken: bytes
) -> None:
    state = State(tmp_path, MODEL)
    state.write(broken)
    watch = Watch(detector, 0.02, state)
    assert watch.described()["note"].startswith(f"drift begins anew: {state.path}")
    watched(detector, pngs[:5], watch)
    watch.close()
    assert Watch(detector, 0.02, State(tmp_path, MODEL)).described()["n_images"] == 5


def test_another_probability_begins_anew(
    detector: Detector, pngs: list[bytes], tmp_path: Path
) -> None:
    watch = Watch(detector, 0.02, State(tmp_path, MODEL))
    watched(detector, pngs[:5], watch)
    watch.close()
    other = Watch(detector, 0.01, State(tmp_path, MODEL))
    assert "states 0.02 as the probability" in other.note
    assert other.described()["n_images"] == 0


def test_a_full_disk_stops_nothing(
    detector: Detector, pngs: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    watch = Watch(detector, 0.02, State(tmp_path, MODEL))
    watched(detector, pngs[:5], watch)
    monkeypatch.setattr("twofold.serve.states.write_whole", full)
    watch.close()
    assert "No space left" in watch.note
    assert watch.described()["n_images"] == 5


def test_a_service_goes_on(detector: Detector, pngs: list[bytes], tmp_path: Path) -> None:
    def load(source: Source, limits: Limits, metrics: Metrics) -> Model:
        source = Source(source.name, source.path, state=tmp_path / "drift")
        return Model(source, detector, MODEL, limits, metrics)

    for expected in (3, 6):
        with serving(load) as served:
            for content in pngs[:3]:
                assert served.client.score([("a", content)]).status == 200
            assert served.client.get("/v1/model").json["drift"]["n_images"] == expected
