"""What somebody has to know to run an exported graph, as plain content."""

from __future__ import annotations

from typing import Any

from twofold import __version__
from twofold.detector.file import DetectorFile
from twofold.encoders.exported import ExportedGraph
from twofold.export.graph import ScoringGraph, input_of
from twofold.export.runtimes import Runtime

__all__ = ["MASK", "description"]

MASK = "mask.png"
_VERSION = 1


def description(
    content: DetectorFile, graph: ScoringGraph, runtime: Runtime, kept: ExportedGraph
) -> dict[str, Any]:
    """The content of ``export.json``.

    Args:
        content: of the detector.
        graph: that was written.
        runtime: that runs it.
        kept: its files.
    """
    method, threshold = content.method, content.threshold
    encoder = method.encoder
    masked = content.sight.one_mask() is not None
    found: dict[str, Any] = {
        "format": "twofold export",
        "version": _VERSION,
        "twofold": __version__,
        "method": {"id": method.id, "revision": method.revision},
        "encoder": {"id": encoder.spec.id, "weights_sha256": encoder.weights_sha256},
        "graph": {
            "format": runtime.format,
            "runtime": runtime.module,
            "files": dict(kept.hashes),
            "images_a_call": 1,
        },
        "inputs": [
            {
                "name": input_of(side),
                "width": side.shape[1],
                "height": side.shape[0],
                "type": "uint8",
                "layout": "NHWC, RGB",
                # The least width and height to which a JPEG may be made smaller while it is
                # decoded; null: it may not.
                "draft": None if masked else [side.preprocessing.least_side] * 2,
            }
            for side in graph.sides
        ],
        "outputs": list(graph.outputs),
        "preprocessing": {
            "orientation": "upright, as EXIF says",
            "transparency": "over white",
            # Of integers of more than 8 bits: value * 255 / white, rounded.
            "white": 2 ** (content.sight.bit_depth or 16) - 1,
            "mask": MASK if masked else None,
            "resize": "the whole image, antialiased, columns first, rounded to whole grey levels",
            "filter": encoder.spec.preprocessing.interpolation,
            "normalisation": "in the graph",
        },
        "decision": {
            "anomalous": "score > threshold",
            "threshold": threshold.value,
            "false_alarm_rate": threshold.false_alarm_rate,
            "calibrated_on": threshold.origin,
            "n_images": threshold.n_images,
        },
    }
    if graph.has_maps:
        found["map"] = {"unit": "spreads of normal places", "range": list(method.map_range())}
    return found
