"""The detector: inputs, random states, decisions, problems, progress."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy
from tests.support.bad_files import write_bad_files
from tests.support.each_method import each_method

from twofold import Detector
from twofold.benchmark.metrics import auroc
from twofold.defaults import DEFAULT_ENCODER, DEFAULT_METHOD
from twofold.detector import reading
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine, make_engine
from twofold.encoders.outputs import EngineKind
from twofold.errors import (
    ConfigError,
    ImageSourceError,
    NotEnoughImagesError,
    NotFittedError,
    TwofoldError,
    UsageError,
)
from twofold.method_table import METHODS

Make = Callable[..., Detector]
Write = Callable[[Path, NDArray[Any]], list[Path]]
QUICK = {"training": {"epochs": 2}}


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


# --- what is given -------------------------------------------------------------------------------


def test_parameters_are_stored_as_they_are() -> None:
    options = {"trim": 0.2}
    given: dict[str, Any] = {
        "method": "target_only",
        "encoder": toy.ENCODER,
        "false_alarm_rate": 0.1,
        "random_state": 7,
        "options": options,
        "weights": "random",
        "strict": True,
        "engine": "torch",
        "progress": print,
    }
    detector = Detector(**given)
    assert all(getattr(detector, name) is value for name, value in given.items())
    assert options == {"trim": 0.2}
    default = Detector()
    assert (default.method, default.encoder) == (DEFAULT_METHOD, DEFAULT_ENCODER)
    assert (default.false_alarm_rate, default.random_state) == (0.05, 0)


def test_fit_changes_no_parameter_and_no_input(make: Make, world: toy.World) -> None:
    detector = make("oracle", options=QUICK, random_state=None)
    before = {k: v for k, v in vars(detector).items() if not k.startswith("_")}
    arrays: list[NDArray[Any]] = [world.source, world.pool, world.pool_labels, world.test]
    copies = [array.copy() for array in arrays]
    assert detector.fit(world.source, world.pool, target_labels=world.pool_labels) is detector
    detector.predict(world.test)
    after = {k: v for k, v in vars(detector).items() if not (k.startswith("_") or k.endswith("_"))}
    assert after == before
    assert detector.options is before["options"]
    for one, two in zip(copies, arrays, strict=True):
        assert same(one, two)


def test_arrays_folders_lists_globs_and_manifests_are_the_same(
    make: Make, fitted: Detector, world: toy.World, write: Write, tmp_path: Path
) -> None:
    expected = fitted.decision_function(world.test)
    source, pool, test = (
        write(tmp_path / name, getattr(world, name)) for name in ("source", "pool", "test")
    )
    manifest = tmp_path / "test.csv"
    manifest.write_text("path\n" + "\n".join(f"test/{path.name}" for path in test) + "\n")
    for near, far in (
        (tmp_path / "source", str(tmp_path / "pool")),
        (source, [str(path) for path in pool]),
    ):
        detector = make().fit(near, far)
        for images in (tmp_path / "test", test, str(tmp_path / "test" / "*.png"), manifest):
            assert same(detector.decision_function(images), expected)


@each_method
def test_every_method(fit_of: Callable[[str], Any], world: toy.World, name: str) -> None:
    uses_pool = "target_pool" in METHODS.load(name).needs
    fit = fit_of(name)
    # Where the rate holds for the source only, the user hears it.
    heard = ["rests on source images" in note for note in fit.warned]
    assert heard == ([] if uses_pool else [True])
    detector = fit.detector
    scores = detector.score(world.test)
    normal = scores.scores[world.test_labels == 0]
    if name not in toy.WEAK:
        assert auroc(normal, scores.scores[world.test_labels == 1]) > 0.75
    assert detector.threshold_.origin == ("target" if uses_pool else "source")
    assert np.array_equal(scores.anomalous, scores.scores > detector.threshold_.value)


def test_methods_that_only_use_the_source_need_no_target(make: Make, world: toy.World) -> None:
    alone, beside = make("frozen_source"), make("frozen_source")
    with pytest.warns(UserWarning, match="rests on source images"):
        alone.fit(world.source)
    with pytest.warns(UserWarning, match="rests on source images"):
        beside.fit(world.source, world.pool)
    assert same(alone.decision_function(world.test), beside.decision_function(world.test))
    assert alone.evidence_.n_target == 0
    assert beside.evidence_.n_target == len(world.pool)


def test_wrong_uses(make: Make, world: toy.World) -> None:
    with pytest.raises(UsageError, match="needs target images"):
        make().fit(world.source)
    with pytest.raises(ConfigError, match="must not see target_labels"):
        make("paper").fit(world.source, world.pool, target_labels=world.pool_labels)
    with pytest.raises(ConfigError, match="needs target_labels"):
        make("oracle", options=QUICK).fit(world.source, world.pool)
    with pytest.raises(UsageError, match="needs target_shots"):
        make("paper_few_shot").fit(world.source, world.pool)
    with pytest.raises(ConfigError, match="must not see target_shots"):
        make().fit(world.source, world.pool, target_shots=world.pool[:3])
    with pytest.raises(ConfigError, match="unknown method 'x': choose one of auto"):
        make("x").fit(world.source, world.pool)
    with pytest.raises(ConfigError, match="unknown encoder 'x'"):
        make(encoder="x").fit(world.source, world.pool)
    with pytest.raises(ConfigError, match=r"option speed.*its options: trim, shrinkage"):
        make(options={"speed": 1}).fit(world.source, world.pool)
    for rate in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="strictly between 0 and 1"):
            make(false_alarm_rate=rate).fit(world.source, world.pool)
    with pytest.raises(ConfigError, match="unknown engine"):
        make(engine="steam").fit(world.source, world.pool)
    detector = make()
    for use in (detector.decision_function, detector.predict, detector.score):
        with pytest.raises(NotFittedError, match="call fit first"):
            use(world.test)


# --- random states -------------------------------------------------------------------------------


def test_random_states(make: Make, world: toy.World, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(state: int | None) -> tuple[NDArray[Any], Detector]:
        detector = make("paper", options=QUICK, random_state=state)
        detector.fit(world.source, world.pool)
        return detector.decision_function(world.test), detector

    zero, first = scores(0)
    assert first.random_state_ == 0
    assert same(zero, scores(0)[0])
    one, _ = scores(1)
    assert not np.array_equal(zero, one)
    drawn = iter([4, 5])
    monkeypatch.setattr("secrets.randbits", lambda bits: next(drawn))
    fresh, detector = scores(None)
    assert detector.random_state_ == 4
    assert detector.random_state is None
    assert same(fresh, scores(4)[0])
    detector.fit(world.source, world.pool)
    assert detector.random_state_ == 5


def test_refit_is_a_fresh_fit(make: Make, world: toy.World) -> None:
    other = toy.make_world(1)
    detector = make("paper", options=QUICK).fit(other.source, other.pool)
    detector.fit(world.source, world.pool)
    fresh = make("paper", options=QUICK).fit(world.source, world.pool)
    assert same(detector.decision_function(world.test), fresh.decision_function(world.test))
    assert detector.threshold_ == fresh.threshold_
    assert detector.evidence_ == fresh.evidence_


SUBPROCESS = """
import hashlib, sys
from tests.support import toy
from twofold import Detector

