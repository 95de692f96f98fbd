"""The one class a user needs."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.detector.file import DetectorFile, read_detector, write_detector
from twofold.detector.fitting import fit_method
from twofold.detector.inputs import check_given, hand_over
from twofold.detector.reading import DetectorProgress
from twofold.detector.scoring import Scoring
from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.outputs import EngineKind
from twofold.encoders.registry import DEFAULT_ENCODER
from twofold.errors import ConfigError
from twofold.evidence import Evidence
from twofold.images import ImageInput, find_images
from twofold.methods import DEFAULT_METHOD, METHODS, FitData, Method, parse_config
from twofold.thresholds import images_needed

__all__ = ["Detector", "DetectorProgress"]


class Detector(Scoring):
    """Image anomaly detector for a target, from normal source and unlabelled target images.

    Args:
        method: an id of ``twofold methods``.
        encoder: an id of ``twofold encoders``.
        false_alarm_rate: stated share of normal target images that ``predict`` calls anomalous.
        random_state: seed of everything random in ``fit``; the same seed gives the same bits on a
            CPU. None draws a fresh one.
        locality: what `auto` looks at, ``global``, ``local`` or ``both``: its option of this name.
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

    def __init__(
        self,
        method: str = DEFAULT_METHOD,
        encoder: str = DEFAULT_ENCODER,
        false_alarm_rate: float = 0.05,
        random_state: int | None = 0,
        *,
        locality: str | None = None,
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
        self.locality = locality
        self.options = options
        self.weights = weights
        self.selection_weights = selection_weights
        self.strict = strict
        self.engine = engine
        self.progress = progress
        self._encoder: Encoder | None = None

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
        config = parse_config(method_class, self._options())
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
        # The evidence is about whole images, whatever the method looks at.
        reader = self._reader(method, "pooled")
        known = reader.read(near, "source")
        pool = None if far is None else reader.read(far, "target")
        data = hand_over(
            method,
            known,
            pool=pool,
            shots=None if few is None else reader.read_shots(few, method),
            anomalies=None if odd is None else reader.read(odd, "source anomaly"),
            selection=None if far is None else reader.select(far, method, self.selection_weights),
            labels=target_labels,
        )
        return self._fit_encoded(method, data, pool, studied=True)

    def fit_encoded(
        self,
        method: Method,
        data: FitData,
        *,
        pool: EncodedImages | None = None,
        studied: bool = False,
    ) -> Detector:
        """Fit on images that are encoded already: benchmarks share one encoding between cells.

        Args:
            method: freshly made.
            data: exactly what the method declares.
            pool: target images for the evidence where the method does not see them.
            studied: gather findings and a verdict, which takes seconds and the pooled vectors.
        """
        self._encoder = method.encoder
        seen = data.target_pool if pool is None else pool
        return self._fit_encoded(method, data, seen, studied=studied)

    def _fit_encoded(
        self, method: Method, data: FitData, pool: EncodedImages | None, *, studied: bool
    ) -> Detector:
        seed = secrets.randbits(31) if self.random_state is None else self.random_state
        fitted = fit_method(
            method,
            data,
            pool,
            false_alarm_rate=self.false_alarm_rate,
            random_state=seed,
            studied=studied,
            progress=self._reader(method).reporter("fit"),
        )
        for note in fitted.evidence.notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        self.method_, self.threshold_, self.evidence_ = method, fitted.threshold, fitted.evidence
        self._reference, self.random_state_ = fitted.reference, seed
        return self

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
        return detector

    def _options(self) -> dict[str, Any]:
        options = dict(self.options or {})
        given = options.get("locality", self.locality)
        if self.locality not in (None, given):
            raise ConfigError(f"locality is given twice: {self.locality} and {given}")
        return options if given is None else options | {"locality": given}
