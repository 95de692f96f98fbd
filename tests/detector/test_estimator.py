"""The conventions of scikit-learn and PyOD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils.validation import check_is_fitted
from tests.support import toy

from twofold import Detector
from twofold.encoders.registry import ENCODERS
from twofold.encoders.spec import Preprocessing
from twofold.errors import ConfigError, NotFittedError
from twofold.method_table import METHODS

Make = Callable[..., Detector]
RANGE = ((127.0, 127.0, 127.0), (64.0, 64.0, 64.0))


def test_parameters_are_those_of_the_constructor() -> None:
    options = {"trim": 0.1}
    detector = Detector("auto", toy.ENCODER, options=options, bit_depth=12)
    found = detector.get_params()
    assert list(found) == [
        *("method", "encoder", "false_alarm_rate", "random_state", "locality", "options"),
        *(
            "weights",
            "selection_weights",
            "bit_depth",
            "mask",
            "calibration",
            "strict",
            "engine",
            "progress",
        ),
    ]
    assert found["options"] is options
    assert (found["encoder"], found["bit_depth"]) == (toy.ENCODER, 12)
    assert Detector(**found).get_params(deep=False) == found


def test_parameters_are_set_all_or_none(make: Make) -> None:
    detector = make()
    assert detector.set_params(false_alarm_rate=0.1, random_state=3) is detector
    assert (detector.false_alarm_rate, detector.random_state) == (0.1, 3)
    with pytest.raises(ConfigError, match=r"no parameter 'contamination': choose from method, "):
        detector.set_params(random_state=4, contamination=0.1)
    assert detector.random_state == 3


@pytest.mark.slow
def test_a_clone_is_unfitted_and_fits_alike(make: Make, fitted: Detector, world: toy.World) -> None:
    again = clone(fitted)
    assert type(again) is Detector
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        again.decision_function(world.test)
    again.fit(world.source, world.pool)
    assert (again.decision_function(world.test) == fitted.decision_function(world.test)).all()


def test_scikit_learn_takes_it_for_an_outlier_detector(fitted: Detector) -> None:
    assert is_outlier_detector(fitted)
    check_is_fitted(fitted)
    with pytest.raises(SklearnNotFittedError):
        check_is_fitted(Detector())


@pytest.mark.slow
def test_scores_and_labels_of_what_was_fitted_on(
    make: Make, fitted: Detector, world: toy.World
) -> None:
    n = len(world.pool)
    assert fitted.decision_scores_.shape == fitted.labels_.shape == (n,)
    assert fitted.decision_scores_.dtype == np.float64
    assert set(fitted.labels_.tolist()) == {0, 1}
    # The threshold is a number among others.
    assert ((fitted.decision_scores_ > fitted.threshold_) == (fitted.labels_ == 1)).all()
    assert float(fitted.threshold_) == fitted.threshold_.value
    assert fitted.threshold_ + 1 > fitted.threshold_
    # Out of sample: not what the finished detector gives its own pool.
    assert (fitted.decision_scores_ != fitted.decision_function(world.pool)).mean() > 0.9
    found = make().fit_predict(world.source, world.pool)
    assert (found == fitted.labels_).all()


@pytest.mark.slow
def test_unusable_images_keep_their_rows(
    make: Make, fitted: Detector, world: toy.World, write: Any, tmp_path: Path
) -> None:
    paths = write(tmp_path / "pool", world.pool)
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    detector = make().fit(world.source, [*paths[:7], broken, *paths[7:]])
    assert np.isnan(detector.decision_scores_[7])
    assert detector.labels_[7] == -1
    rest = np.delete(detector.decision_scores_, 7)
    assert (rest == fitted.decision_scores_).all()
    assert (np.delete(detector.labels_, 7) == fitted.labels_).all()


@pytest.mark.slow
def test_without_a_target_they_are_the_sources(make: Make, world: toy.World) -> None:
    with pytest.warns(UserWarning, match="rests on source images"):
        detector = make("frozen_source").fit(world.source)
    assert detector.decision_scores_.shape == (len(world.source),)
    assert detector.labels_.mean() <= 0.06
    with pytest.warns(UserWarning, match="rests on source images"):
        found = make("frozen_source").fit_predict(world.source, world.pool)
    assert found.shape == (len(world.pool),)


def test_score_samples_has_the_sign_of_scikit_learn(fitted: Detector, world: toy.World) -> None:
    assert (fitted.score_samples(world.test) == -fitted.decision_function(world.test)).all()


def test_it_says_what_it_is(fitted: Detector, make: Make) -> None:
    text = repr(make("target_only", false_alarm_rate=0.1))
    assert text.startswith("<Detector(method='target_only', encoder='toy', false_alarm_rate=0.1")
    assert text.endswith("not fitted>")
    assert "random_state" not in text
    assert f"fitted, verdict: {fitted.evidence_.verdict}>" in repr(fitted)


def test_in_a_notebook(fitted: Detector, make: Make) -> None:
    page = fitted._repr_html_()
    for part in (
        "<td style='text-align:left'>auto</td>",
        fitted.evidence_.verdict,
        f"{fitted.evidence_.n_source} source, {fitted.evidence_.n_target} target images",
        "5%",
        f"{fitted.threshold_.value:.6g}",
    ):
        assert part in page
    assert "not fitted" in make()._repr_html_()
    hostile = make("<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in hostile


@pytest.mark.slow
def test_a_model_that_was_loaded_can_be_read_and_fitted_again(
    fitted: Detector, world: toy.World, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "m", embed_weights=True)
    loaded = Detector.load(tmp_path / "m")
    assert loaded.evidence_.verdict in repr(loaded)
    assert "fitted on" in loaded._repr_html_()
    loaded.engine = "torch"
    # Its weights came with it, and no file or hub has them.
    again = loaded.fit(world.source, world.pool)
    assert (again.decision_function(world.test) == fitted.decision_function(world.test)).all()


# --- state follows from parameters ---------------------------------------------------------------


@pytest.mark.slow
def test_another_encoder_counts_from_the_next_fit_on(
    make: Make, fitted: Detector, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(ENCODERS.load(toy.ENCODER), id="other", preprocessing=Preprocessing(48, *RANGE))
    monkeypatch.setattr(toy, "OTHER", spec, raising=False)
    ENCODERS.add("other", "tests.support.toy:OTHER")
    detector = make().fit(world.source, world.pool)
    expected = fitted.decision_function(world.test)
    detector.encoder = "other"
    # Until then it is the detector that was fitted.
    assert (detector.decision_function(world.test) == expected).all()
    detector.fit(world.source, world.pool)
    assert detector.method_.encoder.spec is spec
    fresh = make(encoder="other").fit(world.source, world.pool)
    found = detector.decision_function(world.test)
    assert (found == fresh.decision_function(world.test)).all()
    assert not np.allclose(found, expected)


@pytest.mark.slow
def test_other_weights_count_from_the_next_fit_on(
    make: Make, fitted: Detector, world: toy.World, tmp_path: Path
) -> None:
    import safetensors.torch

    file = tmp_path / "w.safetensors"
    tensors = {name: t.clone() for name, t in toy.encoder().state().items()}
    safetensors.torch.save_file(tensors, file)
    detector = make(weights=file).fit(world.source, world.pool)
    before = detector.decision_function(world.test)
    assert (before == fitted.decision_function(world.test)).all()
    # The same path, other weights.
    changed = {name: t * 1.5 if t.is_floating_point() else t for name, t in tensors.items()}
    safetensors.torch.save_file(changed, file)
    detector.fit(world.source, world.pool)
    assert detector.method_.encoder.weights_sha256 != fitted.method_.encoder.weights_sha256
    assert not (detector.decision_function(world.test) == before).all()


@pytest.mark.slow
def test_another_engine_counts_at_once(
    make: Make, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twofold.encoders.engine import make_engine

    made: list[str] = []

    def counted(encoder: Any, outputs: Any, kind: Any) -> Any:
        made.append(kind)
        return make_engine(encoder, outputs, "torch")

    monkeypatch.setattr("twofold.encoders.inference.make_engine", counted)
    detector = make(engine="torch", options={}).fit(world.source, world.pool)
    detector.engine = "openvino"
    detector.decision_function(world.test)
    detector.fit(world.source, world.pool)
    # Each for the way of looking at first, and for the bank of patches that it is compared with.
    assert made == ["torch", "torch", "openvino", "openvino"]


@pytest.mark.slow
def test_the_same_parameters_load_and_compile_once(
    make: Make, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twofold.encoders.encoder import load_encoder

    loaded: list[str] = []

    def counted(name: str, *rest: Any) -> Any:
        loaded.append(name)
        return load_encoder(name, *rest)

    monkeypatch.setattr("twofold.detector.detector.load_encoder", counted)
    detector = make()
    for state in (0, 1):
        detector.set_params(random_state=state).fit(world.source, world.pool)
    assert loaded == [toy.ENCODER]


@pytest.mark.slow
def test_after_encoded_images_it_names_what_it_has(make: Make, world: toy.World) -> None:
    method = METHODS.load("target_only")
    config = method.Config.model_validate({"trim": 0.1})
    encoded = toy.encode_world(world)
    detector = make("auto", locality="global", encoder="efficientnet_lite0", weights=None)
    detector.fit_encoded(method(toy.encoder(), config), toy.fit_data(method, encoded))
    found = detector.get_params()
    assert (found["method"], found["encoder"]) == ("target_only", toy.ENCODER)
    assert (found["weights"], found["locality"]) == ("random", None)
    assert found["options"]["trim"] == 0.1
    # So a fit by these parameters is the same detector.
    again = make(**{k: found[k] for k in ("method", "encoder", "weights", "options")})
    again.fit(world.source, world.pool)
    assert (again.decision_function(world.test) == detector.decision_function(world.test)).all()
