"""Everything that can be said about a source and a pool without labels, gathered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.densities import fit_trimmed, in_blocks, leading_components, mean_of, multimodality
from twofold.errors import CollapseError
from twofold.evidence.dominance import stability
from twofold.evidence.kinship import kinship
from twofold.evidence.majority import distance_skewness
from twofold.evidence.ranking import extremes, rank_agreement
from twofold.evidence.shift import mmd_test, two_sample_test
from twofold.threads import side_by_side

__all__ = ["BREAKDOWN", "LEAST_IMAGES", "Findings", "study"]

Array = NDArray[np.float64]

# Below, hardly any of the statistics is defined, and none says anything.
LEAST_IMAGES = 10
_SHOWN = 5
# Images of a domain that the tests look at: the one that draws the most of them takes 2,000.
_MOST = 10_000
_TESTS = 6
BREAKDOWN = 0.25
"""Share of the pool that a robust fit leaves out, as the methods do: more anomalies break it."""


@dataclass(frozen=True)
class Findings:
    """Label-free findings about one pair of sets; fractions throughout.

    Attributes:
        shift_auroc: how well a classifier tells source from target on held-out images: 0.5 no
            shift, 1 told apart without error.
        shift_p_value: of no shift, from that classifier (permutations).
        mmd: squared maximum mean discrepancy, unbiased; about 0 without shift, at most 2.
        mmd_p_value: of no shift (permutations).
        kinship: how far the target's central part varies like the source, 0 chance to 1 like
            itself.
        kinship_low: lower end of its 90% interval.
        kinship_high: upper end; the interval is 0 to 1 where nothing can be said.
        dominant_share: share of the pool in the larger of two clusters (K-means, K = 2).
        stability: agreement of the dominant cluster over subsamples for K = 2, 3, 5, in [0, 1].
        stability_across: how far the dominant clusters of different K lie within each other.
        two_modes_p_value: of the pool being one mode.
        minor_share: share of the smaller side of its best split in two.
        minor_share_low: at least this share, with 95%.
        minor_images: up to five that stand for that side.
        distance_skewness: of the squared distances between the pool's images; below 0 says that
            no majority lies together.
        distance_skewness_low: lower end of its 90% interval.
        distance_skewness_high: upper end.
        kendall: agreement of the adapted ranking with that of distances to the source, in [-1, 1].
        top_overlap: share of the top tenth both rankings have in common.
        chance_overlap: what unrelated rankings would share.
        most_like_source: the target images nearest to the source normals, nearest first.
        least_like_source: the farthest, farthest first.
    """

    shift_auroc: float
    shift_p_value: float
    mmd: float
    mmd_p_value: float
    kinship: float
    kinship_low: float
    kinship_high: float
    dominant_share: float
    stability: tuple[float, ...]
    stability_across: float
    two_modes_p_value: float
    minor_share: float
    minor_share_low: float
    minor_images: tuple[str, ...]
    distance_skewness: float
    distance_skewness_low: float
    distance_skewness_high: float
    kendall: float
    top_overlap: float
    chance_overlap: float
    most_like_source: tuple[str, ...]
    least_like_source: tuple[str, ...]


def study(
    source: Array,
    target: Array,
    *,
    names: tuple[str, ...],
    adapted: Array,
    random_state: int,
) -> Findings | None:
    """Run every test of this package on one pair.

    Args:
        source: float64 (m, d) normalised vectors of the source normals, an array or
            :class:`twofold.densities.FarRows`; of more than 10,000 that many drawn at random.
        target: float64 (n, d) of the pool, likewise; rankings are of all of it.
        names: (n,) of the target images.
        adapted: float64 (n,) out-of-sample scores of the pool under the adapted detector. The
            agreement of the rankings alone is about them; all else is the same for any method.
        random_state: of all that is random here.

    Returns:
        The findings; None with fewer than ten images on a side. Some seconds at 2,000 + 2,000.
    """
    if min(len(source), len(target)) < LEAST_IMAGES:
        return None
    center = mean_of(source)
    distances = in_blocks(lambda block: np.square(block - center).sum(axis=1), target)
    rng = np.random.default_rng(random_state)
    source, _ = _some(source, rng)
    target, rows = _some(target, rng)
    seed = random_state
    with side_by_side(_TESTS) as threads:  # the longest first
        components = leading_components(target, random_state=seed)
        groups = threads.submit(stability, target, random_state=seed, components=components)
        # Anomalies say nothing of how the target's normals vary.
        central = target[_central(components)]
        kin = threads.submit(kinship, source, central, random_state=seed)
        split = threads.submit(multimodality, target, random_state=seed, components=components)
        classified = threads.submit(two_sample_test, source, target, random_state=seed)
        kernels = threads.submit(mmd_test, source, target, random_state=seed)
        pairs = threads.submit(distance_skewness, target, random_state=seed)
    stable, related, modes = groups.result(), kin.result(), split.result()
    told, mmd, together = classified.result(), kernels.result(), pairs.result()
    ranks = rank_agreement(adapted, distances)
    nearest, farthest = extremes(distances, names, min(_SHOWN, len(names)))
    return Findings(
        shift_auroc=told.auroc,
        shift_p_value=told.p_value,
        mmd=mmd.value,
        mmd_p_value=mmd.p_value,
        kinship=related.value,
        kinship_low=related.low,
        kinship_high=related.high,
        dominant_share=stable.shares[0],
        stability=stable.agreement,
        stability_across=stable.across,
        two_modes_p_value=modes.p_value,
        minor_share=modes.minor_share,
        minor_share_low=modes.minor_low,
        minor_images=tuple(names[rows[row]] for row in modes.typical),
        distance_skewness=together.value,
        distance_skewness_low=together.low,
        distance_skewness_high=together.high,
        kendall=ranks.kendall,
        top_overlap=ranks.top_overlap,
        chance_overlap=ranks.chance_overlap,
        most_like_source=nearest,
        least_like_source=farthest,
    )


def _some(rows: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
    """At most so many rows as the tests look at, and which they are."""
    chosen = np.arange(len(rows))
    if len(rows) > _MOST:
        chosen = np.sort(rng.choice(len(rows), _MOST, replace=False))
        return rows[chosen], chosen
    return rows[:], chosen


def _central(components: Array) -> NDArray[np.bool_]:
    """The central three quarters, bool (n,), whatever a method presumes normal; all of copies."""
    try:
        return fit_trimmed(None, components, trim=BREAKDOWN)[1]
    except CollapseError:
        return np.ones(len(components), dtype=np.bool_)
