"""What a person's marks say about a scored folder."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RATES", "RATE_WORDS", "Estimate", "Estimates"]

RATE_WORDS = {
    "detection_rate": ("Detection rate", "share of the anomalies that are flagged"),
    "false_alarm_rate": ("False-alarm rate", "share of the normal images that are flagged"),
    "precision": ("Precision", "share of anomalies among the flagged images"),
    "anomaly_share": ("Share of anomalies", "among all images"),
    "auroc": ("AUROC", "chance that an anomaly scores above a normal image"),
}
"""For each rate its name and what it is, for a person."""
RATES = tuple(RATE_WORDS)
"""The fields of :class:`Estimates` that are rates."""


@dataclass(frozen=True)
class Estimate:
    """A rate of the folder, estimated from the marks.

    Attributes:
        value: in [0, 1]; None where the marks do not define it (no anomaly seen yet, say).
        low: lower end of the interval, in [0, 1].
        high: upper end.
    """

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Estimates:
    """All rates of one folder at one threshold.

    Attributes:
        n_images: images of the folder.
        n_marked: of these, marked normal or anomalous.
        n_unsure: of these, looked at without a decision; they count as not marked.
        level: probability with which each interval holds the folder's true rate.
        detection_rate: share of the folder's anomalies that score above the threshold.
        false_alarm_rate: share of its normal images that do.
        precision: share of anomalies among the images above the threshold.
        anomaly_share: share of anomalies in the folder.
        auroc: probability that an anomaly of the folder scores above one of its normal images,
            ties counting one half.
    """

    n_images: int
    n_marked: int
    n_unsure: int
    level: float
    detection_rate: Estimate
    false_alarm_rate: Estimate
    precision: Estimate
    anomaly_share: Estimate
    auroc: Estimate
