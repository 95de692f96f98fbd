"""Labels of some images, and how well a detector did on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError, UsageError, shown
from twofold.images.manifest import is_manifest, read_column, read_manifest
from twofold.metrics import (
    Estimate,
    auroc,
    average_precision,
    bootstrap,
    counts_above,
    fpr_at_tpr,
    proportion,
)

__all__ = ["UNKNOWN", "Measured", "check_labels", "labels_of", "measure", "read_labels"]

UNKNOWN = -1
_WORDS = {"0": 0, "1": 1, "normal": 0, "anomalous": 1, "": UNKNOWN, "unsure": UNKNOWN}
_MOST_POINTS = 400

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Measured:
    """What labels say of scores and decisions; fractions.

    Attributes:
        n_normal: images labelled normal that have a score.
        n_anomalous: images labelled anomalous that have a score.
        n_unlabelled: images with a score and no label.
        areas: name and figure with its 95% interval, of the ranking.
        rates: the same at the threshold.
        confusion: (normal and not flagged, normal and flagged, anomalous and not flagged,
            anomalous and flagged).
        roc: (share of normals flagged, share of anomalies flagged), from (0, 0) to (1, 1).
        precision_recall: (share of anomalies flagged, share of flagged that are anomalous).
    """

    n_normal: int
    n_anomalous: int
    n_unlabelled: int
    areas: tuple[tuple[str, Estimate], ...]
    rates: tuple[tuple[str, Estimate], ...]
    confusion: tuple[int, int, int, int]
    roc: Points
    precision_recall: Points


def labels_of(
    given: str | Path | Sequence[int] | NDArray[np.integer], names: Sequence[str]
) -> Labels:
    """Labels in any form, int64 (n,): 1 anomalous, 0 normal, -1 unknown.

    Args:
        given: the path of a file (:func:`read_labels`), or one number for each image.
        names: of the images.

    Raises:
        ConfigError: not one of 0, 1 and -1 for each image.
        UsageError: see :func:`read_labels`.
    """
    if isinstance(given, str | os.PathLike):
        return read_labels(os.fspath(given), names)
    labels = np.asarray(given)
    if labels.shape != (len(names),) or not np.isin(labels, (0, 1, UNKNOWN)).all():
        raise ConfigError(f"labels must be {len(names)} numbers 0, 1 or -1, one for each image")
    return labels.astype(np.int64)


def read_labels(path: str, names: Sequence[str]) -> Labels:
    """The labels of a table with the columns ``image`` and ``label``.

    A label is 0, 1, ``normal`` or ``anomalous``; where it is blank or ``unsure``, nothing is known.
    Images are those of a manifest: relative to the table's folder, then to the working folder.

    Args:
        path: of a CSV, TSV or Parquet file.
        names: of the images, as found.

    Raises:
        ImageSourceError: the file cannot be read or has no such columns.
        UsageError: a label is none of these, or the table has a label of none of the images.
    """
    listed = _listed(path)
    places = {_key(name): place for place, name in enumerate(names)}
    labels = np.full(len(names), UNKNOWN, dtype=np.int64)
    found = False
    for image, value in listed:
        place = places.get(_key(image))
        if place is not None:
            labels[place], found = value, True
    if not found:
        raise UsageError(f"--labels {path}: none of its {len(listed)} images is among those given")
    return labels


def check_labels(path: str) -> None:
    """Refuse early what :func:`read_labels` would refuse whatever the images are.

    Raises:
        ImageSourceError: the file cannot be read or has no such columns.
        UsageError: a label is none.
    """
    _listed(path)


def _listed(path: str) -> list[tuple[str, int]]:
    """Paths of images, and their labels."""
    if not is_manifest(path):
        raise UsageError(f"--labels {path}: name a table that ends in .csv, .tsv or .parquet")
    found = []
    for image, word in zip(read_manifest(path), read_column(path, "label"), strict=True):
        value = _WORDS.get(word.strip().lower())
        if value is None:
            raise UsageError(
                f"--labels {path}: {shown(word)} is no label: write 0 or normal, 1 or anomalous"
            )
        found.append((image, value))
    return found


def _key(path: str) -> str:
    """A path by which a file is known, however it was written."""
    return os.path.realpath(path)


def measure(scores: Array, labels: Labels, threshold: float) -> Measured | None:
    """Figures of labelled images.

    Args:
        scores: float64 (n,), NaN of an unusable image.
        labels: int64 (n,).
        threshold: above it an image is flagged.

    Returns:
        None unless there are normal and anomalous images with a score.
    """
    usable = ~np.isnan(scores)
    normal, anomalous = (scores[usable & (labels == value)] for value in (0, 1))
    if not len(normal) or not len(anomalous):
        return None
    alarms, hits = int((normal > threshold).sum()), int((anomalous > threshold).sum())
    rates = [
        ("anomalies found (recall)", proportion(hits, len(anomalous))),
        ("false alarms among normal images", proportion(alarms, len(normal))),
    ]
    if alarms + hits:
        rates.append(
            ("flagged images that are anomalous (precision)", proportion(hits, alarms + hits))
        )
    detected, raised = counts_above(normal, anomalous)
    recall, false_alarms = detected / len(anomalous), raised / len(normal)
    return Measured(
        n_normal=len(normal),
        n_anomalous=len(anomalous),
        n_unlabelled=int((usable & (labels == UNKNOWN)).sum()),
        areas=(
            ("AUROC", bootstrap(auroc, normal, anomalous)),
            ("average precision", bootstrap(average_precision, normal, anomalous)),
            ("false alarms where 95% are found", bootstrap(fpr_at_tpr, normal, anomalous)),
        ),
        rates=tuple(rates),
        confusion=(len(normal) - alarms, alarms, len(anomalous) - hits, hits),
        roc=_points(np.r_[0.0, false_alarms], np.r_[0.0, recall]),
        precision_recall=_points(recall, detected / (detected + raised)),
    )


def _points(x: Array, y: Array) -> Points:
    """Pairs, thinned evenly where a line would not show more."""
    rows = np.unique(np.rint(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS))).astype(int))
    return tuple(zip(x[rows].tolist(), y[rows].tolist(), strict=True))
