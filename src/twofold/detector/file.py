"""A fitted detector as a model folder, and back."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from twofold import __version__
from twofold.bundle import Bundle, read_bundle, write_bundle
from twofold.deferred import installed_version
from twofold.detector.header import EncoderHeader, Header, TailHeader, ThresholdHeader
from twofold.detector.kept_correction import correction_arrays, read_correction
from twofold.detector.kept_drift import drift_arrays, read_drift
from twofold.detector.kept_graph import GraphHeader
from twofold.detector.kept_mask import mask_arrays, mask_kind, read_sight
from twofold.detector.learning import FittedOn
from twofold.detector.looking import Sight
from twofold.detector.references import References, read_references, reference_arrays
from twofold.encoders.encoder import Encoder, exported_encoder, load_encoder
from twofold.encoders.exported import ExportedGraph
from twofold.encoders.outputs import output_digest
from twofold.encoders.pixels import LAZY_OUTPUTS
from twofold.encoders.registry import ENCODERS
from twofold.errors import BundleError, ConfigError
from twofold.evidence import Evidence
from twofold.images import Problem
from twofold.marks import Correction
from twofold.method_table import METHODS
from twofold.methods import Method, parse_config
from twofold.thresholds import Calibration, Rule, Tail, Threshold

if TYPE_CHECKING:
    from twofold.detector.detector import Detector
    from twofold.drift import DriftReference

__all__ = ["DetectorFile", "file_of", "read_detector", "write_detector"]

_METHOD = "method."
_CALIBRATION = "calibration."
# A folder of a hundred thousand bad files is one mistake, which a thousand of them show as well.
_MAX_PROBLEMS = 1000
# Characters of a name or reason: what a bundle's limit leaves, at six bytes for the longest.
_MAX_TEXT = 500
T = TypeVar("T")


@dataclass(frozen=True)
class DetectorFile:
    """Everything a saved detector consists of.

    Attributes:
        method: fitted.
        threshold: the decision rule.
        evidence: of the fit.
        calibration: the out-of-sample scores that the threshold is read off.
        random_state: the seed that was used.
        sight: bit depth and masks of images.
        rule: of the calibration as the user asked for it; a source has none of its own.
        references: presumed normals to show beside new images, or None.
        correction: what marks taught it, or None.
        fitted_on: where the images of the fit lay.
        drift: what the target was like, or None.
    """

    method: Method
    threshold: Threshold
    evidence: Evidence
    calibration: Calibration
    random_state: int
    sight: Sight
    rule: Rule
    references: References | None = None
    correction: Correction | None = None
    fitted_on: FittedOn = field(default_factory=FittedOn)
    drift: DriftReference | None = None


def file_of(detector: Detector) -> DetectorFile:
    """What a save of a detector writes.

    Raises:
        NotFittedError: before ``fit``.
    """
    detector._require_fitted()
    return DetectorFile(
        method=detector.method_,
        threshold=detector.threshold_,
        evidence=detector.evidence_,
        calibration=detector.calibration_,
        random_state=detector.random_state_,
        sight=detector.sight_,
        rule=detector.calibration,
        references=detector.references_,
        correction=detector.correction_,
        fitted_on=detector.fitted_on_,
        drift=detector.drift_reference_,
    )


def write_detector(
    path: str | Path,
    content: DetectorFile,
    *,
    embed_weights: bool,
    graph: ExportedGraph | None = None,
) -> None:
    """Write the model folder; see :func:`twofold.bundle.write_bundle` for its guarantees.

    Args:
        path: the folder.
        content: of the detector.
        embed_weights: put the encoder's weights inside.
        graph: that is to lie in the folder, too; whoever exports writes its files.
    """
    method = content.method
    encoder = method.encoder
    header = Header(
        method=method.id,
        configuration=method.config.model_dump(mode="json"),
        encoder=EncoderHeader(
            id=encoder.spec.id,
            weights_sha256=encoder.weights_sha256,
            fingerprint=encoder.fingerprint,
            embedded=embed_weights,
            outputs=_digests(method),
        ),
        revision=method.revision,
        bit_depth=content.sight.bit_depth,
        calibration=content.rule,
        mask=mask_kind(content.sight),
        fitted_on=None if content.fitted_on == FittedOn() else content.fitted_on,
        threshold=_threshold_header(content),
        evidence=TypeAdapter(Evidence).dump_python(_shortened(content.evidence), mode="json"),
        random_state=content.random_state,
        versions=_versions(),
        graph=None if graph is None else GraphHeader.of(graph),
    )
    tensors = {_METHOD + name: array for name, array in method.state().items()}
    tensors[_CALIBRATION + "scores"] = content.calibration.scores
    tensors[_CALIBRATION + "weights"] = content.calibration.weights
    tensors |= mask_arrays(content.sight) | reference_arrays(content.references)
    tensors |= correction_arrays(content.correction) | drift_arrays(content.drift)
    extras = None
    if embed_weights:
        extras = {"encoder": {name: t.cpu().numpy() for name, t in encoder.state().items()}}
    optional = ("mask", "fitted_on", "graph")
    absent = {name for name in optional if getattr(header, name) is None}
    write_bundle(path, header.model_dump(mode="json", exclude=absent), tensors, extras)


def read_detector(folder: str | Path, weights: str | Path | None) -> DetectorFile:
    """Read and check a model folder.

    Raises:
        BundleError: damaged, altered, or its parts do not fit together.
        WeightsError: the encoder's weights are not those of the fit.
    """
    bundle = read_bundle(folder)
    path = bundle.path
    header = _parse(Header, bundle.header, path)
    if header.method not in METHODS:
        raise BundleError(f"{path} was fitted with the method {header.method!r}, unknown here")
    method_class = METHODS.load(header.method)
    if header.encoder.id not in ENCODERS:
        raise BundleError(f"{path} uses the encoder {header.encoder.id!r}, unknown here")
    encoder = _encoder(bundle, header, weights)
    if encoder.fingerprint != header.encoder.fingerprint:
        raise BundleError(
            f"{path} was fitted with another preprocessing of {header.encoder.id}: fit it again"
        )
    try:
        config = parse_config(method_class, header.configuration)
        method = method_class(encoder, config).restore(_method_state(bundle))
    except ConfigError as error:
        raise BundleError(f"{path}: {error}") from error
    _check_algorithm(header, method, path)
    return DetectorFile(
        method=method,
        threshold=Threshold(**header.threshold.model_dump(exclude={"scale", "tail"})),
        evidence=_parse(Evidence, header.evidence, path),
        calibration=_calibration(bundle, header.threshold, path),
        random_state=header.random_state,
        sight=read_sight(bundle, header.bit_depth, header.mask),
        rule=header.calibration,
        references=read_references(bundle),
        correction=read_correction(bundle, encoder.spec.feature_dim, method.n_views()),
        fitted_on=header.fitted_on or FittedOn(),
        drift=read_drift(bundle, encoder.spec.feature_dim),
    )


def _threshold_header(content: DetectorFile) -> ThresholdHeader:
    """The rule, and what its calibration takes SciPy to find out."""
    known = content.calibration
    tail = None if known.tail is None else TailHeader(**asdict(known.tail))
    return ThresholdHeader(**asdict(content.threshold), scale=known.scale, tail=tail)


def _encoder(bundle: Bundle, header: Header, weights: str | Path | None) -> Encoder:
    """Of the weights in the model or on this machine, or of an exported graph without any."""
    known = header.encoder
    if header.graph is not None:
        graph = header.graph.in_folder(bundle.folder)
        graph.check()
        return exported_encoder(known.id, graph, known.weights_sha256, weights)
    given: Any = weights
    if known.embedded and weights is None:
        given = bundle.extra("encoder")  # noqa: S610
    return load_encoder(known.id, given, expected_sha256=known.weights_sha256)


def _versions() -> dict[str, str]:
    """Of what the model was made with; an exported one may be saved again without PyTorch."""
    found = {"twofold": __version__, "python": platform.python_version()}
    torch = installed_version("torch")
    return found if torch is None else found | {"torch": torch}


def _shortened(evidence: Evidence) -> Evidence:
    """The evidence with as many skipped images, and as much of each, as a model has room for."""
    left_out = len(evidence.problems) - _MAX_PROBLEMS
    problems = tuple(
        Problem(_cut(problem.path), _cut(problem.reason))
        for problem in evidence.problems[:_MAX_PROBLEMS]
    )
    notes = evidence.notes
    if left_out > 0:
        notes += (f"{left_out} more images could not be used than the {_MAX_PROBLEMS} listed",)
    return replace(evidence, problems=problems, notes=notes)


def _cut(text: str) -> str:
    half = _MAX_TEXT // 2
    return text if len(text) <= _MAX_TEXT else f"{text[: half - 1]}…{text[-half:]}"


def _digests(method: Method) -> dict[str, str]:
    """What the method reads, output by output; those made on demand are the encoder's input."""
    outputs = method.config.outputs()
    return {
        name: output_digest(method.encoder, name) for name in outputs if name not in LAZY_OUTPUTS
    }


