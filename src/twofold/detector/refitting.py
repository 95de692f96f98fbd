"""From marks of some images to a detector that has learned from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twofold.densities import power_normalise
from twofold.detector.fitting import Fitted, fit_method
from twofold.encoders.encode import EncodedImages
from twofold.marks import Correction, Estimates, estimate, fit_correction
from twofold.methods import FitData, Method
from twofold.methods.base import FOLDS, folds
from twofold.metrics import auroc
from twofold.thresholds import Calibration, Rule, Threshold, fit_threshold

__all__ = ["Changes", "Refitted", "changes_of", "refit_encoded"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Changes:
    """What marks changed, on the images that were reviewed.

    Attributes:
        n_images: usable images among them.
        n_normal: marked as normal.
        n_anomalous: marked as anomalous.
        auroc_before: of the marked images by a fit without the marks; None unless both kinds are
            there. The marks are no random sample, so it tells less than a review does.
        auroc_after: likewise, each image by a fit that has not seen its mark.
        detected_before: images marked as anomalous above the old threshold.
        detected_after: above the new one, each by a fit that has not seen its mark.
        alarms_before: images marked as normal above the old threshold.
        alarms_after: above the new one, likewise.
        flagged_before: images above the old threshold, marked or not.
        flagged_after: images above the new one, out of sample.
        newly_flagged: names of images that were not flagged before, the oddest first.
        no_longer_flagged: names of images that no longer are, the least odd first.
        rates_before: of all these images at the old threshold, estimated from the marks by their
            sampling design; None where that is not known.
        rates_after: likewise at the new one, each image by a fit that has not seen its mark.
    """

    n_images: int
    n_normal: int
    n_anomalous: int
    auroc_before: float | None
    auroc_after: float | None
    detected_before: int
    detected_after: int
    alarms_before: int
    alarms_after: int
    flagged_before: int
    flagged_after: int
    newly_flagged: tuple[str, ...]
    no_longer_flagged: tuple[str, ...]
    rates_before: Estimates | None = None
    rates_after: Estimates | None = None


@dataclass(frozen=True)
class Refitted:
    """A fit with marks.

    Attributes:
        fitted: to the pool without its confirmed anomalies.
        threshold: for the corrected scores.
        calibration: that it is read off.
        correction: what marks taught; None where marks of one kind are missing.
        scores: float64 (n,) of the pool, corrected, out of sample.
    """

    fitted: Fitted
    threshold: Threshold
    calibration: Calibration
    correction: Correction | None
    scores: Array


def refit_encoded(
    method: Method,
    data: FitData,
    pool: EncodedImages,
    marks: Array,
    *,
    settled: Mapping[str, float],
    false_alarm_rate: float,
    random_state: int,
    rule: Rule,
    studied: bool = False,
) -> Refitted:
    """Fit a method to a pool of which some images are marked.

    Confirmed anomalies leave the pool, and confirmed normals are kept by a method that leaves a
    part of the pool out; what the anomalies have in common goes into a correction of the
    scores (:func:`twofold.marks.fit_correction`). The threshold is read off the corrected scores of
    all others, each by a correction that has not seen its mark. As every image of the pool is there
    once, marked or not, no weights are needed.

    What the first fit settled about the two domains stays (:attr:`FitData.settled`): marks are of
    single images, and a choice between values that are about equally likely would turn over with
    a few of them, at a cost that nothing which was marked bears out.

    Args:
        method: to fit; it stays as it is.
        data: what it declares, with ``pool`` as the target if it sees one.
        pool: distinct target images, with their pooled vectors.
        marks: float64 (n,) of these: 1 anomalous, 0 normal, NaN not marked.
        settled: by the fit without the marks, its choices by name; what is not among them is
            settled anew.
        false_alarm_rate: stated.
        random_state: of everything.
        rule: of the calibration.
        studied: gather findings, a verdict and reference images.
    """
    odd = marks == 1
    usual = pool.subset(~odd)
    data = replace(data, settled=settled)
    if data.target_pool is not None:
        confirmed = frozenset(pool.subset(marks == 0).digests)
        data = replace(data, target_pool=usual, known_normal=confirmed)
    fitted = fit_method(
        method,
        data,
        usual,
        false_alarm_rate=false_alarm_rate,
        random_state=random_state,
        studied=studied,
        progress=None,
        rule=rule,
    )
    own, views = np.empty(len(pool)), np.empty((len(pool), fitted.seen_views.shape[1]))
    own[~odd], views[~odd] = fitted.seen_scores, fitted.seen_views
    if odd.any():
        own[odd], views[odd] = fitted.model.score_with_views(pool.subset(odd))
    presumed = np.isnan(marks) & (own <= fitted.threshold.value)
    found = _corrected(pool, own, views, marks, presumed, random_state)
    if found is None:
        return Refitted(fitted, fitted.threshold, fitted.calibration, None, own)
    correction, scores = found
    groups = pool.grouping()[~odd]
    calibration = Calibration.of(scores[~odd], origin="target", groups=groups, rule=rule)
    threshold = fit_threshold(calibration, false_alarm_rate)
    return Refitted(fitted, threshold, calibration, correction, scores)


def _corrected(
    pool: EncodedImages,
    own: Array,
    views: Array,
    marks: Array,
    presumed: NDArray[np.bool_],
    random_state: int,
) -> tuple[Correction, Array] | None:
    """What marks of the pool teach, and its scores by corrections that have not seen their marks.

    Args:
        pool: with pooled vectors.
        own: float64 (n,), scores of the method.
        views: float64 (n, v), of which they are means.
        marks: float64 (n,).
        presumed: bool (n,), unmarked images that count as normal.
        random_state: of the folds.

    Returns:
        None where marks of one kind are missing.
    """
    vectors = power_normalise(pool["pooled"])

    def learned(known: Array, others: NDArray[np.bool_]) -> Correction | None:
        return fit_correction(own, vectors, known, others, views=views, random_state=random_state)

    correction = learned(marks, presumed)
    if correction is None:
        return None
    scores = np.empty(len(pool))
    for fold in folds(pool.grouping(), FOLDS, random_state):
        # Marks of one kind alone are left where the other's few are all in this fold.
        unseeing = learned(np.where(fold, np.nan, marks), presumed & ~fold) or correction
        scores[fold] = unseeing.scores(own[fold], vectors[fold], views[fold])
    return correction, scores


def changes_of(
    before: tuple[Array, float],
    after: tuple[Array, float],
    marks: Array,
    names: tuple[str, ...],
    strata: NDArray[np.int64] | None = None,
) -> Changes:
    """What a fit with marks changed for some images.

    Args:
        before: scores, float64 (n,), and the threshold, as they were.
        after: likewise as they are, out of sample.
        marks: float64 (n,), of these images.
        names: of these images.
        strata: int64 (n,), of the design by which they were marked; None: not known.
    """
    (old, old_threshold), (new, new_threshold), said = before, after, marks
    was, is_now = old > old_threshold, new > new_threshold
    order = np.argsort(-new, kind="stable")

    def named(moved: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(names[row] for row in order if moved[row])

    return Changes(
        n_images=len(names),
        n_normal=int((said == 0).sum()),
        n_anomalous=int((said == 1).sum()),
        auroc_before=_area(old, said),
        auroc_after=_area(new, said),
        detected_before=int((was & (said == 1)).sum()),
        detected_after=int((is_now & (said == 1)).sum()),
        alarms_before=int((was & (said == 0)).sum()),
        alarms_after=int((is_now & (said == 0)).sum()),
        flagged_before=int(was.sum()),
        flagged_after=int(is_now.sum()),
        newly_flagged=named(~was & is_now),
        no_longer_flagged=named(was & ~is_now)[::-1],
        rates_before=None if strata is None else estimate(old, old_threshold, strata, said),
        rates_after=None if strata is None else estimate(new, new_threshold, strata, said),
    )


def _area(scores: Array, marks: Array) -> float | None:
    normal, odd = scores[marks == 0], scores[marks == 1]
    return auroc(normal, odd) if len(normal) and len(odd) else None
