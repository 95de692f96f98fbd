"""Numbers for Prometheus, of one process or of all workers together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from twofold.serve import missing_extra

if TYPE_CHECKING:
    from twofold.drift import Drift

try:
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
    )
    from prometheus_client.multiprocess import MultiProcessCollector
except ImportError as error:
    raise missing_extra(error) from None

__all__ = ["MEDIA_TYPE", "SHARED_FOLDER", "Metrics"]

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Variable of the environment that names the folder in which workers add up their numbers. It is
read when prometheus-client is imported, so it must be set before."""

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCHES: Final = (1, 2, 3, 4, 6, 8)
_KINDS: Final = {"none": 0, "anomalies": 1, "domain": 2}


class Metrics:
    """Counts what happens; safe to call from several threads."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self._requests = Counter(
            "twofold_requests_total", "Requests answered.", ("path", "status"), registry=own
        )
        self._seconds = Histogram(
            "twofold_request_seconds",
            "From the head of a request to the end of its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=own,
        )
        self._images = Counter(
            "twofold_images_total",
            "Images, by what was said of them: normal, anomalous, unusable.",
            ("model", "outcome"),
            registry=own,
        )
        self._batches = Histogram(
            "twofold_batch_images",
            "Images that were looked at together.",
            ("model",),
            buckets=_BATCHES,
            registry=own,
        )
        self._refused = Counter(
            "twofold_refused_total", "Requests and connections refused.", ("reason",), registry=own
        )
        self._reloads = Counter(
            "twofold_reloads_total", "Models read again.", ("model", "outcome"), registry=own
        )
        self._gauges = self._add_gauges(own)

    @staticmethod
    def _add_gauges(registry: CollectorRegistry) -> Mapping[str, Gauge]:
        def gauge(name: str, text: str, labels: Sequence[str], mode: Any) -> Gauge:
            full = f"twofold_{name}"
            return Gauge(full, text, labels, registry=registry, multiprocess_mode=mode)

        return {
            "waiting": gauge("queue_images", "Images that wait.", ("model",), "livesum"),
            "loaded": gauge("models_loaded", "Models in memory.", (), "livesum"),
            "kind": gauge(
                "drift_kind",
                "0 nothing has changed, 1 more images are odd, 2 the domain has moved.",
                ("model",),
                "livemax",
            ),
            "p_value": gauge(
                "drift_p_value",
                "At most this is the probability that images as at the fit ever look so changed.",
                ("model", "kind"),
                "livemin",
            ),
            "seen": gauge("drift_images", "Images that were tested.", ("model",), "livesum"),
            "warnings": gauge("drift_warnings", "Kinds warned of.", ("model",), "livemax"),
        }

    def request(self, path: str, status: int, seconds: float) -> None:
        """One was answered; ``path`` is one of ours, never as a client wrote it."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def refused(self, reason: str) -> None:
        """One was refused."""
        self._refused.labels(reason).inc()

    def reloaded(self, model: str, outcome: str) -> None:
        """A model was read again: ``loaded``, ``unchanged`` or ``refused``."""
        self._reloads.labels(model, outcome).inc()

    def batch(self, model: str, n: int) -> None:
        """So many images are looked at together."""
        self._batches.labels(model).observe(n)

    def scored(self, model: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Images were judged."""
        for row in rows:
            outcome = {None: "unusable", 0: "normal", 1: "anomalous"}[row["anomalous"]]
            self._images.labels(model, outcome).inc()

    def state(self, model: str, waiting: int, drift: Drift | None) -> None:
        """How a model stands."""
        self._gauges["waiting"].labels(model).set(waiting)
        if drift is None:
            return
        self._gauges["seen"].labels(model).set(drift.n_images)
        self._gauges["kind"].labels(model).set(_KINDS[drift.kind])
        self._gauges["warnings"].labels(model).set(len(drift.warnings))
        for kind, value in drift.p_values.items():
            self._gauges["p_value"].labels(model, kind).set(value)

    def models(self, n: int) -> None:
        """So many are in memory."""
        self._gauges["loaded"].set(n)

    def text(self) -> bytes:
        """All of it, in Prometheus' own form."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