toy.register()
world = toy.make_world(2)
for method in ("auto", "paper"):
    options = {"training": {"epochs": 2}} if method == "paper" else {}
    detector = Detector(method, toy.ENCODER, weights="random", random_state=3, options=options)
    detector.fit(world.source, world.pool)
    scores = detector.score(world.test)
    print(hashlib.sha256(scores.scores.tobytes()).hexdigest(), repr(detector.threshold_))
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env=os.environ | {"PYTHONPATH": root} | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_processes_give_the_same_bits() -> None:
    outputs = [run(SUBPROCESS, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].split()) > 4


# --- decisions -----------------------------------------------------------------------------------


def test_decisions_follow_the_threshold(fitted: Detector, world: toy.World) -> None:
    result = fitted.score(world.test)
    assert result.scores.dtype == np.float64
    assert result.anomalous.dtype == np.int64
    assert same(fitted.decision_function(world.test), result.scores)
    assert same(fitted.predict(world.test), result.anomalous)
    assert np.array_equal(result.anomalous == 1, result.scores > fitted.threshold_.value)
    assert result.usable.all()
    assert result.names[3] == "array[3]"
    assert ((result.percentiles >= 0) & (result.percentiles <= 100)).all()
    order = np.argsort(result.scores)
    assert (np.diff(result.percentiles[order]) >= 0).all()
    # A tenth of the pool is anomalous and counts as normal: at a rate that leaves room for it all
    # are found.
    roomy = fitted.predict(world.test, false_alarm_rate=0.2)
    assert roomy[world.test_labels == 1].mean() > 0.8
    assert roomy[world.test_labels == 0].mean() < 0.2


