"""Evidence and verdict before anything is fitted to decide with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from twofold.defaults import (
    DEFAULT_CALIBRATION,
    DEFAULT_ENCODER,
    DEFAULT_FALSE_ALARM_RATE,
    DEFAULT_RANDOM_STATE,
)
from twofold.detector.arguments import check_parameters, check_seed
from twofold.detector.cost import Cost, StopWatch, peak_bytes, seconds_to_read
from twofold.detector.fitting import fit_distinct, look_at, seen_flaws
from twofold.detector.inputs import FitImages, find_fit_images
from twofold.detector.reading import DetectorProgress, Reader, read_fit
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import load_encoder
from twofold.encoders.outputs import EngineKind
from twofold.evidence import LEAST_IMAGES, Copies, Findings, VisibleFlaws, judge
from twofold.images import ImageInput, MaskInput, Problem, find_images
from twofold.method_table import METHODS
from twofold.methods import FitData, Method, parse_config

__all__ = ["Check", "check_pair"]


@dataclass(frozen=True)
class Check:
    """What is known about a source and a target before a detector decides anything.

    Attributes:
        n_source: usable source images.
        n_target: usable target images.
        verdict: see :class:`twofold.evidence.Verdict`.
        reasons: of the verdict.
        contamination: (low, share, high) of the target; None: unknown, as it is without labels.
        findings: None where there are too few images.
        choices: what `auto` would settle.
        problems: unusable images.
        notes: what is odd about the files, and copies within and across the sets, a line each.
        bit_depths: with which source and target images of more than 8 bits are read.
        visible_flaws: how small a flaw is seen at the stated rate; None with few images.
        cost: what a fit of `auto` to these images takes; None with few images.
    """

    n_source: int
    n_target: int
    verdict: str
    reasons: tuple[str, ...]
    contamination: tuple[float, float, float] | None
    findings: Findings | None
    choices: dict[str, float]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    bit_depths: tuple[int | None, int | None]
    visible_flaws: VisibleFlaws | None = None
    cost: Cost | None = field(default=None, compare=False)


def check_pair(
    source: ImageInput,
    target: ImageInput,
    *,
    encoder: str = DEFAULT_ENCODER,
    weights: str | Path | None = None,
    bit_depth: int | None = None,
    mask: MaskInput | None = None,
    false_alarm_rate: float = DEFAULT_FALSE_ALARM_RATE,
    random_state: int = DEFAULT_RANDOM_STATE,
    strict: bool = False,
    engine: EngineKind = "auto",
    progress: DetectorProgress | None = None,
) -> Check:
    """Study two sets of images; `auto`'s closed form ranks the target, and nothing is kept.

    Args:
        source: normal images.
        target: unlabelled images.
        encoder: its id.
        weights: a local file with its weights.
        bit_depth: of images with more than 8 bits; None finds it.
        mask: what to leave out of all images; see :class:`twofold.Detector`.
        false_alarm_rate: that a threshold would be wanted for.
        random_state: of all that is random.
        strict: fail on the first unusable image.
        engine: of frozen inference.
        progress: told about long work.

    Raises:
        TwofoldError: the images or weights cannot be used.
    """
    check_parameters(
        {
            "encoder": encoder,
            "weights": weights,
            "bit_depth": bit_depth,
            "false_alarm_rate": false_alarm_rate,
            "strict": strict,
            "engine": engine,
            "progress": progress,
        }
    )
    check_seed(random_state)
    given = find_fit_images(source, find_images(target), bit_depth=bit_depth, mask=mask)
    assert given.target is not None
    auto = METHODS.load("auto")
    method = auto(load_encoder(encoder, weights), parse_config(auto, {}))
    outputs = tuple(dict.fromkeys((*method.config.outputs(), "pooled")))
    frozen = FrozenEncoder(method.encoder, outputs, cache=default_cache(), engine=engine)
    reader = Reader(method.encoder, frozen, engine, strict, progress)
    *_, data = read_fit(reader, given, method, None)
    watch = StopWatch()
    found = _studied(method, data, false_alarm_rate, random_state, given)
    if found.findings is None:
        return found
    fitting = watch.seconds()
    reading = sum(seconds_to_read(frozen, images) for images in (given.source, given.target))
    return replace(found, cost=Cost(fitting + reading, peak_bytes()))


def _studied(
    method: Method,
    data: FitData,
    false_alarm_rate: float,
    random_state: int,
    given: FitImages,
) -> Check:
    """What is known about images that are read."""
    source, pool = data.source, data.target_pool
    assert pool is not None
    flaws: VisibleFlaws | None = None
    if min(len(source), len(pool)) < LEAST_IMAGES:
        findings, choices = None, {}
        verdict = judge(
            None,
            n_source=len(source),
            n_target=len(pool),
            n_groups=len(np.unique(pool.grouping())),
            false_alarm_rate=false_alarm_rate,
        )
    else:
        fit, scores, _ = fit_distinct(method, data, pool, random_state=random_state)
        findings, verdict = look_at(
            source,
            pool,
            scores,
            false_alarm_rate=false_alarm_rate,
            random_state=random_state,
        )
        choices = dict(fit.diagnostics.choices)
        flaws = seen_flaws(fit, DEFAULT_CALIBRATION, false_alarm_rate)
    return Check(
        n_source=len(source),
        n_target=len(pool),
        verdict=verdict.verdict,
        reasons=verdict.reasons,
        contamination=None,
        findings=findings,
        choices=choices,
        problems=source.problems + pool.problems,
        notes=(*given.notes, *Copies.of(source, pool).notes()),
        bit_depths=given.bit_depths,
        visible_flaws=flaws,
    )
