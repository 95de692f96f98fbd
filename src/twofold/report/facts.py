"""With what a report was made: configuration, versions and hashes."""

from __future__ import annotations

import hashlib
import json
import platform
from datetime import UTC, datetime

from twofold import __version__
from twofold.bundle import model_digest
from twofold.deferred import installed_version
from twofold.detector import Detector
from twofold.errors import BundleError
from twofold.report.looking import Look
from twofold.words import percent

__all__ = ["facts"]


def facts(detector: Detector, look: Look, model: str | None) -> tuple[tuple[str, str], ...]:
    """Names and values, in the order in which they are shown.

    Args:
        detector: fitted.
        look: at the images.
        model: folder that the detector was loaded from, or None.
    """
    method, threshold, evidence = detector.method_, detector.threshold_, detector.evidence_
    low, high = threshold.interval
    found = [
        ("report made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        (
            "versions",
            f"twofold {__version__}, Python {platform.python_version()}, "
            f"PyTorch {installed_version('torch') or 'not installed'}",
        ),
    ]
    if model is not None:
        found += [("model", model), ("sha256 of its detector.json", _sha256(model))]
    found += [
        ("method", f"{method.id}, revision {method.revision}"),
        ("options", json.dumps(method.config.model_dump(mode="json"))),
        ("encoder", method.encoder.spec.id),
        ("sha256 of its weights", method.encoder.weights_sha256),
        ("random state", str(detector.random_state_)),
        ("fitted on", f"{evidence.n_source:,} source and {evidence.n_target:,} target images"),
        (
            "threshold",
            f"{threshold.value:.6g}, from {threshold.n_images:,} {threshold.origin} "
            f"images (rule {threshold.rule}, {threshold.n_groups:,} independent)",
        ),
        (
            "stated false-alarm rate",
            f"{percent(threshold.false_alarm_rate)} (95% of pools: "
            f"{percent(low)} to {percent(high)})",
        ),
        (
            "images",
            f"{len(look.scores.names):,}, sha256 of the list of their hashes: {_digest(look)}",
        ),
    ]
    return tuple(found)


def _sha256(model: str) -> str:
    """Of the file that lists the hashes of all others."""
    try:
        return model_digest(model)
    except BundleError:
        return "not readable any more"


def _digest(look: Look) -> str:
    rows = sorted(look.digests)
    return hashlib.sha256("\n".join(look.digests[row] for row in rows).encode()).hexdigest()
