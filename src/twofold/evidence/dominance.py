"""How far the pool has one dominant cluster, which choosing presumed normals takes for granted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.densities import leading_components, thinned
from twofold.errors import ConfigError
from twofold.selection.kmeans import select_kmeans

__all__ = ["Stability", "stability"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Ben-Hur et al. find shares above one half to work alike, and use 0.8.
_SUBSAMPLE = 0.8


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


def stability(
    features: NDArray[np.floating],
    *,
    n_clusters: Sequence[int] = (2, 3, 5),
    bootstraps: int = 10,
    random_state: int,
    components: Array | None = None,
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
        components: the leading components of all rows for this random state, where they are known.

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
    chosen = thinned(len(features), max(n_clusters), rng, part=_SUBSAMPLE)
    if components is None or len(chosen) < len(features):
        components = leading_components(features[chosen], random_state=random_state)
    wholes, agreement = [], []
    for k in n_clusters:
        whole = select_kmeans(components, n_clusters=k, random_state=random_state).dominant
        again = [_jaccard_of_part(components, whole, k, rng) for _ in range(bootstraps)]
        wholes.append(whole)
        agreement.append(float(np.mean(again)))
    pairs = [_contained(a, b) for a, b in itertools.combinations(wholes, 2)]
    return Stability(
        n_clusters=tuple(n_clusters),
        agreement=tuple(agreement),
        shares=tuple(float(whole.mean()) for whole in wholes),
        across=float(np.mean(pairs)) if pairs else 1.0,
    )


def _jaccard_of_part(rows: Array, whole: Mask, k: int, rng: np.random.Generator) -> float:
    part = rng.choice(len(rows), max(k, int(_SUBSAMPLE * len(rows))), replace=False)
    seed = int(rng.integers(2**31))
    here = select_kmeans(rows[part], n_clusters=k, random_state=seed).dominant
    there = whole[part]
    return float((here & there).sum() / (here | there).sum())


def _contained(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / min(a.sum(), b.sum()))
