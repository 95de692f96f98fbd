"""What a row tells of a fit besides its areas; judged with labels that no method sees."""

from __future__ import annotations

import numpy as np

from twofold.benchmark.protocol import Split
from twofold.methods import Fit, Method

__all__ = ["best_epoch", "diagnostics"]


def best_epoch(areas: list[float]) -> dict[str, float]:
    """What a choice of the epoch by the test's labels, as in some releases, would have reported."""
    if not areas:
        return {}
    return {"auroc_best_epoch": max(areas), "best_epoch": 1.0 + int(np.argmax(areas))}


def diagnostics(fit: Fit[Method], split: Split) -> dict[str, float]:
    """How good the fit's choice of presumed normals was; needs labels, so never for it to see.

    ``dominant_precision``: share of normals among the positives. ``dominant_recall``: share of the
    pool's normals that are positives. ``negatives_normal``: share of normals among the negatives.
    ``dominant_share``: share of the pool that is positive. ``chosen_clusters``: K, where a rule
    chose it.
    """
    partition, model = fit.diagnostics.partition, fit.model
    known = len(split.pool) and (split.pool_labels >= 0).all()
    if partition is None or "target_pool" not in model.config.wanted(model.needs) or not known:
        return {}
    normal = split.pool_labels == 0
    inside, outside = normal[partition.dominant], normal[partition.others]
    found = {"dominant_share": len(inside) / len(normal)}
    if partition.chosen is not None:
        found["chosen_clusters"] = float(partition.chosen)
    if len(inside):
        found["dominant_precision"] = float(inside.mean())
    if normal.any():
        found["dominant_recall"] = float(inside.sum() / normal.sum())
    if len(outside):
        found["negatives_normal"] = float(outside.mean())
    return found
