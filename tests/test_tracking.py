"""Fits as runs of MLflow, in its store of files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import toy

from twofold import Detector, __version__
from twofold.bundle import model_digest
from twofold.errors import CollapseError, TrackingError
from twofold.tracking import fit_metrics, fit_parameters, tracked_fit

mlflow = pytest.importorskip("mlflow")


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store of files, which MLflow takes after being told that one knows what one does."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    yield
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def world() -> Iterator[toy.World]:
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        yield toy.make_world()


@pytest.fixture(scope="module")
def fitted(world: toy.World) -> Detector:
    detector = Detector(
        encoder=toy.ENCODER,
        weights="random",
        engine="torch",
        options={"effort": "fast", "locality": "global"},
    )
    return detector.fit(world.source, world.pool)


def the_run(name: str = "line_b") -> Any:
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    return run


@pytest.mark.slow
def test_a_run_tells_what_was_told_and_found(
    fitted: Detector, world: toy.World, tmp_path: Path
) -> None:
    with tracked_fit("line_b", "after the new lamps") as begun:
        fitted.save(tmp_path / "model")
        begun.log(fitted, tmp_path / "model")
    run = the_run()
    assert run.info.run_id == begun.run_id
    assert run.info.run_name == "after the new lamps"
    assert run.info.status == "FINISHED"
    assert run.data.params == fit_parameters(fitted)
    assert run.data.metrics == pytest.approx(fit_metrics(fitted))
    assert run.data.tags["twofold.version"] == __version__
    assert run.data.tags["twofold.verdict"] == fitted.evidence_.verdict
    assert run.data.tags["twofold.model"] == model_digest(tmp_path / "model")
    evidence = Path(mlflow.artifacts.download_artifacts(f"runs:/{begun.run_id}/evidence.json"))
    assert json.loads(evidence.read_text(encoding="utf-8"))["verdict"] == fitted.evidence_.verdict
    # What is kept is a model like any other.
    kept = mlflow.artifacts.download_artifacts(f"runs:/{begun.run_id}/model")
    loaded = Detector.load(kept, weights="random")
    np.testing.assert_allclose(
        loaded.decision_function(world.test), fitted.decision_function(world.test), rtol=1e-4
    )


def test_parameters_and_metrics(fitted: Detector) -> None:
    told, found = fit_parameters(fitted), fit_metrics(fitted)
    assert told["method"] == "auto"
    assert told["option.locality"] == "global"
    assert "bit_depth" not in told  # was not given
    assert "target" not in told  # arrays have no place
    assert found["threshold.value"] == fitted.threshold_.value
    assert found["evidence.n_target"] == fitted.evidence_.n_target
    assert all(math.isfinite(value) for value in found.values())
    assert not [name for name in found if "interval" in name]


def test_two_runs_of_one_experiment(fitted: Detector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    for _ in range(2):
        with tracked_fit("line_b") as begun:
            begun.log(fitted, tmp_path / "model")
    client = mlflow.MlflowClient()
    found = client.search_runs([client.get_experiment_by_name("line_b").experiment_id])
    assert len({run.info.run_id for run in found}) == 2


def test_a_fit_that_fails_is_a_failed_run() -> None:
    with pytest.raises(CollapseError), tracked_fit("line_b"):
        raise CollapseError("all scores are the same")
    assert the_run().info.status == "FAILED"
    assert mlflow.active_run() is None


def test_a_run_that_was_begun_is_used_and_left_open(fitted: Detector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    mlflow.set_experiment("sweep")
    with mlflow.start_run() as mine:
        with tracked_fit("line_b") as begun:
            begun.log(fitted, tmp_path / "model")
        assert begun.run_id == mine.info.run_id
        assert begun.experiment == "sweep"
        mlflow.log_metric("auroc_by_hand", 0.9)
    assert the_run("sweep").data.params["method"] == "auto"
    assert mlflow.MlflowClient().get_experiment_by_name("line_b") is None


def test_a_store_that_is_not_there_is_known_before_the_fit(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    mlflow.set_tracking_uri((tmp_path / "taken").as_uri())
    match = "does not begin a run in 'line_b'"
    with pytest.raises(TrackingError, match=match) as caught, tracked_fit("line_b"):
        pytest.fail("the fit began")
    assert "\n" not in str(caught.value)


def test_a_model_outlives_a_store_that_breaks(
    fitted: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    fitted.save(tmp_path / "model")
    monkeypatch.setattr(mlflow, "log_artifacts", full)
    match = r"the model is in .*No space left"
    with pytest.raises(TrackingError, match=match), tracked_fit("line_b") as begun:
        begun.log(fitted, tmp_path / "model")
    assert (tmp_path / "model" / "detector.json").is_file()
    assert the_run().info.status == "FAILED"
