"""What a fitted detector does with images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twofold.detector.maps import ImageMap, iterate_maps, require_maps
from twofold.detector.reading import DetectorProgress, Reader
from twofold.detector.scores import Scores
from twofold.encoders.encode import EncodedImages
from twofold.encoders.outputs import EngineKind
from twofold.errors import ImageSourceError, NotFittedError
from twofold.images import ImageInput, Problem, find_images
from twofold.methods import Method
from twofold.thresholds import Threshold, check_rate

__all__ = ["Scoring"]

Array = NDArray[np.float64]
Map = NDArray[np.float32]


class Scoring:
    """Scores, decisions and maps of a detector that is fitted.

    Attributes:
        method_: the fitted method.
        threshold_: the decision rule.
        engine: of frozen inference.
        strict: fail on the first unusable image.
        progress: told about long work.
    """

    method_: Method
    threshold_: Threshold
    engine: EngineKind
    strict: bool
    progress: DetectorProgress | None
    _reference: Array
    _last_reader: Reader | None = None

    def decision_function(self, images: ImageInput) -> Array:
        """Anomaly scores, float64 (n,), larger = more anomalous, never clamped.

        One per image as given; NaN for an unusable one, with a warning that names it.
        """
        return self._warned(images).scores

    def predict(
        self, images: ImageInput, *, false_discovery_rate: float | None = None
    ) -> NDArray[np.int64]:
        """int64 (n,): 1 = anomalous at the stated false-alarm rate, 0 = normal, -1 = unusable.

        Args:
            images: to judge.
            false_discovery_rate: decide on all of them together instead, so that on average at
                most this share of those called anomalous are normal (Benjamini & Hochberg 1995).
        """
        return self._warned(images, false_discovery_rate).anomalous

    def score(self, images: ImageInput, *, false_discovery_rate: float | None = None) -> Scores:
        """Scores, percentiles, p-values, decisions and problems of a set of images.

        Raises:
            NotFittedError: before ``fit``.
            ConfigError: the rate is not strictly between 0 and 1.
            ImageSourceError: there are no images, or one is unusable and ``strict`` is set.
        """
        self._require_fitted()
        if false_discovery_rate is not None:
            check_rate(false_discovery_rate, "false_discovery_rate")
        found = find_images(images)
        scores = np.full(len(found), np.nan)
        problems: list[Problem] = []
        for rows, encoded in self._reader(self.method_).chunks(found):
            scores[rows[encoded.kept]] = self.method_.score(encoded)
            problems += encoded.problems
        return self._judge(found.names, scores, tuple(problems), false_discovery_rate)

    def score_encoded(self, images: EncodedImages) -> Scores:
        """Like :meth:`score` for images that are encoded already."""
        self._require_fitted()
        return self._judge(images.names, self.method_.score(images), images.problems, None)

    def anomaly_map(self, images: ImageInput) -> Map | list[Map]:
        """Where the anomalies are: one map per image at the image's own size.

        In spreads of normal patches above their median, larger = more anomalous, never clamped:
        the same scale for all images and places.

        Returns:
            float32 (n, h, w) where all images have one size, otherwise a list of (h, w).

        Raises:
            ConfigError: the method has no maps (`auto` with locality=global has none).
            ImageSourceError: an image is unusable.
        """
        maps: list[Map] = []
        for found in self.maps(images):
            if found.values is None:
                assert found.problem is not None
                raise ImageSourceError(f"{found.name}: {found.problem.reason}")
            maps.append(found.values)
        if len({values.shape for values in maps}) == 1:
            return np.stack(maps)
        return maps

    def maps(self, images: ImageInput) -> Iterator[ImageMap]:
        """Like :meth:`anomaly_map` one at a time, with the image; unusable ones say why."""
        self._require_fitted()
        require_maps(self.method_)
        return iterate_maps(self.method_, self._reader(self.method_), find_images(images))

    def _warned(self, images: ImageInput, rate: float | None = None) -> Scores:
        result = self.score(images, false_discovery_rate=rate)
        if result.problems:
            first = result.problems[0]
            warnings.warn(
                f"{len(result.problems)} unusable image(s) have no score; the first, "
                f"{first.path}: {first.reason}",
                UserWarning,
                stacklevel=3,
            )
        return result

    def _judge(
        self,
        names: tuple[str, ...],
        scores: Array,
        problems: tuple[Problem, ...],
        rate: float | None,
    ) -> Scores:
        return Scores.judged(
            names,
            scores,
            problems,
            threshold=self.threshold_.value,
            reference=self._reference,
            false_discovery_rate=rate,
        )

    def _require_fitted(self) -> None:
        if not hasattr(self, "method_"):
            raise NotFittedError("this Detector is not fitted: call fit first")

    def _reader(self, method: Method, *more: str) -> Reader:
        """Of a method's outputs; the last one is used again, as compiling takes seconds."""
        outputs = tuple(dict.fromkeys((*method.outputs(method.config), *more)))
        last = self._last_reader
        if (
            last is None
            or last.encoder is not method.encoder
            or (last.frozen.outputs, last.engine) != (outputs, self.engine)
        ):
            last = Reader.of(method.encoder, outputs, engine=self.engine)
        self._last_reader = replace(last, strict=self.strict, progress=self.progress)
        return self._last_reader
