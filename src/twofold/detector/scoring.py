"""What a fitted detector does with images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.detector.arguments import require_function
from twofold.detector.locating import Locating
from twofold.detector.looking import Sight
from twofold.detector.maps import ImageMap, map_images, require_maps
from twofold.detector.portions import Portion
from twofold.detector.reading import DetectorProgress, Reader
from twofold.detector.scores import Scores, warn_of
from twofold.encoders.encode import EncodedImages
from twofold.encoders.outputs import EngineKind
from twofold.errors import ConfigError
from twofold.images import ImageInput, ImageSet, Problem
from twofold.methods import Method
from twofold.thresholds import Calibration, Threshold, check_rate, fit_threshold

if TYPE_CHECKING:
    from twofold import densities
    from twofold.detector.references import References
    from twofold.evidence import Evidence
    from twofold.marks import Correction
else:
    densities = deferred("twofold.densities")

__all__ = ["Scoring", "with_threshold"]

Array = NDArray[np.float64]


class Scoring(Locating):
    """Scores, decisions and maps of a detector that is fitted.

    Args:
        false_alarm_rate: stated share of normal images that are called anomalous.
        strict: fail on the first unusable image.
        engine: of frozen inference.
        progress: told about long work.

    Attributes:
        threshold_: the decision rule; as a number, the score above which an image is anomalous.
        evidence_: about the fit, and what the threshold's rate means.
        calibration_: the out-of-sample scores it is read off, with which the rate can be changed.
        references_: presumed normals to show beside new images; None of a model without.
        correction_: what marks taught it (:meth:`twofold.Detector.refit`); None without marks.
        decision_scores_: after ``fit``: out-of-sample scores of the images that it saw.
        labels_: after ``fit``: the decisions on these.
    """

    threshold_: Threshold
    evidence_: Evidence
    calibration_: Calibration
    references_: References | None
    correction_: Correction | None
    decision_scores_: Array
    labels_: NDArray[np.int64]

    def __init__(
        self,
        *,
        false_alarm_rate: float,
        strict: bool,
        engine: EngineKind,
        progress: DetectorProgress | None,
    ) -> None:
        super().__init__(strict=strict, engine=engine, progress=progress)
        self.false_alarm_rate = false_alarm_rate

    def _take(
        self,
        method: Method,
        threshold: Threshold,
        evidence: Evidence,
        calibration: Calibration,
        sight: Sight,
        correction: Correction | None = None,
    ) -> None:
        """Score with these from now on."""
        self._look(method, sight)
        self.correction_ = correction
        self.threshold_, self.calibration_, self.evidence_ = threshold, calibration, evidence

    def _keep_seen(self, scores: Array) -> None:
        """Keep the scores of the images that the fit saw, NaN for an unusable one."""
        self.decision_scores_ = scores
        above = (scores > self.threshold_.value).astype(np.int64)
        self.labels_ = np.where(np.isnan(scores), -1, above)

    def decision_function(self, images: ImageInput) -> Array:
        """Anomaly scores, float64 (n,), larger = more anomalous, never clamped.

        One per image as given; NaN for an unusable one, with a warning that names it.
        """
        return self._warned(images).scores

    def predict(
        self,
        images: ImageInput,
        *,
        false_alarm_rate: float | None = None,
        false_discovery_rate: float | None = None,
    ) -> NDArray[np.int64]:
        """int64 (n,): 1 = anomalous at the stated false-alarm rate, 0 = normal, -1 = unusable.

        Args:
            images: to judge.
            false_alarm_rate: this time, instead of the detector's own.
            false_discovery_rate: decide on all of them together instead, so that on average at
                most this share of those called anomalous are normal (Benjamini & Hochberg 1995).
        """
        return self._warned(images, false_alarm_rate, false_discovery_rate).anomalous

    def score(
        self,
        images: ImageInput,
        *,
        false_alarm_rate: float | None = None,
        false_discovery_rate: float | None = None,
        each_map: Callable[[ImageMap], None] | None = None,
    ) -> Scores:
        """Scores, percentiles, p-values, decisions and problems of a set of images.

        Args:
            images: to judge.
            false_alarm_rate: see :meth:`predict`.
            false_discovery_rate: see :meth:`predict`.
            each_map: called with the anomaly map of each image, in order; images are encoded once
                for both.

        Raises:
            NotFittedError: before ``fit``.
            ConfigError: a rate is not strictly between 0 and 1, both are given, a false discovery
                rate is asked of a detector calibrated on its source, or the method has no maps.
            ImageSourceError: there are no images, or one is unusable and ``strict`` is set.
        """
        self._require_fitted()
        threshold = self._threshold(false_alarm_rate, false_discovery_rate)
        if each_map is not None:
            require_function(each_map, "each_map")
            require_maps(self.method_)
        found = self._find(images)
        scores = np.full(len(found), np.nan)
        problems: list[Problem] = []
        for rows, encoded in self._scorer().chunks(found):
            scores[rows[encoded.kept]] = self._scores(encoded)
            problems += encoded.problems
            if each_map is not None:
                for item in map_images(self.method_, found, rows, encoded):
                    each_map(item)
        notes = self._notes(found)
        if false_alarm_rate is not None and threshold.note is not None:
            notes += (threshold.note,)
        return self._judge(
            found.names, scores, tuple(problems), threshold, false_discovery_rate, notes
        )

    def examine(
        self,
        images: ImageInput,
        each: Callable[[ImageSet, Portion], None],
        *,
        with_maps: bool = True,
    ) -> Scores:
        """Like :meth:`score` at the detector's own rate, and hands on what was seen.

        Args:
            images: to judge.
            each: called with the images as found and each portion of them, in order.
            with_maps: make maps, if the method has any.

        Raises:
            NotFittedError: before ``fit``.
            ImageSourceError: there are no images, or one is unusable and ``strict`` is set.
        """
        self._require_fitted()
        found, with_maps = self._find(images), with_maps and self.method_.config.has_maps()
        scores = np.full(len(found), np.nan)
        problems: list[Problem] = []
        for rows, encoded in self._reader(self.method_, "pooled").chunks(found):
            portion = Portion(
                rows[encoded.kept],
                encoded,
                self._scores(encoded),
                self.method_.anomaly_map(encoded) if with_maps and len(encoded) else None,
            )
            scores[portion.rows] = portion.scores
            problems += encoded.problems
            each(found, portion)
        notes = self._notes(found)
        return self._judge(found.names, scores, tuple(problems), self.threshold_, notes=notes)

    def score_encoded(self, images: EncodedImages) -> Scores:
        """Like :meth:`score` for images that are encoded already."""
        self._require_fitted()
        return self._judge(images.names, self._scores(images), images.problems, self.threshold_)

    def _scorer(self) -> Reader:
        """What reads images to score them."""
        more = () if self.correction_ is None else ("pooled",)
        return self._reader(self.method_, *more)

    def _scores(self, images: EncodedImages) -> Array:
        """The method's scores, corrected by what marks have taught."""
        if self.correction_ is None or not len(images):
            return self.method_.score(images)
        own, views = self.method_.score_with_views(images)
        vectors = densities.power_normalise(images.also_as(("pooled",))["pooled"])
        return self.correction_.scores(own, vectors, views)

    def set_false_alarm_rate(self, false_alarm_rate: float) -> Self:
        """Move the threshold of a fitted detector to another rate; nothing is fitted again.

        Args:
            false_alarm_rate: in (0, 1); below what the calibration images support, the strictest
                threshold they allow is taken, with a warning.

        Raises:
            NotFittedError: before ``fit``.
            ConfigError: the rate is not strictly between 0 and 1.
        """
        self._require_fitted()
        threshold = fit_threshold(self.calibration_, false_alarm_rate)
        if threshold.note is not None:
            warnings.warn(threshold.note, UserWarning, stacklevel=2)
        self.evidence_ = with_threshold(self.evidence_, self.threshold_, threshold)
        self.threshold_, self.false_alarm_rate = threshold, float(false_alarm_rate)
        if hasattr(self, "decision_scores_"):
            self._keep_seen(self.decision_scores_)
        return self

    def _threshold(self, alarms: float | None, discoveries: float | None) -> Threshold:
        """The decision rule for what is asked.

        Raises:
            ConfigError: it cannot be had.
        """
        if discoveries is not None:
            check_rate(discoveries, "false_discovery_rate")
            if alarms is not None:
                raise ConfigError("give false_alarm_rate or false_discovery_rate, not both")
            if self.calibration_.origin == "source":
                raise ConfigError(
                    "a false discovery rate needs a method that is calibrated on the target: the "
                    f"scores of method {self.method_.id} are calibrated on source images"
                )
        if alarms is None:
            return self.threshold_
        return fit_threshold(self.calibration_, alarms)

    def _warned(
        self, images: ImageInput, alarms: float | None = None, discoveries: float | None = None
    ) -> Scores:
        result = self.score(images, false_alarm_rate=alarms, false_discovery_rate=discoveries)
        warn_of(result, stacklevel=4)
        return result

    def _judge(
        self,
        names: tuple[str, ...],
        scores: Array,
        problems: tuple[Problem, ...],
        threshold: Threshold,
        rate: float | None = None,
        notes: tuple[str, ...] = (),
    ) -> Scores:
        return Scores.judged(
            names,
            scores,
            problems,
            threshold=threshold.value,
            calibration=self.calibration_,
            false_discovery_rate=rate,
            notes=notes,
        )


def with_threshold(evidence: Evidence, before: Threshold, now: Threshold) -> Evidence:
    """Evidence whose notes are about another threshold: what it said of the old one goes with it.

    Args:
        evidence: about the fit.
        before: the threshold that its notes are about.
        now: the one that takes its place.
    """
    notes = [note for note in evidence.notes if note != before.note]
    notes += [] if now.note is None else [now.note]
    return replace(evidence, notes=tuple(notes))
