"""A fit as a run of MLflow: its options, what was found, and the model as an artefact."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twofold import __version__
from twofold.bundle import model_digest
from twofold.detector.far_model import model_folder
from twofold.errors import MissingExtraError, TrackingError

if TYPE_CHECKING:
    from twofold.detector import Detector

__all__ = ["FitRun", "fit_metrics", "fit_parameters", "tracked_fit"]

# What the constructor of a detector takes and a person would compare runs by.
_OPTIONS: Final = (
    "method",
    "encoder",
    "false_alarm_rate",
    "random_state",
    "locality",
    "calibration",
    "bit_depth",
)


def fit_parameters(detector: Detector) -> dict[str, str]:
    """What a fit was told, as the parameters of a run.

    Args:
        detector: fitted.

    Returns:
        name -> value; an option of the method is called ``option.NAME``, and ``source`` and
        ``target`` are where the images lay. What was not given is left out.
    """
    told = {name: getattr(detector, name) for name in _OPTIONS} | asdict(detector.fitted_on_)
    told |= {f"option.{name}": value for name, value in (detector.options or {}).items()}
    return {name: str(value) for name, value in told.items() if value is not None}


def fit_metrics(detector: Detector) -> dict[str, float]:
    """What a fit found, as the metrics of a run.

    Args:
        detector: fitted.

    Returns:
        name -> number: those of the threshold (``threshold.value``), and those of the evidence with
        their place in it (``evidence.n_target``, ``evidence.findings.kinship``). Lists, such as
        intervals, and what is no finite number are left out; the run's ``evidence.json`` has them.
    """
    found = {"threshold": asdict(detector.threshold_), "evidence": asdict(detector.evidence_)}
    return dict(_numbers(found, ()))


def _numbers(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(inner, (*place, str(name)))
    elif isinstance(value, int | float) and math.isfinite(value):
        yield ".".join(place), float(value)


@dataclass(frozen=True)
class FitRun:
    """A run that has begun.

    Attributes:
        run_id: by which MLflow knows it.
        experiment: the name of the experiment it belongs to.
    """

    run_id: str
    experiment: str

    def log(self, detector: Detector, model: str | Path) -> None:
        """Log what was told and found, and the saved model with its evidence.

        Args:
            detector: fitted.
            model: the folder or address where it was saved; its files become the artefact
                ``model``.

        Raises:
            TrackingError: MLflow did not take it.
        """
        mlflow = _require_mlflow()
        try:
            mlflow.log_params(fit_parameters(detector), run_id=self.run_id)
            mlflow.log_metrics(fit_metrics(detector), run_id=self.run_id)
            mlflow.log_dict(asdict(detector.evidence_), "evidence.json", run_id=self.run_id)
            with model_folder(model) as folder:
                for tag, value in _tags(detector, folder).items():
                    mlflow.MlflowClient().set_tag(self.run_id, tag, value)
                mlflow.log_artifacts(str(folder), "model", run_id=self.run_id)
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise TrackingError(
                f"the model is in {model}, but MLflow did not take its run {self.run_id}: {error}"
            ) from error


@contextmanager
def tracked_fit(experiment: str, name: str | None = None) -> Iterator[FitRun]:
    """A run of MLflow that lasts as long as the fit within it.

    Where it is kept is what MLflow itself was told: by ``MLFLOW_TRACKING_URI`` or
    ``mlflow.set_tracking_uri``; so are credentials. A run that the caller has begun is used and
    left open. If what is within fails, the run is marked as failed.

    Args:
        experiment: its name; made if there is none of that name.
        name: of the run; MLflow invents one.

    Raises:
        MissingExtraError: MLflow is not installed.
        TrackingError: MLflow does not begin a run.
    """
    mlflow = _require_mlflow()
    begun = mlflow.active_run()
    if begun is not None:
        yield FitRun(begun.info.run_id, mlflow.get_experiment(begun.info.experiment_id).name)
        return
    try:
        run = mlflow.start_run(experiment_id=_experiment_id(mlflow, experiment), run_name=name)
    except (mlflow.exceptions.MlflowException, OSError) as error:
        raise TrackingError(f"MLflow does not begin a run in {experiment!r}: {error}") from error
    with run:
        yield FitRun(run.info.run_id, experiment)


def _tags(detector: Detector, model: Path) -> dict[str, str]:
    told = {
        "version": __version__,
        "verdict": detector.evidence_.verdict,
        "model": model_digest(model),
    }
    return {f"twofold.{name}": value for name, value in told.items()}


def _experiment_id(mlflow: Any, name: str) -> str:
    known = mlflow.get_experiment_by_name(name)
    return str(mlflow.create_experiment(name) if known is None else known.experiment_id)


def _require_mlflow() -> Any:
    try:
        import mlflow  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError(
            "runs need MLflow: pip install 'twofold[mlflow]', or mlflow itself"
        ) from None
    return mlflow
