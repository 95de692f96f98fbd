"""From encoded images to everything a fitted detector consists of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.defaults import DEFAULT_CALIBRATION
from twofold.densities import normalised, power_normalise
from twofold.detector.kept_drift import drift_reference
from twofold.detector.references import References, reference_images
from twofold.drift import DriftReference
from twofold.encoders.encode import EncodedImages
from twofold.evidence import (
    Evidence,
    Findings,
    Verdict,
    VisibleFlaws,
    collect_evidence,
    judge,
    study,
    visible_flaws,
)
from twofold.methods import Fit, FitData, Method, OutOfSample
from twofold.thresholds import Calibration, Rule, Threshold, fit_threshold

__all__ = ["Fitted", "fit_distinct", "fit_method", "look_at", "seen_flaws"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A fitted method with its decision rule.

    Attributes:
        model: the fitted method.
        threshold: the decision rule.
        evidence: about the fit.
        calibration: out-of-sample scores that the decision rule is read off.
        seen_scores: float64 (n,), of the pool, or of the source where there is none; each from a
            fit that has not seen its image.
        seen_views: float64 (n, v), the views of which they are weighted means, likewise.
        references: images kept to be shown beside new ones; None where they were not asked for.
        drift: what the target was like, for :mod:`twofold.drift`; likewise.
    """

    model: Method
    threshold: Threshold
    evidence: Evidence
    calibration: Calibration
    seen_scores: Array
    seen_views: Array
    references: References | None = None
    drift: DriftReference | None = None


def fit_method(
    method: Method,
    data: FitData,
    pool: EncodedImages | None,
    *,
    false_alarm_rate: float,
    random_state: int,
    studied: bool,
    progress: Callable[[int, int], None] | None,
    rule: Rule = DEFAULT_CALIBRATION,
    notes: Sequence[str] = (),
    bit_depths: tuple[int | None, int | None] = (None, None),
) -> Fitted:
    """Fit a method, its threshold, and gather the evidence.

    Args:
        method: to fit; it stays as it is.
        data: exactly what it declares.
        pool: the target images for the evidence, with their pooled vectors; the method may not
            see them.
        false_alarm_rate: stated.
        random_state: of everything.
        studied: whether to run the tests behind the verdict, which take some seconds, and to keep
            reference images.
        progress: told about the training.
        rule: of the calibration.
        notes: on the files, for the evidence.
        bit_depths: of source and target, for the evidence.
    """
    fit, seen, views = fit_distinct(
        method, data, pool, random_state=random_state, progress=progress
    )
    calibration = calibrated(fit.out_of_sample, rule)
    threshold = fit_threshold(calibration, false_alarm_rate)
    findings: Findings | None = None
    verdict: Verdict | None = None
    references: References | None = None
    drift: DriftReference | None = None
    if studied:
        # Pictures are decoded and made small while the tests compute.
        with ThreadPoolExecutor(1, thread_name_prefix="references") as beside:
            kept = beside.submit(reference_images, data.source, pool, seen, threshold.value)
            if pool is not None:
                findings, verdict = look_at(
                    data.source,
                    pool,
                    seen,
                    false_alarm_rate=false_alarm_rate,
                    random_state=random_state,
                )
            references = kept.result()
        drift = drift_reference(data.source, pool, seen)
    evidence = collect_evidence(
        data.source,
        pool,
        threshold,
        verdict=verdict,
        findings=findings,
        choices=dict(fit.diagnostics.choices),
        notes=notes,
        bit_depths=bit_depths,
        visible_flaws=seen_flaws(fit, rule, false_alarm_rate),
    )
    return Fitted(fit.model, threshold, evidence, calibration, seen, views, references, drift)


def calibrated(own: OutOfSample, rule: Rule) -> Calibration:
    """Out-of-sample scores as a calibration."""
    return Calibration.of(
        own.scores, origin=own.origin, groups=own.groups, rule=rule, scale=own.scale
    )


def seen_flaws(fit: Fit[Method], rule: Rule, false_alarm_rate: float) -> VisibleFlaws | None:
    """How small a flaw the method would flag at a rate, if it says how it scores made-up ones."""
    made_up = fit.diagnostics.made_up_flaws
    if made_up is None:
        return None
    threshold = fit_threshold(calibrated(made_up.out_of_sample, rule), false_alarm_rate)
    return visible_flaws(
        made_up.scores,
        threshold.value,
        shares=made_up.shares,
        sides=made_up.sides,
        false_alarm_rate=threshold.false_alarm_rate,
    )


def fit_distinct(
    method: Method,
    data: FitData,
    pool: EncodedImages | None,
    *,
    random_state: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Fit[Method], Array, Array]:
    """Fit a method on each image once.

    Args:
        method: to fit; it stays as it is.
        data: exactly what it declares.
        pool: target images that it may not see, with copies.
        random_state: of everything.
        progress: told about the training.

    Returns:
        The fit to the distinct images; and the scores and views of the pool, or of the source where
        there is none, copies included, each out of sample.
    """
    once = data.distinct()
    fit = method.fit(once, random_state=random_state, progress=progress)
    own = fit.out_of_sample
    fitted_on = once.source if own.origin == "source" else once.target_pool
    assert fitted_on is not None
    seen = data.source if pool is None else pool
    known = {digest: row for row, digest in enumerate(fitted_on.digests)}
    if not known.keys() >= set(seen.digests):
        return fit, *fit.model.score_with_views(seen)
    rows = [known[digest] for digest in seen.digests]
    return fit, own.scores[rows], own.views[rows]


def look_at(
    source: EncodedImages,
    pool: EncodedImages,
    adapted: Array,
    *,
    false_alarm_rate: float,
    random_state: int,
) -> tuple[Findings | None, Verdict]:
    """Findings and verdict on a source and a pool.

    Args:
        source: usable images with their pooled vectors.
        pool: usable images of the target, with their pooled vectors.
        adapted: float64 (n,) scores of the pool.
        false_alarm_rate: that a threshold is wanted for.
        random_state: of all that is random.
    """
    findings = study(
        normalised(source.rows("pooled"), power_normalise),
        normalised(pool.rows("pooled"), power_normalise),
        names=pool.names,
        adapted=adapted,
        random_state=random_state,
    )
    verdict = judge(
        findings,
        n_source=len(source),
        n_target=len(pool),
        n_groups=len(np.unique(pool.grouping())),
        false_alarm_rate=false_alarm_rate,
    )
    return findings, verdict
