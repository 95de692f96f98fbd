"""How far the pool has one dominant cluster, which choosing presumed normals takes for granted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.stats import beta

from twofold.densities import fit_gaussian
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.evidence.shift import leading_components
from twofold.selection.kmeans import select_kmeans

__all__ = ["Multimodality", "Stability", "dominant_share", "multimodality", "stability"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Larger pools are drawn from at random: 2000 images give a share to a hundredth.
_MOST_ROWS = 2000
# Ben-Hur et al. find shares above one half to work alike, and use 0.8.
_SUBSAMPLE = 0.8
# Two components with five images each are the least that can look like two groups.
_LEAST_ROWS = 10
# Two-means started along these components: another component is split only where it is larger.
_STARTS = 3
# Cells along the line through both centres; a seventh of the smoothing width at 2000 images.
_CELLS = 256


@dataclass(frozen=True)
class Stability:
    """How much the presumed normals depend on which images were sampled, and on K.

    Attributes:
        n_clusters: (q,) the K of each entry below.
        agreement: (q,) mean Jaccard index of the dominant cluster found on a part of the pool with
            that of the whole pool, on the images of the part, in [0, 1]. 1: always the same
            images. Two random sets of share s reach s / (2 - s). Below about 0.75 a cluster is
            doubtful (Hennig 2007); above it can be an arbitrary cut all the same: a single
            Gaussian cloud reaches 0.4 to 0.8 for K = 2, the more the longer it is.
        shares: (q,) share of the pool inside the dominant cluster, in (0, 1].
        across: mean over pairs of K of the share of the smaller dominant cluster that lies within
            the larger, in [0, 1]. 1: a larger K only cuts the same cluster smaller; unrelated sets
            reach the larger one's share. 1 with a single K.
    """

    n_clusters: tuple[int, ...]
    agreement: tuple[float, ...]
    shares: tuple[float, ...]
    across: float


@dataclass(frozen=True)
class Multimodality:
    """Whether the pool falls into two groups rather than one.

    Attributes:
        separation: share of the variance that the split in two explains, in [0, 1]. A single
            Gaussian reaches 2 / pi = 0.64 where one direction dominates, and less otherwise.
        valley: lowest density between the two groups' peaks relative to the lower peak, along the
            line through their means, in [0, 1]. 1: one mode; 0: a gap.
        minor_share: share of the pool in the smaller group, in [0, 0.5].
        minor_low: at least this share, with 95% (Clopper & Pearson 1934), in [0, minor_share].
        p_value: of a single mode being split as well and having as deep a valley, in
            [1 / (1 + simulations), 1]. A simulated sample that lies all on one side of its
            distribution's middle, as small ones at times do, shows one mode and no valley.
    """

    separation: float
    valley: float
    minor_share: float
    minor_low: float
    p_value: float


def dominant_share(features: NDArray[np.floating], *, n_clusters: int, random_state: int) -> float:
    """Share of the pool inside the largest K-means cluster, in (0, 1].

    A single even cloud gives about 1 / K, so little above that speaks for no dominant cluster.

    Args:
        features: (n, d) finite; L2-normalise them first for angular clustering.
        n_clusters: K >= 1.
        random_state: seed of the starts.

    Raises:
        ConfigError: K < 1.
        NotEnoughImagesError: fewer images than clusters.

    Cost: see :func:`twofold.selection.kmeans.select_kmeans`.
    """
    return select_kmeans(features, n_clusters=n_clusters, random_state=random_state).share


def stability(
    features: NDArray[np.floating],
    *,
    n_clusters: Sequence[int] = (2, 3, 5),
    bootstraps: int = 10,
    random_state: int,
) -> Stability:
    """Cluster parts of the pool again and compare (Ben-Hur et al. 2002; Hennig 2007).

    The parts are drawn without replacement, 80% of the pool each, with a seed of K-means of their
    own: copies of an image, as a bootstrap makes them, would count as a cluster. The dominant
    cluster is compared with the dominant cluster, so that two groups that take turns in being the
    larger one count as a disagreement.

    Args:
        features: (n, d) finite; L2-normalise them first for angular clustering. At most 2000 rows,
            drawn at random, and their 32 leading components are used.
        n_clusters: each K >= 1, at least one.
        bootstraps: parts for each K, >= 1.
        random_state: seed of draw, parts and starts.

    Returns:
        The figures. Cost O(n d k) for the k components and (bootstraps + 1) runs of K-means for
        each K, in k dimensions.

    Raises:
        ConfigError: a K or ``bootstraps`` below 1, or no K.
        NotEnoughImagesError: a part would have fewer images than clusters.
    """
    if bootstraps < 1 or not n_clusters:
        raise ConfigError("stability needs at least one bootstrap and one number of clusters")
    rng = np.random.default_rng(random_state)
    rows = leading_components(_thinned(features, max(n_clusters), rng), random_state=random_state)
    wholes, agreement = [], []
    for k in n_clusters:
        whole = select_kmeans(rows, n_clusters=k, random_state=random_state).dominant
        again = [_jaccard_of_part(rows, whole, k, rng) for _ in range(bootstraps)]
        wholes.append(whole)
        agreement.append(float(np.mean(again)))
    pairs = [_contained(a, b) for a, b in itertools.combinations(wholes, 2)]
    return Stability(
        n_clusters=tuple(n_clusters),
        agreement=tuple(agreement),
        shares=tuple(float(whole.mean()) for whole in wholes),
        across=float(np.mean(pairs)) if pairs else 1.0,
    )


def multimodality(
    features: NDArray[np.floating], *, simulations: int = 100, random_state: int
) -> Multimodality:
    """Is there one dominant mode? Split in two, and compare with splits of a Gaussian.

    After SigClust (Liu et al. 2008): the cluster index of the best split in two, here 1 -
    ``separation``, is compared with that of data simulated from one Gaussian with the shrunk
    covariance (Ledoit & Wolf 2004) of the pool's leading components. Skewed, flat or heavy-tailed
    single clouds split better than a Gaussian too, so the valley between the two groups must also
    be deeper than in that Gaussian, split in its turn, and than in as many draws from a uniform
    distribution, the hardest single mode to tell from two (Hartigan & Hartigan 1985). The p-value
    is the largest of the three, so it errs on the side of one mode.

    A small ``p_value`` with a ``minor_share`` near one half says that no dominant mode exists, so
    that which group counts as normal is a toss-up. With a small ``minor_share`` the dominant group
    stands, and the other may well be the anomalies; a few far outliers are such a group. A split
    outside the leading components goes unnoticed, as do groups less than three standard
    deviations apart.

    Args:
        features: (n, d) finite, n >= 10; L2-normalise them first for angular clustering. At most
            2000 rows, drawn at random, and their 32 leading components are used.
        simulations: >= 1.
        random_state: seed of draw and simulations.

    Returns:
        The figures; (0, 1, 0, 0, 1) where all rows are the same. Cost O(n d k) for the k components
        and O(n k) for each simulation.

    Raises:
        ConfigError: ``simulations`` below 1.
        NotEnoughImagesError: fewer than ten rows.
    """
    if simulations < 1:
        raise ConfigError(f"simulations must be at least 1, not {simulations}")
    rng = np.random.default_rng(random_state)
    pool = _thinned(features, _LEAST_ROWS, rng, part=1.0)
    rows = leading_components(pool, random_state=random_state)
    if not rows.any():
        return Multimodality(
            separation=0.0, valley=1.0, minor_share=0.0, minor_low=0.0, p_value=1.0
        )
    side, separation = _two_means(rows)
    valley = _valley(rows, side)
    shrinkage = fit_gaussian(rows).shrinkage
    variances = rows.var(axis=0)
    scale = np.sqrt((1.0 - shrinkage) * variances + shrinkage * variances.mean())
    reached = np.zeros(3, dtype=np.int64)
    for _ in range(simulations):
        null = rng.normal(size=rows.shape) * scale
        null -= null.mean(axis=0)
        null_side, null_separation = _two_means(null)
        flat = rng.uniform(-1.0, 1.0, size=(len(rows), 1))
        valleys = _valley(null, null_side), _valley(flat, flat[:, 0] > 0)
        reached += [null_separation >= separation, valleys[0] <= valley, valleys[1] <= valley]
    count = int(min(side.sum(), (~side).sum()))
    low = float(beta.ppf(0.05, count, len(side) - count + 1)) if count else 0.0
    p_value = (1 + int(reached.max())) / (1 + simulations)
    return Multimodality(separation, valley, count / len(side), low, p_value)


def _thinned(
    features: NDArray[np.floating], least: int, rng: np.random.Generator, part: float = _SUBSAMPLE
) -> NDArray[np.floating]:
    """At most ``_MOST_ROWS`` rows, of which a ``part`` must hold ``least``, itself at least 2."""
    n = len(features)
    needed = max(2, int(np.ceil(least / part)))
    if n < needed:
        raise NotEnoughImagesError(
            f"judging the dominant cluster needs at least {needed} target images, got {n}"
        )
    if n <= _MOST_ROWS:
        return features
    return features[np.sort(rng.choice(n, _MOST_ROWS, replace=False))]


def _jaccard_of_part(rows: Array, whole: Mask, k: int, rng: np.random.Generator) -> float:
    part = rng.choice(len(rows), max(k, int(_SUBSAMPLE * len(rows))), replace=False)
    seed = int(rng.integers(2**31))
    here = select_kmeans(rows[part], n_clusters=k, random_state=seed).dominant
    there = whole[part]
    return float((here & there).sum() / (here | there).sum())


def _contained(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / min(a.sum(), b.sum()))


def _two_means(rows: Array) -> tuple[Mask, float]:
    """The best split in two from starts along the leading components (Su & Dy 2007).

    Args:
        rows: (n, k) centred, not all zero.

    Returns:
        bool (n,), and the share of the variance between the sides, in [0, 1].
    """
    splits = [_lloyd(rows, rows[:, start] > 0) for start in range(min(_STARTS, rows.shape[1]))]
    between = [_between(rows, side) for side in splits]
    best = int(np.argmax(between))
    # Groups of copies leave nothing within; rounding may leave less than that.
    return splits[best], min(between[best] / float(np.square(rows).sum()), 1.0)


def _lloyd(rows: Array, side: Mask) -> Mask:
    # Far more steps than centred clouds take; the bound guards against cycles by rounding.
    for _ in range(50):
        mean = side @ rows / side.sum()
        rest = ~side @ rows / (~side).sum()
        moved = rows @ (mean - rest) > (mean @ mean - rest @ rest) / 2.0
        if np.array_equal(moved, side) or not 0 < moved.sum() < len(rows):
            break
        side = moved
    return side


def _between(rows: Array, side: Mask) -> float:
    """Sum of squares between the sides; the rows' overall mean is 0."""
    total = side @ rows
    return float(total @ total * len(rows) / (side.sum() * (~side).sum()))


def _valley(rows: Array, side: Mask) -> float:
    """Depth of the density between two sides' peaks, on the line through their means.

    1 where a side is empty: what is not split has one peak and no valley.
    """
    if side.all() or not side.any():
        return 1.0
    axis = rows[side].mean(axis=0) - rows[~side].mean(axis=0)
    line = rows @ axis
    counts, edges = np.histogram(line, bins=_CELLS)
    # The spread within the sides: that of both together would fill every valley.
    within = np.sqrt(
        (line[side].var() * side.sum() + line[~side].var() * (~side).sum()) / len(line)
    )
    width = 1.06 * float(within) * len(line) ** -0.2 / (edges[1] - edges[0])
    density = gaussian_filter1d(counts.astype(np.float64), max(width, 1.0), mode="constant")
    border = line[side].min() if line[side].mean() > line[~side].mean() else line[~side].min()
    cut = min(max(int(np.searchsorted(edges, border)) - 1, 1), _CELLS - 1)
    left, right = int(density[:cut].argmax()), cut + int(density[cut:].argmax())
    lowest = float(density[left : right + 1].min())
    return lowest / float(min(density[left], density[right]))
