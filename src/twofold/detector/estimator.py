"""The conventions of scikit-learn and PyOD: parameters, training scores, copies, a readable form.

The class behind them is not scikit-learn's own base, so that a program that only scores need not
import scikit-learn.
"""

from __future__ import annotations

import html
import inspect
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError, shown
from twofold.images import ImageInput
from twofold.thresholds import Threshold

if TYPE_CHECKING:
    from twofold.evidence import Evidence

__all__ = ["Estimator"]

Array = NDArray[np.float64]


class Estimator:
    """What an outlier detector of scikit-learn and of PyOD can be asked.

    The constructor of a subclass keeps every argument, unchanged, under its own name. Labels and
    scores are PyOD's: 1 = anomalous, larger = more anomalous. Only :meth:`score_samples` has
    scikit-learn's sign.

    Attributes:
        decision_scores_: float64 (n,), scores of the target images that were fitted on, as given,
            each from a fit that has not seen its image; NaN for an unusable one. Of the source
            images where there is no target. Not kept in a saved model.
        labels_: int64 (n,) of the same: 1 = anomalous, 0 = normal, -1 = unusable.
    """

    decision_scores_: Array
    labels_: NDArray[np.int64]
    threshold_: Threshold
    evidence_: Evidence

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments as they are now.

        Args:
            deep: for scikit-learn; no argument holds arguments of its own.
        """
        del deep
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor; they count from the next ``fit`` on.

        Raises:
            ConfigError: no such argument; then none is changed.
        """
        known = self._parameters()
        for name in params:
            if name not in known:
                raise ConfigError(f"no parameter {shown(name)}: choose from {', '.join(known)}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit_predict(
        self, source: ImageInput, target: ImageInput | None = None, **more: Any
    ) -> NDArray[np.int64]:
        """Fit, and return :attr:`labels_`: 1 = anomalous, for the target images as given.

        Args:
            source: as for ``fit``.
            target: as for ``fit``.
            more: further arguments of ``fit``.
        """
        self.fit(source, target, **more)  # type: ignore[attr-defined]
        return self.labels_

    def score_samples(self, images: ImageInput) -> Array:
        """scikit-learn's sign: the lower, the more anomalous; the negative of the scores.

        Args:
            images: as for ``decision_function``.

        Returns:
            float64 (n,).
        """
        return -self.decision_function(images)  # type: ignore[attr-defined, no-any-return]

    @classmethod
    def _parameters(cls) -> tuple[str, ...]:
        return tuple(inspect.signature(cls).parameters)

    def __sklearn_tags__(self) -> Any:
        """For scikit-learn: an outlier detector whose input is not an array of numbers."""
        from sklearn.utils import InputTags, Tags, TargetTags  # noqa: PLC0415 - for it alone

        return Tags(
            estimator_type="outlier_detector",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(two_d_array=False, string=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "method_")

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        given = [
            f"{name}={_shown(value)}"
            for name, value in self.get_params().items()
            if name in ("method", "encoder") or not _same(value, defaults[name].default)
        ]
        state = f", verdict: {self.evidence_.verdict}" if self.__sklearn_is_fitted__() else ""
        fitted = "fitted" if self.__sklearn_is_fitted__() else "not fitted"
        return f"<{type(self).__name__}({', '.join(given)}) {fitted}{state}>"

    def _repr_html_(self) -> str:
        """For notebooks: what it is, what it was fitted on, and how far to trust it."""
        rows = [("method", self.get_params()["method"]), ("encoder", self.get_params()["encoder"])]
        rows += self._facts() if self.__sklearn_is_fitted__() else [("state", "not fitted")]
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(str(name))}</th>"
            f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
            for name, value in rows
        )
        return f"<table><caption>{type(self).__name__}</caption>{cells}</table>"

    def _facts(self) -> list[tuple[str, str]]:
        evidence, threshold = self.evidence_, self.threshold_
        facts = [
            ("verdict", evidence.verdict),
            ("fitted on", f"{evidence.n_source} source, {evidence.n_target} target images"),
            ("stated false-alarm rate", f"{100 * threshold.false_alarm_rate:g}%"),
            (
                "threshold",
                f"{threshold.value:.6g}, from {threshold.n_images} {threshold.origin} images",
            ),
        ]
        if hasattr(self, "labels_"):
            facts.append(("anomalous among those fitted on", str(int((self.labels_ == 1).sum()))))
        if evidence.problems:
            facts.append(("unusable images", str(len(evidence.problems))))
        return facts


def _same(value: object, default: object) -> bool:
    """Whether a parameter has its default; an array never has."""
    return not isinstance(value, np.ndarray) and value == default


def _shown(value: object) -> str:
    """A parameter as it is written, of an array its shape."""
    return f"array{value.shape}" if isinstance(value, np.ndarray) else repr(value)
