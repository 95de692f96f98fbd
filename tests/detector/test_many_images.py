"""`Detector`: many images, engines, threads and progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.detector.cases import QUICK, Make, Write, same
from tests.support import toy

from twofold import Detector
from twofold.detector import reading
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine, make_engine
from twofold.encoders.outputs import EngineKind
from twofold.errors import (
    ConfigError,
    ImageSourceError,
)
from twofold.method_table import METHODS
from twofold.metrics import auroc


def test_chunks_change_nothing(
    fitted: Detector, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted.score(world.test)
    for chunk in (1, 7, 60, 61):
        monkeypatch.setattr(reading, "CHUNK", chunk)
        parts = fitted.score(world.test)
        assert same(whole.scores, parts.scores)
        assert same(whole.anomalous, parts.anomalous)
        assert whole.names == parts.names


def test_chunks_keep_problems_in_place(
    fitted: Detector,
    world: toy.World,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths: list[Path] = write(tmp_path / "t", world.test)
    paths[4] = paths[17] = tmp_path / "missing.png"
    whole = fitted.score(paths)
    monkeypatch.setattr(reading, "CHUNK", 5)
    parts = fitted.score(paths)
    assert same(whole.scores, parts.scores)
    assert whole.problems == parts.problems
    assert np.flatnonzero(np.isnan(whole.scores)).tolist() == [4, 17]


@pytest.mark.slow
def test_progress_reaches_the_end(
    make: Make, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 25)
    seen: dict[str, list[tuple[int, int]]] = {}

    def progress(what: str, done: int, total: int) -> None:
        seen.setdefault(what, []).append((done, total))

    detector = make("paper", options=QUICK, progress=progress).fit(world.source, world.pool)
    detector.predict(world.test)
    assert list(seen) == ["encode source", "encode target", "fit", "score"]
    for steps in seen.values():
        assert steps[-1][0] == steps[-1][1]
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert seen["encode source"][-1] == (60, 60)
    assert seen["score"] == [(25, 60), (50, 60), (60, 60)]


@pytest.mark.slow
def test_the_network_is_compiled_once(
    make: Make, fitted: Detector, world: toy.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, ...]] = []

    def counted(encoder: Encoder, outputs: tuple[str, ...], kind: EngineKind) -> Engine:
        made.append(outputs)
        return make_engine(encoder, outputs, kind)

    monkeypatch.setattr("twofold.encoders.inference.make_engine", counted)
    detector = make(options={}).fit(world.source, world.pool)
    for _ in range(3):
        detector.predict(world.test[:2])
        detector.anomaly_map(world.test[:2])
    # The outputs that it scores by, and those of the bank that it was compared with.
    assert len(made) == len(set(made)) == 2
    # A method that looks at other outputs than the evidence: once for the fit, once for scoring.
    made.clear()
    other = make("padim").fit(world.source, world.pool)
    for _ in range(3):
        other.predict(world.test[:2])
    assert len(made) == 2
    made.clear()
    detector.save(tmp_path / "m")
    loaded = Detector.load(tmp_path / "m", weights="random")
    loaded.engine = "torch"
    for _ in range(3):
        scores = loaded.decision_function(world.test)
    assert same(scores, fitted.decision_function(world.test))
    assert len(made) == 1
    # Settings changed in between take effect all the same.
    seen: list[str] = []
    loaded.strict, loaded.progress = True, lambda what, done, total: seen.append(what)
    with pytest.raises(ImageSourceError):
        loaded.predict([tmp_path / "missing.png"])
    loaded.predict(world.test[:2])
    assert seen == ["score"]
    loaded.engine = "steam"  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="unknown engine"):
        loaded.predict(world.test[:2])


@pytest.mark.slow
def test_locality(make: Make, fitted: Detector, world: toy.World) -> None:
    def scores(**options: Any) -> NDArray[Any]:
        return make(**options).fit(world.source, world.pool).decision_function(world.test)

    for locality in ("global", "local", "both"):
        assert same(scores(locality=locality), scores(options={"locality": locality}))
    assert same(scores(locality="both"), fitted.decision_function(world.test))
    assert not same(scores(locality="global"), scores(locality="local"))
    assert same(scores(locality="local", options={"locality": "local"}), scores(locality="local"))
    with pytest.raises(ConfigError, match="locality is given twice: local and global"):
        scores(locality="local", options={"locality": "global"})
    with pytest.raises(ConfigError, match="option locality"):
        scores(locality="middle")
    with pytest.raises(ConfigError, match="option locality"):
        scores(method="target_only", locality="local")


@pytest.mark.slow
def test_evidence_of_a_fit(fitted: Detector, world: toy.World, make: Make) -> None:
    evidence = fitted.evidence_
    assert evidence.findings is not None
    assert evidence.contamination is None
    assert evidence.n_groups == fitted.threshold_.n_groups
    assert {"local_weight", "place_share", "source_weight"} < set(evidence.choices)
    # A method that reads something else has the same facts about the images.
    with pytest.warns(UserWarning, match="rests on source images"):
        other = make("frozen_source").fit(world.source, world.pool).evidence_
    assert other.findings is not None
    for name in ("shift_auroc", "mmd", "stability", "two_modes_p_value", "most_like_source"):
        assert getattr(other.findings, name) == getattr(evidence.findings, name)
    # Without a target there is nothing to study, and an encoding that is shared is not.
    with pytest.warns(UserWarning, match="rests on source images"):
        alone = make("frozen_source").fit(world.source).evidence_
    assert (alone.verdict, alone.findings) == ("not studied", None)
    method = METHODS.load("auto")
    data = toy.fit_data(method, toy.encode_world(world))
    shared = make().fit_encoded(method(toy.encoder()), data).evidence_
    assert (shared.verdict, shared.findings, shared.reasons) == ("not studied", None, ())
    asked = make().fit_encoded(method(toy.encoder()), data, studied=True).evidence_
    assert asked.findings == evidence.findings


@pytest.mark.slow
def test_encoded_images_give_the_same(make: Make, fitted: Detector, world: toy.World) -> None:
    method = METHODS.load("auto")(toy.encoder())
    encoded = toy.encode_world(world)
    detector = make().fit_encoded(method, toy.fit_data(METHODS.load("auto"), encoded))
    expected = fitted.score(world.test)
    result = detector.score_encoded(encoded.test)
    assert same(result.scores, expected.scores)
    assert same(result.anomalous, expected.anomalous)
    assert same(detector.decision_function(world.test), expected.scores)


@pytest.mark.slow
def test_the_default_encoder() -> None:
    world = toy.make_world(n_source=30, n_pool=40, n_test=20)
    detector = Detector(false_alarm_rate=0.1).fit(world.source, world.pool)
    scores = detector.decision_function(world.test)
    assert auroc(scores[world.test_labels == 0], scores[world.test_labels == 1]) > 0.9