def _check_algorithm(header: Header, method: Method, path: Path) -> None:
    """Refuse a model whose arrays mean something else to the present code."""
    if header.revision != method.revision:
        raise BundleError(
            f"{path} was fitted by revision {header.revision} of the method {method.id}, and this "
            f"is revision {method.revision}: fit it again"
        )
    present = _digests(method)
    for name, digest in header.encoder.outputs.items():
        if present.get(name) != digest:
            raise BundleError(
                f"{path} was fitted with another version of the output {name[:40]!r} of "
                f"{method.encoder.spec.id}: fit it again"
            )


def _method_state(bundle: Bundle) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(_METHOD): array
        for name, array in bundle.tensors.items()
        if name.startswith(_METHOD)
    }


def _calibration(bundle: Bundle, header: ThresholdHeader, path: Path) -> Calibration:
    scores, weights = (bundle.tensors.get(_CALIBRATION + name) for name in ("scores", "weights"))
    for values in (scores, weights):
        if values is None or values.shape != (header.n_images,) or values.dtype != np.float64:
            raise BundleError(f"{path} holds no calibration scores")
    assert scores is not None
    assert weights is not None
    if not np.isfinite(scores).all() or (np.diff(scores) < 0).any():
        raise BundleError(f"{path} holds calibration scores that are not sorted")
    if not ((weights > 0) & (weights <= 1)).all():
        raise BundleError(f"{path} holds calibration weights that are not between 0 and 1")
    found = Calibration(scores, weights, header.origin, header.rule, header.scale)
    if "tail" in header.model_fields_set:
        tail = header.tail
        found = found.with_tail(None if tail is None else Tail(**tail.model_dump()))
    if found.n_groups != header.n_groups:
        raise BundleError(f"{path} holds calibration weights of {found.n_groups} images")
    return found


def _parse(model: type[T], content: Any, path: Path) -> T:
    try:
        # As JSON, where strict typing still takes a list for a tuple.
        return TypeAdapter(model).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise _bad(path, error) from error


def _bad(path: Path, error: ValidationError) -> BundleError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return BundleError(f"{path}: detector.json, {where}: {first['msg']}")