def test_scores_are_never_clamped(fitted: Detector, world: toy.World) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    flat = np.full((2, 64, 64, 3), [[[[255]]], [[[0]]]], dtype=np.uint8)
    far = fitted.decision_function(np.concatenate([noise, flat]))
    usual = fitted.decision_function(world.test)
    assert (far > 2 * np.median(usual)).all()
    assert len(np.unique(far)) == 5
    assert (fitted.score(noise).percentiles == 100).all()


def test_one_image(fitted: Detector, world: toy.World, write: Write, tmp_path: Path) -> None:
    whole = fitted.decision_function(world.test)
    assert same(fitted.decision_function(world.test[:1]), whole[:1])
    path = write(tmp_path / "one", world.test[:1])[0]
    assert same(fitted.decision_function(path), whole[:1])
    assert fitted.predict(str(path)).shape == (1,)


def test_a_failed_fit_leaves_the_earlier_one_whole(make: Make, world: toy.World) -> None:
    detector = make().fit(world.source, world.pool)
    before = detector.score(world.test)
    for source, target in (
        (world.source, world.pool[:1]),
        (world.source[:1], world.pool),
        (world.source, "nowhere"),
    ):
        with pytest.raises(TwofoldError):
            detector.fit(source, target)
        after = detector.score(world.test)
        assert same(before.scores, after.scores)
        assert same(before.anomalous, after.anomalous)


# --- unusable images -----------------------------------------------------------------------------


def test_bad_files_change_no_bit(
    make: Make, fitted: Detector, world: toy.World, write: Write, tmp_path: Path
) -> None:
    expected = fitted.decision_function(world.test)
    folders = {name: tmp_path / name for name in ("source", "pool", "test")}
    bad: dict[str, str] = {}
    for name, folder in folders.items():
        write(folder, getattr(world, name))
        bad = write_bad_files(folder)
    detector = make().fit(folders["source"], folders["pool"])
    assert len(detector.evidence_.problems) == 2 * len(bad)
    assert detector.threshold_ == fitted.threshold_
    with pytest.warns(UserWarning, match=rf"{len(bad)} unusable image") as caught:
        scores = detector.decision_function(folders["test"])
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    result = detector.score(folders["test"])
    good = np.array([Path(name).name not in bad for name in result.names])
    assert good.sum() == len(world.test)
    assert same(scores[good], expected)
    assert np.isnan(scores[~good]).all()
    assert np.isnan(result.percentiles[~good]).all()
    assert (result.anomalous[~good] == -1).all()
    assert np.array_equal(result.usable, good)
    with pytest.warns(UserWarning, match="unusable"):
        assert same(detector.predict(folders["test"]), result.anomalous)
    for problem in result.problems:
        assert bad[Path(problem.path).name] in problem.reason


def test_strict(make: Make, world: toy.World, write: Write, tmp_path: Path) -> None:
    good = write(tmp_path / "pool", world.pool)
    (tmp_path / "pool" / "zzz.png").write_text("no image")
    with pytest.raises(ImageSourceError, match=r"zzz.png: not an image"):
        make(strict=True).fit(world.source, tmp_path / "pool")
    with pytest.raises(ImageSourceError, match=r"zzz.png"):
        make("frozen_source", strict=True).fit(tmp_path / "pool")
    detector = make(strict=True).fit(world.source, good)
    with pytest.raises(ImageSourceError, match=r"zzz.png"):
        detector.predict(tmp_path / "pool")


