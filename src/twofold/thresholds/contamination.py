"""The share of anomalies in an unlabelled pool, read off its scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm

from twofold.errors import ConfigError, NotEnoughImagesError

__all__ = ["LEAST_SCORES", "Contamination", "estimate_contamination"]

Array = NDArray[np.float64]

# With fewer, the lower tail on which everything rests is a single image.
LEAST_SCORES = 10
# Share of normals beyond the cut. 5% is noisier without normals of known scores, and 0.5% is blind
# to anomalies that overlap; known normals have no shape to be wrong about, and allow for more.
_TAIL, _KNOWN_TAIL = 0.02, 0.1
_CUT = float(norm.isf(_TAIL))
# Lower and upper quantile of the interval.
_LOW, _HIGH = 0.05, 0.95
_ONE_SIGMA = float(norm.cdf(-1.0))
# Normals are presumed to be the majority.
_MOST = 0.5


@dataclass(frozen=True)
class Contamination:
    """Estimated share of anomalies among the images whose scores were given.

    Attributes:
        share: cautious point estimate, in [0, 1]; at most 0.5 without known normals.
        low: at least this share, in [0, share].
        high: at most this share if anomalies stand apart from the normals, in [share, 1].
    """

    share: float
    low: float
    high: float


def estimate_contamination(
    scores: NDArray[np.floating],
    *,
    reference: NDArray[np.floating] | None = None,
    bootstraps: int = 200,
    random_state: int,
) -> Contamination:
    """Count the scores above what the normals' own spread explains.

    Without a reference, the normals' centre and spread come from the lower half of the scores, as
    in an empirical null (Efron 2004), and are Gaussian beyond: on a logarithmic scale for the share
    and the low end, on the cube root (Wilson & Hilferty 1931) for the high end, which lies higher
    for scores whose logarithm leans to the left. Scores that are not all positive are taken as
    they are. Of the share q above the Gaussian's 98% point, (q - 0.02) / 0.98 are anomalies, which
    is Storey's (2002) estimate at lambda = 0.02; centre and spread are then taken again from the
    lowest (1 - share) of the scores, until it stands still.

    Limits. Anomalies that score like normals are invisible: where the two overlap, the share, and
    often the high end too, is below the truth, so read it as "at least". Normals with a heavier
    tail on the right than on the left, on the logarithmic scale, count as anomalies: log-normal
    ones do not, Student ones (4 degrees of freedom, logarithmic) are 3%, Pareto ones a third.
    Many anomalies beside widely spread normals (40% beside a log standard deviation of 1) can
    hide themselves from the share, though not from the high end. Scores must be out of sample: a
    method that fitted the pool scores its anomalies too low.

    On 20 to 2000 scores with log-normal, chi-squared, gamma or Gaussian normals, the interval held
    the truth in at least 97% of pools at every share from 0 to 40% where the anomalies lay beyond
    the normals' 99.9% point; it is wider than its 90%, since it allows for two shapes. Where half
    of them lay below the 98% point, the low end was at most the truth in at least 97%.

    Args:
        scores: (n,) of a pool, larger = more anomalous; NaN are left out.
        reference: (m,) out-of-sample scores of known normals. Anything that moves the pool's
            normals, a domain shift above all, counts as anomalies; source images will not do.
        bootstraps: resamples of scores and reference, >= 1.
        random_state: seed of the resamples.

    Returns:
        The estimate with a 90% bootstrap interval, widened to the exact binomial one (Clopper &
        Pearson 1934) where that is wider. Cost O(bootstraps * n log n).

    Raises:
        NotEnoughImagesError: fewer than ten scores, or fewer than ten of a reference.
        ConfigError: ``bootstraps`` below 1.
    """
    if bootstraps < 1:
        raise ConfigError(f"bootstraps must be at least 1, not {bootstraps}")
    rng = np.random.default_rng(random_state)
    pool = _sorted(scores, "target")
    if reference is None:
        cautious, generous, again = _without_reference(pool, bootstraps, rng)
    else:
        known = _sorted(reference, "reference")
        cautious = generous = _excess_over(pool, known)
        again = np.empty((bootstraps, 2))
        for row in again:
            row[:] = _excess_over(_resampled(pool, rng), _resampled(known, rng))
    low, high = _binomial(cautious, len(pool))
    return Contamination(
        share=cautious,
        low=min(cautious, low, float(np.quantile(again[:, 0], _LOW))),
        high=max(cautious, generous, high, float(np.quantile(again, _HIGH, axis=0).max())),
    )


def _without_reference(
    pool: Array, bootstraps: int, rng: np.random.Generator
) -> tuple[float, float, Array]:
    """The cautious and the generous estimate, and both again from each resample, (b, 2)."""
    # Both scales keep the order, so a resample of places serves both.
    positive = bool(pool[0] > 0)
    narrow, wide = (np.log(pool), np.cbrt(pool)) if positive else (pool, pool)
    again = np.empty((bootstraps, 2))
    for row in again:
        places = np.sort(rng.integers(len(pool), size=len(pool)))
        row[:] = _excess(narrow[places])[0], _excess(wide[places])[1]
    return _excess(narrow)[0], _excess(wide)[1], again


def _excess(ordered: Array) -> tuple[float, float]:
    """Fit a Gaussian to the lower half of the normals, and count the scores beyond it.

    Args:
        ordered: (n,) ascending.

    Returns:
        Their share less the Gaussian's own, in [0, 0.5], and as it is, in [0, 1].
    """
    n, share, beyond = len(ordered), 0.0, 0.0
    for _ in range(50):
        centre = _quantile(ordered, (1.0 - share) / 2.0)
        spread = centre - _quantile(ordered, (1.0 - share) * _ONE_SIGMA)
        # Copies below the centre say nothing of what normals reach above it.
        if spread <= 0:
            return 0.0, 0.0
        cut = centre + _CUT * spread
        beyond = (n - int(np.searchsorted(ordered, cut, side="right"))) / n
        before, share = share, min(max((beyond - _TAIL) / (1.0 - _TAIL), 0.0), _MOST)
        if abs(share - before) < 1e-3:
            break
    return share, beyond


def _quantile(ordered: Array, level: float) -> float:
    """numpy's linear interpolation, without its sort."""
    place = level * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    weight = place - below
    return float(ordered[below] * (1.0 - weight) + ordered[above] * weight)


def _excess_over(pool: Array, known: Array) -> float:
    """Share of the pool beyond the normals' highest tenth, less their own, in [0, 1]."""
    cut = _quantile(known, 1.0 - _KNOWN_TAIL)
    beyond, expected = (float((values > cut).mean()) for values in (pool, known))
    return max((beyond - expected) / (1.0 - expected), 0.0)


def _binomial(share: float, n: int) -> tuple[float, float]:
    count = share * n
    low = float(beta.ppf(_LOW, count, n - count + 1)) if count > 0 else 0.0
    return low, float(beta.ppf(_HIGH, count + 1, n - count)) if count < n else 1.0


def _resampled(values: Array, rng: np.random.Generator) -> Array:
    return np.sort(rng.choice(values, len(values)))


def _sorted(scores: NDArray[np.floating], name: str) -> Array:
    values = np.asarray(scores, dtype=np.float64)
    ordered = np.sort(values[~np.isnan(values)])
    if len(ordered) < LEAST_SCORES:
        raise NotEnoughImagesError(
            f"estimating the share of anomalies needs at least {LEAST_SCORES} {name} images, "
            f"got {len(ordered)}"
        )
    return ordered
