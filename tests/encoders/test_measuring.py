"""Settings are tried on a real network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support import toy

from twofold.encoders.encoder import load_encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.measuring import measure
from twofold.encoders.settings import EngineSettings, forget_settings, keep_settings


@pytest.mark.slow
def test_settings_change_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    told: list[tuple[int, int]] = []
    with toy.registered():
        encoder = load_encoder(toy.ENCODER, "random")
        found = measure(
            encoder, seconds=0.02, rounds=2, progress=lambda done, total: told.append((done, total))
        )
        assert found.settings.measured
        assert all(value > 0 for value in found.rates.values())
        assert {one.group for one in found.rates} == {1, 2, 4, 8}
        assert [done for done, _ in told] == list(range(1, len(told) + 1))
        assert len(told) <= told[0][1]
        side = encoder.spec.preprocessing.size
        images = np.random.default_rng(1).integers(0, 256, (600, side, side, 3), dtype=np.uint8)
        usual = make_engine(encoder, ("pooled",), "openvino")(images)[0]
        for settings in (EngineSettings(1, 1), EngineSettings(3, 8)):
            keep_settings(settings)
            here = make_engine(encoder, ("pooled",), "openvino")(images)[0]
            np.testing.assert_array_equal(here, usual)
        forget_settings()
