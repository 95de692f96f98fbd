"""Detection metrics with intervals; fractions throughout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = deferred("scipy.stats")

__all__ = [
    "Estimate",
    "auroc",
    "average_precision",
    "average_ranks",
    "bootstrap",
    "counts_above",
    "fpr_at_tpr",
    "proportion",
]

Array = NDArray[np.float64]
Metric = Callable[[Array, Array], float]

# 95% bounds of a percentile bootstrap settle to about the second digit with a thousand draws.
_DRAWS = 1000
_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


def _checked(normal: Array, anomalous: Array) -> tuple[Array, Array]:
    """Both as float64.

    Raises:
        UsageError: no image on one side, or NaN.
    """
    normal, anomalous = (np.asarray(a, dtype=np.float64) for a in (normal, anomalous))
    if not len(normal) or not len(anomalous):
        raise UsageError("a metric needs at least one normal and one anomalous image")
    if np.isnan(normal).any() or np.isnan(anomalous).any():
        raise UsageError("a metric needs a score of every image: some are NaN")
    return normal, anomalous


def average_ranks(values: Array) -> Array:
    """Ranks from 1, float64 (n,); equal values share the mean of theirs. Cost O(n log n)."""
    ordered = np.sort(values)
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((below + up_to + 1) / 2)


def auroc(normal: Array, anomalous: Array) -> float:
    """Probability that an anomalous image scores above a normal one; ties count one half.

    Args:
        normal: scores of normal images, (n,).
        anomalous: scores of anomalous images, (m,).

    Raises:
        UsageError: no normal or no anomalous image, or a score is NaN; all metrics here do so.
    """
    normal, anomalous = _checked(normal, anomalous)
    ranks = average_ranks(np.concatenate([anomalous, normal]))[: len(anomalous)]
    wins = ranks.sum() - len(anomalous) * (len(anomalous) + 1) / 2
    return float(wins / (len(anomalous) * len(normal)))


def average_precision(normal: Array, anomalous: Array) -> float:
    """Area under precision over recall as a step function; ties form one step.

    It depends on the share of anomalies: its chance level is that share.
    """
    normal, anomalous = _checked(normal, anomalous)
    hits, alarms = counts_above(normal, anomalous)
    recall = hits / len(anomalous)
    precision = hits / (hits + alarms)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def fpr_at_tpr(normal: Array, anomalous: Array, tpr: float = 0.95) -> float:
    """Share of normal images flagged by the highest threshold that finds ``tpr`` of the anomalies.

    0 is perfect, about ``tpr`` is chance.

    Raises:
        ConfigError: ``tpr`` is not above 0 and at most 1.
        UsageError: as :func:`auroc`.
    """
    if not 0 < tpr <= 1:
        raise ConfigError(f"tpr must be above 0 and at most 1, not {tpr}")
    normal, anomalous = _checked(normal, anomalous)
    hits, alarms = counts_above(normal, anomalous)
    first = int(np.argmax(hits >= tpr * len(anomalous) - 1e-9))
    return float(alarms[first] / len(normal))


def counts_above(normal: Array, anomalous: Array) -> tuple[Array, Array]:
    """Anomalies and normals at or above each distinct score, from the highest score down.

    Args:
        normal: scores of normal images, (n,).
        anomalous: scores of anomalous images, (m,).

    Returns:
        float64 (levels,) each.
    """
    levels = np.unique(np.concatenate([normal, anomalous]))[::-1]
    hits = len(anomalous) - np.searchsorted(np.sort(anomalous), levels, side="left")
    alarms = len(normal) - np.searchsorted(np.sort(normal), levels, side="left")
    return hits.astype(np.float64), alarms.astype(np.float64)


def bootstrap(
    metric: Metric, normal: Array, anomalous: Array, *, random_state: int = 0
) -> Estimate:
    """A metric with its 95% percentile-bootstrap interval, resampled within each class."""
    normal, anomalous = _checked(normal, anomalous)
    generator = np.random.default_rng(random_state)
    draws = [
        metric(generator.choice(normal, len(normal)), generator.choice(anomalous, len(anomalous)))
        for _ in range(_DRAWS)
    ]
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(metric(normal, anomalous), float(low), float(high))


def proportion(successes: int, n: int) -> Estimate:
    """A share with its 95% Wilson interval.

    Raises:
        UsageError: no image, or more successes than images or fewer than none.
    """
    if n < 1:
        raise UsageError("a share needs at least one image")
    if not 0 <= successes <= n:
        raise UsageError(f"a share of {n} images cannot be of {successes}")
    interval = stats.binomtest(successes, n).proportion_ci(_LEVEL, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high))
