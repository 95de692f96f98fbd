"""The one class a user needs."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold import defaults
from twofold.deferred import deferred
from twofold.detector.arguments import check_parameters, method_options, require_flag
from twofold.detector.estimator import Estimator
from twofold.detector.learning import FittedOn, Learning
from twofold.detector.looking import Sight
from twofold.detector.reading import DetectorProgress, read_fit
from twofold.detector.showing import Showing
from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder, encoder_key, load_encoder
from twofold.encoders.outputs import EngineKind
from twofold.images import ImageInput, MaskInput
from twofold.method_table import METHODS
from twofold.methods import FitData, Method, parse_config
from twofold.thresholds import Rule

if TYPE_CHECKING:
    from twofold.detector import far_model, file, fitting, inputs
    from twofold.detector.inputs import FitImages
else:
    far_model = deferred("twofold.detector.far_model")
    file = deferred("twofold.detector.file")
    fitting = deferred("twofold.detector.fitting")
    inputs = deferred("twofold.detector.inputs")

__all__ = ["Detector", "DetectorProgress"]


class Detector(Showing, Learning, Estimator):
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
        selection_weights: the same for a second encoder, which the option ``psi`` may name.
        bit_depth: bits of a pixel value, 9 to 16, of images that have more than 8; None finds it
            from the files or the largest value of a set.
        mask: what to leave out of all images, of source and target, of the fit and later: the path
            of a picture of their size, black where nothing counts; of a folder of such pictures
            called like the images; or an array (h, w), True (of uint8: 128 or more) where they are
            looked at (docs/images.md).
        calibration: ``tail``: every target image counts as normal for the threshold, but for those
            that lie surely beyond the tail of normals, if their scores thin out at least
            exponentially; ``pool``: without exception, so that the rate holds whatever normals look
            like, and anomalies in the pool hide others (docs/thresholds.md).
        strict: fail on the first unusable image instead of skipping it with a reason.
        engine: of frozen inference: ``auto``, ``openvino`` or ``torch``.
        progress: told about long work.

    Attributes:
        evidence_: what is known about the fit, all without labels.
        threshold_: the decision rule.
        method_: the fitted method.
        sight_: bit depth and masks with which images are read from now on.
        references_: presumed normals to show beside new images; None of a model without.

    Example:
        >>> detector = Detector().fit(source="line_a/good", target="line_b/unlabelled")
        ... # doctest: +SKIP
        >>> detector.predict("line_b/new")  # doctest: +SKIP
        array([0, 0, 1, 0])
    """

    def __init__(
        self,
        method: str = defaults.DEFAULT_METHOD,
        encoder: str = defaults.DEFAULT_ENCODER,
        false_alarm_rate: float = defaults.DEFAULT_FALSE_ALARM_RATE,
        random_state: int | None = defaults.DEFAULT_RANDOM_STATE,
        *,
        locality: str | None = None,
        options: Mapping[str, Any] | None = None,
        weights: str | Path | None = None,
        selection_weights: str | Path | None = None,
        bit_depth: int | None = None,
        mask: MaskInput | None = None,
        calibration: Rule = defaults.DEFAULT_CALIBRATION,
        strict: bool = False,
        engine: EngineKind = "auto",
        progress: DetectorProgress | None = None,
    ) -> None:
        super().__init__(
            false_alarm_rate=false_alarm_rate, strict=strict, engine=engine, progress=progress
        )
        self.method = method
        self.encoder = encoder
        self.random_state = random_state
        self.locality = locality
        self.options = options
        self.weights = weights
        self.selection_weights = selection_weights
        self.bit_depth = bit_depth
        self.mask = mask
        self.calibration = calibration
        self._loaded: tuple[object, Encoder] | None = None

    def fit(
        self,
        source: ImageInput,
        target: ImageInput | None = None,
        *,
        target_shots: ImageInput | None = None,
        target_labels: NDArray[np.integer] | None = None,
        source_anomalies: ImageInput | None = None,
        groups: str | Sequence[object] | NDArray[np.generic] | None = None,
    ) -> Detector:
        """Fit to the target; a second call starts afresh. A fit that fails changes nothing.

        Args:
            source: images known to be normal, in any form of
                :func:`twofold.images.find_images`: a folder, glob, list, manifest, arrays ...
            target: unlabelled images of the target; methods that only use the source ignore it.
            target_shots: a few target images known to be normal; only for methods that declare it.
            target_labels: int (n,), 1 = anomalous, one per target image as given; only for
                methods that declare it.
            source_anomalies: source images known to be anomalous; only for methods that declare it.
            groups: (n,) of numbers or texts, one per target image as given, equal for images that
                are no independent draws: of one part, lot or video; or the name of the column that
                holds them, where the target is a manifest or data frame. Copies are found anyway.

        Raises:
            TwofoldError: the images, options or weights cannot be used; the message says why.
        """
        check_parameters(self.get_params())
        method_class = METHODS.load(self.method)
        config = parse_config(method_class, method_options(self.options, self.locality))
        inputs.check_given(
            method_class,
            config,
            target=target is not None,
            target_shots=target_shots is not None,
            target_labels=target_labels is not None,
            source_anomalies=source_anomalies is not None,
        )
        given = inputs.find_fit_images(
            source,
            target,
            shots=target_shots,
            anomalies=source_anomalies,
            labels=target_labels,
            groups=groups,
            bit_depth=self.bit_depth,
            mask=self.mask,
        )
        method = method_class(self._load_encoder(), config)
        # The evidence is about whole images, whatever the method looks at.
        reader = self._reader(method, "pooled")
        known, pool, data = read_fit(reader, given, method, self.selection_weights)
        self._fit_encoded(method, data, pool, studied=True, given=given)
        self.fitted_on_ = FittedOn.of(source, target)
        # One for each image as given, the unusable ones included.
        seen = known if pool is None else pool
        self._keep_seen(inputs.as_given(self.decision_scores_, seen, np.nan))
        return self

    def fit_encoded(
        self,
        method: Method,
        data: FitData,
        *,
        pool: EncodedImages | None = None,
        studied: bool = False,
    ) -> Detector:
        """Fit on images that are encoded already: benchmarks share one encoding between cells.

        The parameters of the detector become those of the method and its encoder.

        Args:
            method: freshly made.
            data: exactly what the method declares.
            pool: target images for the evidence where the method does not see them.
            studied: gather findings, a verdict and reference images, which takes seconds and the
                pooled vectors.
        """
        check_parameters(self.get_params())
        seen = data.target_pool if pool is None else pool
        self._fit_encoded(method, data, seen, studied=studied)
        self._take_parameters(method)
        return self

    def _take_parameters(self, method: Method) -> None:
        """Name the method, options and encoder that are there."""
        self.method, self.options = method.id, method.config.model_dump(mode="json")
        self.encoder, self.weights = method.encoder.spec.id, method.encoder.origin
        self.locality = None
        self._loaded = (encoder_key(self.encoder, self.weights), method.encoder)

    def _load_encoder(self) -> Encoder:
        """The network that the parameters name; the one at hand if it is that."""
        key = encoder_key(self.encoder, self.weights)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = (key, load_encoder(self.encoder, self.weights))
        return self._loaded[1]

    def _fit_encoded(
        self,
        method: Method,
        data: FitData,
        pool: EncodedImages | None,
        *,
        studied: bool,
        given: FitImages | None = None,
    ) -> None:
        seed = secrets.randbits(31) if self.random_state is None else int(self.random_state)
        fitted = fitting.fit_method(
            method,
            data,
            pool,
            false_alarm_rate=self.false_alarm_rate,
            random_state=seed,
            studied=studied,
            rule=self.calibration,
            progress=self._reader(method).reporter("fit"),
            notes=() if given is None else given.notes,
            bit_depths=(None, None) if given is None else given.bit_depths,
        )
        for note in fitted.evidence.notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        self._take(
            fitted.model,
            fitted.threshold,
            fitted.evidence,
            fitted.calibration,
            Sight(
                fitted.evidence.bit_depths[0 if pool is None else 1],
                None if given is None else given.masks,
                given is not None and given.masks is not None and given.masks.by_name,
            ),
        )
        self.random_state_, self.references_ = seed, fitted.references
        self.drift_reference_ = fitted.drift
        self.fitted_on_ = FittedOn()
        self._keep_seen(fitted.seen_scores)

    def save(
        self, path: str | Path, *, embed_weights: bool = False, references: bool = True
    ) -> None:
        """Write a model folder: JSON and safetensors with hashes, no pickle.

        Args:
            path: a new folder, or an existing model to replace; or its address, as
                s3://bucket/line_b.twofold.
            embed_weights: put the encoder's weights inside, so that nothing outside is needed.
            references: keep small pictures of up to 200 presumed normals of either domain, which
                a report shows beside new images; False keeps no picture of any image.

        Raises:
            BundleError: the folder cannot be written or is something else.
        """
        require_flag(embed_weights, "embed_weights")
        require_flag(references, "references")
        content = file.file_of(self)
        if not references:
            content = replace(content, references=None)
        with far_model.new_model_folder(path) as folder:
            file.write_detector(folder, content, embed_weights=embed_weights)

    @classmethod
    def load(cls, path: str | Path, *, weights: str | Path | None = None) -> Detector:
        """Read a model folder; the training data is not needed.

        Args:
            path: the folder; or its address, as s3://bucket/line_b.twofold.
            weights: a local file with the encoder's weights, where they are not embedded.

        Raises:
            BundleError: damaged, altered or not a model.
            WeightsError: the encoder's weights are missing or are not those of the fit.
        """
        check_parameters({"weights": weights})
        with far_model.model_folder(path) as folder:
            content = file.read_detector(folder, weights)
        method = content.method
        detector = cls(
            method=method.id,
            encoder=method.encoder.spec.id,
            false_alarm_rate=content.threshold.requested_rate,
            random_state=content.random_state,
            options=method.config.model_dump(mode="json"),
            weights=weights,
            mask=content.sight.one_mask(),
            calibration=content.rule,
        )
        detector._take(
            method,
            content.threshold,
            content.evidence,
            content.calibration,
            content.sight,
            content.correction,
        )
        detector.random_state_ = content.random_state
        detector.references_, detector.fitted_on_ = content.references, content.fitted_on
        detector.drift_reference_ = content.drift
        # Embedded weights have no file: they stay at hand for a second fit.
        detector._loaded = (encoder_key(detector.encoder, weights), method.encoder)
        return detector
