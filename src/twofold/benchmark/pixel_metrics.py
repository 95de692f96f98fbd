"""Localisation metrics: how well a map of scores finds the anomalous pixels; fractions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from twofold.errors import ConfigError, UsageError
from twofold.metrics import auroc

__all__ = ["pixel_auroc", "pro"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def pixel_auroc(maps: NDArray[np.floating], masks: Mask) -> float:
    """Probability that an anomalous pixel scores above a normal one; ties count one half.

    Large defects weigh more than small ones; :func:`pro` weighs all alike.

    Args:
        maps: scores of the pixels, float (n, h, w), larger is more anomalous.
        masks: bool (n, h, w), True where anomalous; all False for a normal image.

    Raises:
        UsageError: other types or shapes, NaN scores, no anomalous or no normal pixel.
    """
    scores = _checked(maps, masks)
    return auroc(scores[~masks], scores[masks])


def pro(maps: NDArray[np.floating], masks: Mask, *, max_fpr: float = 0.3) -> float:
    """Area under the per-region overlap up to a false-positive rate, over that rate.

    Bergmann et al. 2020 (MVTec AD): a region is a connected part of one image's mask, pixels
    touching at corners included; its overlap is the share of it at or above the threshold. The
    mean overlap of all regions is taken as a function of the share of all normal pixels at or
    above the threshold, straight between thresholds. Pixels of equal score enter together.
    1 is perfect; a constant map has ``max_fpr`` / 2.

    Args:
        maps: scores of the pixels, float (n, h, w), larger is more anomalous.
        masks: bool (n, h, w), True where anomalous; all False for a normal image.
        max_fpr: where the area ends, 0 to 1 without 0; 0.3 is the paper's.

    Raises:
        ConfigError: ``max_fpr`` out of range.
        UsageError: other types or shapes, NaN scores, no anomalous or no normal pixel.
    """
    if not 0 < max_fpr <= 1:
        raise ConfigError(f"max_fpr: wanted more than 0 and at most 1, got {max_fpr}")
    scores = _checked(maps, masks)
    alarms, overlap = _curve(scores.ravel(), _region_weights(masks).ravel())
    inside = int(np.searchsorted(alarms, max_fpr, side="right"))
    at_limit = np.interp(max_fpr, alarms[inside - 1 : inside + 1], overlap[inside - 1 : inside + 1])
    x = np.append(alarms[:inside], max_fpr)
    y = np.append(overlap[:inside], at_limit)
    # A perfect map's area is the whole one but for rounding.
    return min(float(np.trapezoid(y, x) / max_fpr), 1.0)


def _checked(maps: NDArray[np.floating], masks: Mask) -> Array:
    """The scores as float64, checked."""
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise UsageError(
            f"maps and masks: wanted the same (n, h, w), got {maps.shape} and {masks.shape}"
        )
    if masks.dtype != np.bool_:
        raise UsageError(f"masks: wanted bool, got {masks.dtype}")
    if masks.all() or not masks.any():
        raise UsageError("masks: a metric needs at least one normal and one anomalous pixel")
    scores = np.asarray(maps, dtype=np.float64)
    if np.isnan(scores).any():
        raise UsageError("maps: some scores are NaN")
    return scores


def _region_weights(masks: Mask) -> Array:
    """What each pixel adds to the mean overlap, (n, h, w); 0 for normal pixels."""
    touching = np.zeros((3, 3, 3), dtype=np.bool_)
    touching[1] = True  # never from image to image
    regions, count = label(masks, touching)
    sizes = np.bincount(regions.ravel(), minlength=count + 1)
    weights = 1 / (sizes * count)
    weights[0] = 0
    return np.asarray(weights[regions])


def _curve(scores: Array, weights: Array) -> tuple[Array, Array]:
    """False-positive rate and mean overlap from the highest threshold down, from (0, 0)."""
    order = np.argsort(-scores)
    falling = scores[order]
    last = np.append(falling[1:] != falling[:-1], True)  # of its score
    normal = np.cumsum(weights[order] == 0)
    alarms = normal[last] / normal[-1]
    overlap = np.cumsum(weights[order])[last]
    overlap /= overlap[-1]  # 1 but for rounding: a perfect map has 1 exactly
    return np.concatenate([[0.0], alarms]), np.concatenate([[0.0], overlap])
