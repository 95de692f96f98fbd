"""Whether a pool is one group of images or two, and which images are the lesser one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.densities.components import leading_components
from twofold.densities.gaussian import fit_gaussian
from twofold.densities.rows import in_blocks
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.threads import one_thread

if TYPE_CHECKING:
    from scipy import ndimage, special
else:
    ndimage = deferred("scipy.ndimage")
    special = deferred("scipy.special")

__all__ = ["TWO_MODES", "Multimodality", "lesser_mode", "multimodality", "thinned"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TWO_MODES = 0.02
"""Up to this p-value a pool counts as two groups: the least that 100 simulations give, 0.01, leaves
the test's three statistics no room."""
_SIMULATIONS = 100
# Larger pools are drawn from at random: 2000 images give a share to a hundredth.
_MOST_ROWS = 2000
# Two components with five images each are the least that can look like two groups.
_LEAST_ROWS = 10
# Two-means started along these components: another component is split only where it is larger.
_STARTS = 3
# Cells along the line through both centres; a seventh of the smoothing width at 2000 images.
_CELLS = 256
# Images that stand for a group.
_SHOWN = 5


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
        typical: rows of up to five images that stand for the smaller group, the nearest to its
            mean first.
        p_value: of a single mode being split as well and having as deep a valley, in
            [1 / (1 + simulations), 1]. A simulated sample that lies all on one side of its
            distribution's middle, as small ones at times do, shows one mode and no valley.
    """

    separation: float
    valley: float
    minor_share: float
    minor_low: float
    typical: tuple[int, ...]
    p_value: float


def thinned(n: int, least: int, rng: np.random.Generator, part: float = 1.0) -> NDArray[np.intp]:
    """At most 2000 of n rows, ascending, of which a ``part`` must hold ``least``, at least 2.

    Raises:
        NotEnoughImagesError: it does not.
    """
    needed = max(2, int(np.ceil(least / part)))
    if n < needed:
        raise NotEnoughImagesError(
            f"judging the dominant cluster needs at least {needed} target images, got {n}"
        )
    if n <= _MOST_ROWS:
        return np.arange(n)
    return np.sort(rng.choice(n, _MOST_ROWS, replace=False))


def multimodality(
    features: NDArray[np.floating],
    *,
    simulations: int = _SIMULATIONS,
    random_state: int,
    components: Array | None = None,
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
        components: the leading components of all rows for this random state, where they are known.

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
    chosen = thinned(len(features), _LEAST_ROWS, rng)
    rows = components
    if rows is None or len(chosen) < len(features):
        rows = leading_components(features[chosen], random_state=random_state)
    if not rows.any():
        return Multimodality(0.0, 1.0, 0.0, 0.0, (), 1.0)
    split = _Split.of(rows)
    lesser = split.lesser
    count = int(lesser.sum())
    low = float(special.betaincinv(count, len(rows) - count + 1, 0.05)) if count else 0.0
    return Multimodality(
        separation=split.separation,
        valley=split.valley,
        minor_share=count / len(rows),
        minor_low=low,
        typical=_typical(rows, lesser, chosen),
        p_value=_p_value(rows, split, simulations, rng),
    )


def lesser_mode(features: NDArray[np.floating], *, most: float) -> Mask | None:
    """The images of a lesser group of the pool that lies apart, if a test says that there is one.

    Args:
        features: (n, d) finite.
        most: share of the pool that it may hold, in [0, 0.5].

    Returns:
        bool (n,); None where the pool's best split in two has a lesser side above ``most``, or
        :func:`multimodality` has a p-value above 0.02, or there are fewer than ten images. The
        simulations are the same each time, so nothing is random. Cost: that of the components where
        the lesser side is too large, otherwise that of :func:`multimodality`.
    """
    if len(features) < _LEAST_ROWS:
        return None
    rng = np.random.default_rng(0)
    chosen = thinned(len(features), _LEAST_ROWS, rng)
    rows = leading_components(features[chosen], random_state=0)
    if not rows.any():
        return None
    split = _Split.of(rows)
    lesser = split.lesser
    if not 0 < lesser.mean() <= most:
        return None
    # Many small products: threads that wait for each other make them many times slower.
    with one_thread():
        p_value = _p_value(rows, split, _SIMULATIONS, rng, enough=TWO_MODES)
    if p_value > TWO_MODES:
        return None
    if len(chosen) == len(features):
        return lesser
    there, here = (features[chosen][side].mean(axis=0) for side in (lesser, ~lesser))
    axis = there - here
    # Not all rows of a large pool are held in memory.
    along = in_blocks(lambda block: block @ axis, features)
    return np.asarray(along > (there + here) @ axis / 2.0)


@dataclass(frozen=True)
class _Split:
    """The best split of rows in two."""

    side: Mask
    separation: float
    valley: float

    @classmethod
    def of(cls, rows: Array) -> _Split:
        side, separation = two_means(rows)
        return cls(side, separation, valley_depth(rows, side))

    @property
    def lesser(self) -> Mask:
        """The smaller side; of two equal ones the second."""
        return self.side if 2 * self.side.sum() < len(self.side) else ~self.side


def _p_value(
    rows: Array, split: _Split, simulations: int, rng: np.random.Generator, enough: float = 1.0
) -> float:
    """That of :func:`multimodality`; above ``enough`` some value above it, for less time."""
    shrinkage = fit_gaussian(rows).shrinkage
    variances = rows.var(axis=0)
    scale = np.sqrt((1.0 - shrinkage) * variances + shrinkage * variances.mean())
    reached = np.zeros(3, dtype=np.int64)
    for _ in range(simulations):
        null = rng.normal(size=rows.shape) * scale
        null -= null.mean(axis=0)
        other = _Split.of(null)
        flat = rng.uniform(-1.0, 1.0, size=(len(rows), 1))
        even = valley_depth(flat, flat[:, 0] > 0)
        reached += [
            other.separation >= split.separation,
            other.valley <= split.valley,
            even <= split.valley,
        ]
        if 1 + reached.max() > enough * (1 + simulations):
            break
    return (1 + int(reached.max())) / (1 + simulations)


def _typical(rows: Array, group: Mask, names: NDArray[np.intp]) -> tuple[int, ...]:
    """Those of the group that are nearest to its mean, by the numbers that rows go by."""
    if not group.any():
        return ()
    away = np.square(rows[group] - rows[group].mean(axis=0)).sum(axis=1)
    nearest = np.argsort(away, kind="stable")[:_SHOWN]
    return tuple(int(row) for row in names[group][nearest])


def two_means(rows: Array) -> tuple[Mask, float]:
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


def valley_depth(rows: Array, side: Mask) -> float:
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
    density = ndimage.gaussian_filter1d(counts.astype(np.float64), max(width, 1.0), mode="constant")
    border = line[side].min() if line[side].mean() > line[~side].mean() else line[~side].min()
    cut = min(max(int(np.searchsorted(edges, border)) - 1, 1), _CELLS - 1)
    left, right = int(density[:cut].argmax()), cut + int(density[cut:].argmax())
    lowest = float(density[left : right + 1].min())
    return lowest / float(min(density[left], density[right]))
