"""Rates of a finite set of scored images from the marks of some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from twofold.marks._checks import checked_marks, checked_scores, checked_strata
from twofold.marks.estimates import RATES, Estimate, Estimates
from twofold.thresholds import check_rate

__all__ = ["estimate"]

Array = NDArray[np.float64]
_DRAWS = 2000
# Pseudo-counts of the two bounds, see _Cells.shares
EXCESS = 0.0


@dataclass(frozen=True)
class Cells:
    """Counts of each stratum on each side of the threshold, all float64 (k,)."""

    above: NDArray[np.bool_]
    size: Array
    normal: Array
    anomalous: Array

    @property
    def marked(self) -> Array:
        return self.normal + self.anomalous

    @property
    def unmarked(self) -> Array:
        return self.size - self.marked


def estimate(
    scores: NDArray[np.floating],
    threshold: float,
    strata: NDArray[np.integer],
    marks: NDArray[np.floating],
    *,
    n_unsure: int = 0,
    level: float = 0.95,
    random_state: int = 0,
) -> Estimates:
    """Rates of the set, each with an interval."""
    values = checked_scores(scores, threshold)
    known = checked_marks(marks, len(values))
    given = checked_strata(strata, len(values))
    check_rate(level, "level")
    above = values > threshold
    _, cell = np.unique(2 * given + above, return_inverse=True)
    count = np.bincount(cell).astype(np.float64)
    cells = Cells(
        above=np.bincount(cell, weights=above) > 0,
        size=count,
        normal=np.bincount(cell, weights=known == 0, minlength=len(count)),
        anomalous=np.bincount(cell, weights=known == 1, minlength=len(count)),
    )
    ranks = rankdata(values)
    generator = np.random.default_rng(random_state)
    low = completed(cells, generator, 0)
    point = points(cells)
    point["auroc"] = _point_auroc(values, known, cell, cells)
    draws = rates(cells, low)
    draws["auroc"] = _auroc(ranks, known, cell, cells, low, generator)
    found = {name: _interval(point[name], draws[name], level) for name in RATES}
    return Estimates(len(values), int((~np.isnan(known)).sum()), n_unsure, level, **found)


def completed(cells: Cells, generator: np.random.Generator, kind: int) -> Array:
    """Anomalies of each cell in completed populations, (draws, k)."""
    size = (_DRAWS, len(cells.size))
    share = generator.beta(cells.anomalous + 0.5, cells.normal + 0.5, size=size)
    return cells.anomalous + generator.binomial(cells.unmarked.astype(np.int64), share)


def rates(cells: Cells, anomalies: Array) -> dict[str, Array]:
    """Rates of each completed population; NaN where undefined."""
    n, n_above = cells.size.sum(), cells.size[cells.above].sum()
    hits = anomalies[:, cells.above].sum(axis=1)
    total = anomalies.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "detection_rate": hits / total,
            "false_alarm_rate": (n_above - hits) / (n - total),
            "precision": hits / n_above,
            "anomaly_share": total / n,
        }


def points(cells: Cells) -> dict[str, float | None]:
    """Horvitz-Thompson estimates."""
    found = np.zeros(len(cells.size))
    for side in (True, False):
        mine = cells.above == side
        if not mine.any():
            continue
        marked = cells.marked[mine]
        if not marked.any():
            return dict.fromkeys(RATES)
        seen = mine & (cells.marked > 0)
        found[seen] = cells.size[seen] * cells.anomalous[seen] / cells.marked[seen]
        blind = mine & (cells.marked == 0)
        found[blind] = cells.size[blind] * found[seen].sum() / cells.size[seen].sum()
    values = {k: float(v[0]) for k, v in rates(cells, found[None]).items()}
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def _interval(point: float | None, draws: Array, level: float) -> Estimate:
    draws = draws[~np.isnan(draws)]
    if point is None or not len(draws):
        return Estimate(point, 0.0, 1.0)
    side = (1 - level) / 2
    low, high = np.quantile(draws, [side, 1 - side])
    return Estimate(point, float(min(low, point)), float(max(high, point)))


def _point_auroc(scores: Array, marks: Array, cell: NDArray[np.intp], cells: Cells) -> float | None:
    odd, fine = marks == 1, marks == 0
    if not odd.any() or not fine.any():
        return None
    wins = np.sign(scores[odd][:, None] - scores[fine][None]) / 2 + 0.5
    weight = cells.size / np.maximum(cells.marked, 1)
    pairs = weight[cell[odd]][:, None] * weight[cell[fine]][None]
    inside = cells.size * (cells.size - 1) / np.maximum(cells.marked * (cells.marked - 1), 1)
    same = cell[odd][:, None] == cell[fine][None]
    pairs = np.where(same, inside[cell[odd]][:, None], pairs)
    return float((wins * pairs).sum() / pairs.sum())


def _auroc(
    ranks: Array,
    marks: Array,
    cell: NDArray[np.intp],
    cells: Cells,
    anomalies: Array,
    generator: np.random.Generator,
) -> Array:
    """AUROC of each completed population from the ranks of its anomalies."""
    total = anomalies.sum(axis=1)
    n = cells.size.sum()
    rank_sum = np.zeros(len(anomalies))
    for k in range(len(cells.size)):
        mine = np.sort(ranks[cell == k])
        seen = ranks[(cell == k) & (marks == 1)]
        extra = anomalies[:, k] - len(seen)
        # Where unseen anomalies lie: like the seen ones, or, with the weight of one, anywhere.
        anywhere = generator.choice(mine, size=(len(anomalies), 1))
        places = np.concatenate([np.broadcast_to(seen, (len(anomalies), len(seen))), anywhere], 1)
        weights = generator.standard_exponential(places.shape)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * places).sum(axis=1)
        spread = np.sqrt(np.maximum((weights * places**2).sum(axis=1) - mean**2, 0))
        noise = generator.standard_normal(len(anomalies))
        mean = mean + spread * noise / np.sqrt(np.maximum(extra, 1))
        both = seen.sum() + extra * mean
        lowest = np.concatenate([[0.0], np.cumsum(mine)])
        count = anomalies[:, k].astype(np.int64)
        rank_sum += np.clip(both, lowest[count], lowest[-1] - lowest[len(mine) - count])
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (rank_sum - total * (total + 1) / 2) / (total * (n - total))
    return np.clip(area, 0.0, 1.0)
