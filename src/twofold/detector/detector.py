"""The one class a user needs."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.detector.file import DetectorFile, read_detector, write_detector
from twofold.detector.inputs import check_given, hand_over, require_usable
from twofold.detector.scores import Scores
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.engine import EngineKind
from twofold.encoders.registry import DEFAULT_ENCODER
from twofold.errors import NotFittedError
from twofold.evidence import Evidence, collect_evidence
from twofold.images import ImageInput, ImageSet, Problem, find_images
from twofold.methods import DEFAULT_METHOD, METHODS, FitData, Method, parse_config
from twofold.thresholds import Threshold, fit_threshold, images_needed, percentiles

__all__ = ["Detector", "DetectorProgress"]

Array = NDArray[np.float64]
DetectorProgress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""

# Images scored at a time: memory stays flat however many there are.
_CHUNK = 1024


class Detector:
    """Image anomaly detector for a target, from normal source and unlabelled target images.

    Args:
        method: an id of ``twofold methods``.
        encoder: an id of ``twofold encoders``.
        false_alarm_rate: stated share of normal target images that ``predict`` calls anomalous.
        random_state: seed of everything random in ``fit``; the same seed gives the same bits on a
            CPU. None draws a fresh one.
        options: of the method; unknown names are errors.
        weights: a local file with the encoder's weights, or ``"random"``.
        selection_weights: likewise for a second encoder that an option (``psi``) names.
        strict: fail on the first unusable image instead of skipping it with a reason.
        engine: of frozen inference: ``auto``, ``openvino`` or ``torch``.
        progress: told about long work.

    Attributes:
        evidence_: what is known about the fit, all without labels.
        threshold_: the decision rule.
        method_: the fitted method.

    Example:
        >>> detector = Detector().fit(source="line_a/good", target="line_b/unlabelled")
        ... # doctest: +SKIP
        >>> detector.predict("line_b/new")  # doctest: +SKIP
        array([0, 0, 1, 0])
    """

    evidence_: Evidence
    threshold_: Threshold
    method_: Method

    def __init__(
        self,
        method: str = DEFAULT_METHOD,
        encoder: str = DEFAULT_ENCODER,
        false_alarm_rate: float = 0.05,
        random_state: int | None = 0,
        *,
        options: Mapping[str, Any] | None = None,
        weights: str | Path | None = None,
        selection_weights: str | Path | None = None,
        strict: bool = False,
        engine: EngineKind = "auto",
        progress: DetectorProgress | None = None,
    ) -> None:
        self.method = method
        self.encoder = encoder
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state
        self.options = options
        self.weights = weights
        self.selection_weights = selection_weights
        self.strict = strict
        self.engine = engine
        self.progress = progress
        self._encoder: Encoder | None = None
        self._frozen: FrozenEncoder | None = None

    def fit(
        self,
        source: ImageInput,
        target: ImageInput | None = None,
        *,
        target_shots: ImageInput | None = None,
        target_labels: NDArray[np.integer] | None = None,
        source_anomalies: ImageInput | None = None,
    ) -> Detector:
        """Fit to the target; a second call starts afresh.

        Args:
            source: images known to be normal: a folder, glob, list, manifest or uint8 array.
            target: unlabelled images of the target; methods that only use the source ignore it.
            target_shots: a few target images known to be normal; only for methods that declare it.
            target_labels: int (n,), 1 = anomalous, one per target image as given; likewise.
            source_anomalies: source images known to be anomalous; likewise.

        Raises:
            TwofoldError: the images, options or weights cannot be used; the message says why.
        """
        method_class = METHODS.load(self.method)
        config = parse_config(method_class, self.options or {})
        images_needed(self.false_alarm_rate)  # A bad rate fails before any work.
        check_given(
            method_class,
            config,
            target=target is not None,
            target_shots=target_shots is not None,
            target_labels=target_labels is not None,
            source_anomalies=source_anomalies is not None,
        )
        near = find_images(source)
        far, few, odd = (
            None if given is None else find_images(given)
            for given in (target, target_shots, source_anomalies)
        )
        if self._encoder is None:
            self._encoder = load_encoder(self.encoder, self.weights)
        method = method_class(self._encoder, config)
        self._frozen = self._frozen_encoder(method.outputs(config))
        encoded = self._encode(near, "source")
        pool = None if far is None else self._encode(far, "target")
        data = hand_over(
            method,
            encoded,
            pool=pool,
            shots=None if few is None else self._load_shots(few, method),
            anomalies=None if odd is None else self._encode(odd, "source anomaly"),
            selection=None if far is None else self._select(far, method),
            labels=target_labels,
        )
        return self._fit_encoded(method, data, pool)

    def fit_encoded(
        self, method: Method, data: FitData, *, pool: EncodedImages | None = None
    ) -> Detector:
        """Fit on images that are encoded already: benchmarks share one encoding between cells.

        Args:
            method: freshly made.
            data: exactly what the method declares.
            pool: target images for the evidence where the method does not see them.
        """
        self._encoder = method.encoder
        self._frozen = self._frozen_encoder(method.outputs(method.config))
        return self._fit_encoded(method, data, data.target_pool if pool is None else pool)

    def _fit_encoded(self, method: Method, data: FitData, pool: EncodedImages | None) -> Detector:
        seed = secrets.randbits(31) if self.random_state is None else self.random_state
        method.fit(data, random_state=seed, progress=self._reporter("train"))
        reference = method.reference(data, random_state=seed)
        threshold, presumed = fit_threshold(
            reference.scores, self.false_alarm_rate, reference.origin
        )
        evidence = collect_evidence(data.source, pool, threshold)
        for note in evidence.notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        self.method_, self.threshold_, self.evidence_ = method, threshold, evidence
        self._reference, self.random_state_ = presumed, seed
        return self

    def decision_function(self, images: ImageInput) -> Array:
        """Anomaly scores, float64 (n,), larger = more anomalous, never clamped.

        One per image as given; NaN for an unusable one, with a warning that names it.
        """
        return self._warned(images).scores

    def predict(self, images: ImageInput) -> NDArray[np.int64]:
        """int64 (n,): 1 = anomalous at the stated false-alarm rate, 0 = normal, -1 = unusable."""
        return self._warned(images).anomalous

    def score(self, images: ImageInput) -> Scores:
        """Scores, percentiles, decisions and problems of a set of images.

        Raises:
            NotFittedError: before ``fit``.
            ImageSourceError: there are no images, or one is unusable and ``strict`` is set.
        """
        self._require_fitted()
        found = find_images(images)
        scores = np.full(len(found), np.nan)
        problems: list[Problem] = []
        for rows, encoded in self._encode_chunks(found):
            scores[rows[encoded.kept]] = self.method_.score(encoded)
            problems += encoded.problems
        return self._judge(found.names, scores, tuple(problems))

    def score_encoded(self, images: EncodedImages) -> Scores:
        """Like :meth:`score` for images that are encoded already."""
        self._require_fitted()
        return self._judge(images.names, self.method_.score(images), images.problems)

    def save(self, path: str | Path, *, embed_weights: bool = False) -> None:
        """Write a model folder: JSON and safetensors with hashes, no pickle.

        Args:
            path: a new folder, or an existing model to replace.
            embed_weights: put the encoder's weights inside, so that nothing outside is needed.

        Raises:
            BundleError: the folder cannot be written or is something else.
        """
        self._require_fitted()
        content = DetectorFile(
            method=self.method_,
            threshold=self.threshold_,
            evidence=self.evidence_,
            reference=self._reference,
            random_state=self.random_state_,
        )
        write_detector(Path(path), content, embed_weights=embed_weights)

    @classmethod
    def load(cls, path: str | Path, *, weights: str | Path | None = None) -> Detector:
        """Read a model folder; the training data is not needed.

        Args:
            path: the folder.
            weights: a local file with the encoder's weights, where they are not embedded.

        Raises:
            BundleError: damaged, altered or not a model.
            WeightsError: the encoder's weights are missing or are not those of the fit.
        """
        content = read_detector(Path(path), weights)
        method = content.method
        detector = cls(
            method=method.id,
            encoder=method.encoder.spec.id,
            false_alarm_rate=content.threshold.false_alarm_rate,
            random_state=content.random_state,
            options=method.config.model_dump(mode="json"),
            weights=weights,
        )
        detector.method_, detector.threshold_ = method, content.threshold
        detector.evidence_, detector._reference = content.evidence, content.reference
        detector.random_state_, detector._encoder = content.random_state, method.encoder
        detector._frozen = detector._frozen_encoder(method.outputs(method.config))
        return detector

    def _warned(self, images: ImageInput) -> Scores:
        result = self.score(images)
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
        self, names: tuple[str, ...], scores: Array, problems: tuple[Problem, ...]
    ) -> Scores:
        usable = ~np.isnan(scores)
        shares = np.full(len(scores), np.nan)
        shares[usable] = percentiles(scores[usable], self._reference)
        anomalous = np.full(len(scores), -1, dtype=np.int64)
        anomalous[usable] = scores[usable] > self.threshold_.value
        return Scores(names, scores, shares, anomalous, problems)

    def _require_fitted(self) -> None:
        if not hasattr(self, "method_"):
            raise NotFittedError("this Detector is not fitted: call fit first")

    def _frozen_encoder(self, outputs: tuple[str, ...]) -> FrozenEncoder:
        assert self._encoder is not None
        return FrozenEncoder(self._encoder, outputs, cache=default_cache(), engine=self.engine)

    def _encode(self, images: ImageSet, what: str) -> EncodedImages:
        assert self._frozen is not None
        report = self._reporter(f"encode {what}")
        encoded = self._frozen.encode(images, strict=self.strict, progress=report)
        return require_usable(encoded, what)

    def _load_shots(self, images: ImageSet, method: Method) -> EncodedImages:
        frozen = self._frozen_encoder(method.shot_outputs(method.config))
        return require_usable(frozen.encode(images, strict=self.strict), "shot")

    def _select(self, images: ImageSet, method: Method) -> EncodedImages | None:
        """The target as the method's second encoder sees it, if it has one."""
        name = method.selection_encoder(method.config)
        if name is None:
            return None
        second = load_encoder(name, self.selection_weights)
        frozen = FrozenEncoder(second, cache=default_cache(), engine=self.engine)
        report = self._reporter(f"encode with {name}")
        return frozen.encode(images, strict=self.strict, progress=report)

    def _encode_chunks(self, images: ImageSet) -> Iterator[tuple[NDArray[np.int64], EncodedImages]]:
        assert self._frozen is not None
        report = self._reporter("score")
        for start in range(0, len(images), _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, len(images)))
            yield rows, self._frozen.encode(images.subset(rows), strict=self.strict)
            if report is not None:
                report(int(rows[-1]) + 1, len(images))

    def _reporter(self, what: str) -> Callable[[int, int], None] | None:
        return None if self.progress is None else partial(self.progress, what)