def test_nothing_usable(make: Make, fitted: Detector, world: toy.World, tmp_path: Path) -> None:
    bad = write_bad_files(tmp_path)
    with pytest.raises(NotEnoughImagesError, match=rf"none of the {len(bad)} target images"):
        make().fit(world.source, tmp_path)
    with pytest.raises(NotEnoughImagesError, match=r"none of the .* source images"):
        make().fit(tmp_path, world.pool)
    with pytest.warns(UserWarning, match="unusable"):
        assert (fitted.predict(tmp_path) == -1).all()
    with pytest.raises(ImageSourceError):
        fitted.predict(tmp_path / "nothing")


def test_labels_stay_with_their_images(
    make: Make, world: toy.World, write: Write, tmp_path: Path
) -> None:
    """An unusable image in the pool takes its label with it."""
    paths = write(tmp_path / "pool", world.pool)
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    listed = [*paths[:10], broken, *paths[10:]]
    expected = make("oracle", options=QUICK)
    expected.fit(world.source, paths, target_labels=world.pool_labels)
    for label in (0, 1):
        detector = make("oracle", options=QUICK)
        detector.fit(world.source, listed, target_labels=np.insert(world.pool_labels, 10, label))
        scores = detector.decision_function(world.test)
        assert same(scores, expected.decision_function(world.test))
    with pytest.raises(ConfigError, match="80 entries for 81 target images"):
        make("oracle").fit(world.source, listed, target_labels=world.pool_labels)


# --- copies --------------------------------------------------------------------------------------


def test_copies_across_are_counted(make: Make, world: toy.World) -> None:
    pool = np.concatenate([world.pool, world.source[:3]])
    with pytest.warns(UserWarning, match=r"3 target image\(s\) are also in the source") as caught:
        detector = make().fit(world.source, pool)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert detector.evidence_.n_copies_across == 3
    pool = np.concatenate([world.pool, world.pool[:2]])
    with pytest.warns(
        UserWarning, match=r"2 target image\(s\) repeat|82 target images count as 80"
    ):
        detector = make().fit(world.source, pool)
    assert detector.evidence_.n_copies_target == 2
    assert detector.evidence_.n_groups == 80


def test_one_folder_twice(make: Make, world: toy.World, write: Write, tmp_path: Path) -> None:
    write(tmp_path / "a", world.pool)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        detector = make().fit(tmp_path / "a", tmp_path / "a")
    verdict, note = (str(one.message) for one in caught)
    assert verdict.startswith("no shift: source detector suffices (source and target look alike: ")
    assert note == "source and target hold the same 80 images: is one folder given twice?"
    assert {one.category for one in caught} == {UserWarning}
    assert {one.filename for one in caught} == {__file__}
    assert detector.evidence_.verdict == "no shift: source detector suffices"


def test_a_clean_fit_is_silent(make: Make, world: toy.World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = make().fit(world.source, world.pool)
    assert detector.evidence_.notes == ()
    assert detector.evidence_.verdict == "adapt"
    assert (detector.evidence_.n_source, detector.evidence_.n_target) == (60, 80)


# --- many images, progress -----------------------------------------------------------------------


def test_chunks_change_nothing(
    fitted: Detector, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted.score(world.test)
    for chunk in (1, 7, 60, 61):
        monkeypatch.setattr(reading, "_CHUNK", chunk)
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
    monkeypatch.setattr(reading, "_CHUNK", 5)
    parts = fitted.score(paths)
    assert same(whole.scores, parts.scores)
    assert whole.problems == parts.problems
    assert np.flatnonzero(np.isnan(whole.scores)).tolist() == [4, 17]


def test_progress_reaches_the_end(
    make: Make, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 25)
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


def test_the_network_is_compiled_once(
    make: Make, fitted: Detector, world: toy.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, ...]] = []

    def counted(encoder: Encoder, outputs: tuple[str, ...], kind: EngineKind) -> Engine:
        made.append(outputs)
        return make_engine(encoder, outputs, kind)

    monkeypatch.setattr("twofold.encoders.encode.make_engine", counted)
    detector = make().fit(world.source, world.pool)
    for _ in range(3):
        detector.predict(world.test[:2])
        detector.anomaly_map(world.test[:2])
    assert len(made) == 1
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
