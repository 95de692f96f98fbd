"""The estimated share of anomalies on mixtures whose share is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.thresholds.contamination import Contamination, _excess, estimate_contamination

Array = NDArray[np.float64]
KINDS = ("lognormal", "chi2", "chi2 of few", "gamma", "gaussian")


def normals(kind: str, n: int, rng: np.random.Generator) -> Array:
    if kind == "lognormal":
        return np.exp(0.3 * rng.normal(size=n))
    if kind == "gaussian":
        return 10.0 + rng.normal(size=n)
    if kind == "gamma":
        return rng.gamma(8.0, size=n)
    return rng.chisquare(30 if kind == "chi2" else 3, size=n)


def pool(kind: str, n: int, share: float, *, apart: bool, seed: int) -> tuple[Array, float]:
    """Scores, and the share of anomalies among them."""
    rng = np.random.default_rng(seed)
    count = round(share * n)
    many = normals(kind, 4000, np.random.default_rng(99))
    if apart:  # beyond what any normal reaches
        anomalies = 1.5 * np.quantile(many, 0.999) * np.exp(0.3 * np.abs(rng.normal(size=count)))
    else:  # half of them below the normals' 98% point
        anomalies = normals(kind, count, rng) * np.quantile(many, 0.98) / np.median(many)
    return np.concatenate([normals(kind, n - count, rng), anomalies]), count / n


def estimates(
    kind: str, n: int, share: float, *, apart: bool, runs: int = 40
) -> tuple[list[Contamination], float]:
    found = []
    for seed in range(runs):
        scores, true = pool(kind, n, share, apart=apart, seed=seed)
        found.append(estimate_contamination(scores, bootstraps=60, random_state=seed))
    return found, true


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [60, 500])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.2, 0.4])
def test_the_interval_holds_separated_anomalies(kind: str, n: int, share: float) -> None:
    found, true = estimates(kind, n, share, apart=True)
    assert np.mean([one.low <= true <= one.high for one in found]) >= 0.8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_the_low_end_is_a_bound_for_overlapping_anomalies(kind: str, n: int, share: float) -> None:
    found, true = estimates(kind, n, share, apart=False)
    assert np.mean([one.low <= true for one in found]) >= 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_pool_is_near_zero(kind: str) -> None:
    found, _ = estimates(kind, 500, 0.0, apart=True)
    assert np.median([one.share for one in found]) < 0.03
    assert np.median([one.high for one in found]) < 0.1
    assert np.mean([one.low == 0.0 for one in found]) >= 0.9


@pytest.mark.parametrize("kind", ["lognormal", "chi2", "gamma", "gaussian"])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_the_share_of_separated_anomalies_is_close(kind: str, share: float) -> None:
    found, true = estimates(kind, 500, share, apart=True)
    assert np.median([one.share for one in found]) == pytest.approx(true, abs=0.02)
    assert np.median([one.low for one in found]) > 0.25 * true
    assert np.median([one.high for one in found]) < true + 0.09


def test_known_normals_need_no_shape() -> None:
    covered, shares = 0, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        known = 1.0 + rng.pareto(3.0, size=200)
        scores = np.concatenate([1.0 + rng.pareto(3.0, size=240), 50.0 + rng.random(60)])
        found = estimate_contamination(scores, reference=known, bootstraps=60, random_state=seed)
        covered += found.low <= 0.2 <= found.high
        shares.append(found.share)
    assert covered >= 34
    assert np.median(shares) == pytest.approx(0.2, abs=0.02)
    alone = estimate_contamination(scores[:240], random_state=0)
    assert alone.low > 0.1  # the stated limit: a heavy right tail counts as anomalies


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_the_excess_stands_still_by_its_own_definition(share: float) -> None:
    scores, _ = pool("lognormal", 400, share, apart=True, seed=3)
    ordered = np.sort(np.log(scores))
    found, beyond = _excess(ordered)
    low, centre = np.quantile(ordered, (1 - found) * np.array([norm.cdf(-1), 0.5]))
    cut = centre + norm.ppf(0.98) * (centre - low)
    expected = np.mean([score > cut for score in ordered])
    assert beyond == pytest.approx(expected, abs=5e-3)
    assert found == pytest.approx(max((expected - 0.02) / 0.98, 0.0), abs=5e-3)


@pytest.mark.parametrize("known", [None, np.linspace(1.0, 2.0, 30)])
def test_any_scores_give_an_ordered_interval(known: Array | None) -> None:
    rng = np.random.default_rng(0)
    for scores in (
        np.zeros(10),
        np.repeat([1.0, 5.0], [12, 8]),
        -rng.chisquare(3, size=30),
        rng.normal(size=50),
        np.append(rng.chisquare(3, size=20), np.nan),
        np.full(15, 100.0),
    ):
        before = scores.copy()
        found = estimate_contamination(scores, reference=known, random_state=0)
        assert 0.0 <= found.low <= found.share <= found.high <= 1.0
        assert found == estimate_contamination(scores, reference=known, random_state=0)
        np.testing.assert_array_equal(scores, before)


def test_the_unit_of_positive_scores_does_not_matter() -> None:
    scores, _ = pool("chi2", 200, 0.1, apart=True, seed=0)
    found = estimate_contamination(scores, random_state=0)
    assert estimate_contamination(1024.0 * scores, random_state=0) == found


def test_named_errors() -> None:
    scores = np.arange(1.0, 11.0)
    with pytest.raises(NotEnoughImagesError, match="at least 10 target images, got 9"):
        estimate_contamination(np.append(scores[:9], np.nan), random_state=0)
    with pytest.raises(NotEnoughImagesError, match="at least 10 reference images, got 1"):
        estimate_contamination(scores, reference=scores[:1], random_state=0)
    with pytest.raises(ConfigError, match="bootstraps"):
        estimate_contamination(scores, bootstraps=0, random_state=0)
