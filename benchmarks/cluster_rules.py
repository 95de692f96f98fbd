"""Rules for the number of clusters on made-up pools, three rivals beside the one in use.

Usage: python benchmarks/cluster_rules.py [--states 20] [--pools NAME ...]

Each pool is drawn once a state. A row tells how often a rule chose more than one cluster, and what
share of the normal and of the anomalous rows it pushes away. Markdown on stdout.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from auto_tables import table
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from twofold.densities import unit_rows
from twofold.selection import Selection, select
from twofold.selection.kmeans import select_kmeans
from twofold.selection.projection import project
from twofold.selection.unimodality import APART, separation

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rule = Callable[[Array, int], tuple[int, Mask]]

MOST_CLUSTERS, MOST_APART = 10, 0.25
# G-means' critical value of the Anderson-Darling statistic, for a level of 0.0001.
GAUSSIAN = 1.8692


def stragglers(rows: Array, state: int) -> Mask:
    """What every rule pushes away where it finds one cluster."""
    return ~select("trimmed", rows, n_clusters=1, random_state=state).dominant


def parts_put_together(rows: Array, state: int) -> tuple[int, Mask]:
    """The rule in use."""
    found = select("kmeans", rows, n_clusters="auto", random_state=state)
    return found.chosen or 1, ~found.dominant


@lru_cache(maxsize=16)
def clustered(content: bytes, shape: tuple[int, int], k: int, state: int) -> Selection:
    """K-means of float64 rows, once for both rules that ask for it."""
    rows = np.frombuffer(content).reshape(shape)
    return select_kmeans(rows, n_clusters=k, random_state=state)


def whole_complement(
    rows: Array, state: int, *, apart: Callable[[Array, Mask, Mask, Mask], bool]
) -> tuple[int, Mask]:
    """Every cluster but the largest must lie apart by itself, and all hold a quarter at most."""
    rows = np.asarray(rows, dtype=np.float64)
    half = np.random.default_rng(state).permutation(len(rows)) % 2 == 0
    best: tuple[int, Selection] | None = None
    for k in range(2, min(MOST_CLUSTERS, len(rows)) + 1):
        found = clustered(rows.tobytes(), rows.shape, k, state)
        others = [found.labels == c for c in np.unique(found.labels[~found.dominant])]
        if 1.0 - found.share > MOST_APART or not others:
            continue
        better = best is None or found.share < best[1].share
        if better and all(apart(rows, found.dominant, other, half) for other in others):
            best = k, found
    return (1, stragglers(rows, state)) if best is None else (best[0], ~best[1].dominant)


def has_gap(rows: Array, dominant: Mask, cluster: Mask, half: Mask) -> bool:
    """By the statistic of the rule in use."""
    return separation(rows, dominant, cluster, half) > APART


def is_no_gaussian(rows: Array, dominant: Mask, cluster: Mask, half: Mask) -> bool:
    """As G-means (Hamerly & Elkan 2003), but on rows that did not give the line."""
    places = []
    for fit in (half, ~half):
        if not (dominant & fit).any() or not (cluster & fit).any():
            return False
        near, far = rows[dominant & fit].mean(axis=0), rows[cluster & fit].mean(axis=0)
        axis = (far - near) / np.square(far - near).sum()
        places.append((rows[(dominant | cluster) & ~fit] - (near + far) / 2.0) @ axis)
    line = np.sort(np.concatenate(places))
    n = len(line)
    if n < 8:
        return False
    # The Anderson-Darling statistic, corrected for the estimated mean and spread.
    z = (line - line.mean()) / line.std(ddof=1)
    weights = (2.0 * np.arange(n) + 1.0) / n
    statistic = -n - weights @ (norm.logcdf(z) + norm.logsf(z[::-1]))
    return bool(statistic * (1.0 + 4.0 / n - 25.0 / n**2) > GAUSSIAN)


def held_out_likelihood(rows: Array, state: int) -> tuple[int, Mask]:
    """The least K whose mixture is within a standard error of the likeliest one, by two halves."""
    places, n = project(rows), len(rows)
    side = np.random.default_rng(state).permutation(n) % 2 == 0
    likelihoods = []
    for k in range(1, min(MOST_CLUSTERS, n // 4) + 1):
        found = np.empty(n)
        for fit in (side, ~side):
            model = GaussianMixture(k, covariance_type="diag", reg_covar=1e-4, random_state=state)
            found[~fit] = model.fit(places[fit]).score_samples(places[~fit])
        likelihoods.append(found)
    best = max(likelihoods, key=np.mean, default=np.zeros(n))
    near = [(best - one).mean() <= (best - one).std() / np.sqrt(n) for one in likelihoods]
    k = 1 + near.index(True) if near else 1
    chosen = select_kmeans(rows, n_clusters=k, random_state=state)
    if k == 1 or 1.0 - chosen.share > MOST_APART:
        return 1, stragglers(rows, state)
    return k, ~chosen.dominant


RULES: dict[str, Rule] = {
    "parts put together": parts_put_together,
    "whole complement": partial(whole_complement, apart=has_gap),
    "whole complement, Gaussian test": partial(whole_complement, apart=is_no_gaussian),
    "held-out likelihood": held_out_likelihood,
    "trimmed": lambda rows, state: (1, stragglers(rows, state)),
    "K = 2": lambda rows, state: (
        2,
        ~select_kmeans(rows, n_clusters=2, random_state=state).dominant,
    ),
}


def mode(rng: np.random.Generator, n: int, d: int = 64) -> Array:
    """One Gaussian whose spreads fall from 2 to 0.3, away from 0 as behind a ReLU."""
    return np.asarray(10.0 + rng.normal(size=(n, d)) * np.linspace(2.0, 0.3, d))


def with_groups(rng: np.random.Generator, n: int, *sizes: int) -> tuple[Array, Mask]:
    """The last rows in tight groups, 12 away along an axis of their own each."""
    rows, odd, end = mode(rng, n), np.zeros(n, dtype=np.bool_), n
    for axis, size in enumerate(sizes, start=5):
        group = slice(end - size, end)
        rows[group] = 10.0 + 0.5 * (mode(rng, size) - 10.0) + 12.0 * np.eye(64)[axis]
        odd[group], end = True, end - size
    return rows, odd


def scattered(rng: np.random.Generator) -> tuple[Array, Mask]:
    """Twenty of 200 rows, each 12 away in its own direction."""
    rows, odd = mode(rng, 200), np.arange(200) >= 180
    rows[odd] += 12.0 * unit_rows(rng.normal(size=(20, 64)))
    return rows, odd


def equal_modes(rng: np.random.Generator) -> tuple[Array, Mask]:
    """Two of one size, both normal."""
    rows = mode(rng, 200)
    rows[100:, 5] += 12.0
    return rows, np.zeros(200, dtype=np.bool_)


def curved(rng: np.random.Generator) -> tuple[Array, Mask]:
    """Along most of a half circle."""
    angle = rng.uniform(0.0, 2.5, 200)
    rows = 10.0 + 0.15 * rng.normal(size=(200, 64))
    rows[:, :2] += 3.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return rows, np.zeros(200, dtype=np.bool_)


def wide(rng: np.random.Generator, n_odd: int) -> tuple[Array, Mask]:
    """A hundred rows in 1280 dimensions, the odd ones a group."""
    rows, odd = 10.0 + rng.normal(size=(100, 1280)), np.arange(100) >= 100 - n_odd
    rows[odd] += 2.0 * rng.normal(size=1280)
    return rows, odd


def one(rows: Array) -> tuple[Array, Mask]:
    """All normal."""
    return rows, np.zeros(len(rows), dtype=np.bool_)


POOLS: dict[str, Callable[[np.random.Generator], tuple[Array, Mask]]] = {
    "one mode, 200": lambda rng: one(mode(rng, 200)),
    "one mode, 50": lambda rng: one(mode(rng, 50)),
    "one mode, 20": lambda rng: one(mode(rng, 20)),
    "one mode, 6": lambda rng: one(mode(rng, 6)),
    "one mode, 100 rows in 1280": lambda rng: wide(rng, 0),
    "curved": curved,
    "heavy tails": lambda rng: one(
        10.0 + (mode(rng, 200) - 10.0) / np.sqrt(rng.chisquare(3, (200, 1)) / 3.0)
    ),
    "skewed": lambda rng: one(rng.gamma(1.0, 1.0, (200, 64)) * np.linspace(2.0, 0.3, 64)),
    "60 rows copied to 200": lambda rng: one(mode(rng, 60)[rng.integers(0, 60, 200)]),
    "two equal modes": equal_modes,
    "scattered 10%": scattered,
    "group of 5%": lambda rng: with_groups(rng, 200, 10),
    "group of 10%": lambda rng: with_groups(rng, 200, 20),
    "group of 20%": lambda rng: with_groups(rng, 200, 40),
    "two groups of 5%": lambda rng: with_groups(rng, 200, 10, 10),
    "group of 10 among 100 in 1280": lambda rng: wide(rng, 10),
    "group of 4 among 18": lambda rng: with_groups(rng, 18, 4),
}


def cells(pool: str, states: int) -> list[list[str]]:
    """A row each rule: more than one cluster, normals and anomalies pushed away."""
    body = []
    for name, rule in RULES.items():
        several, normal, anomalous = [], [], []
        for state in range(states):
            rows, odd = POOLS[pool](np.random.default_rng(state))
            k, outside = rule(rows, state)
            several.append(k > 1)
            normal.append(outside[~odd].mean())
            anomalous += [outside[odd].mean()] if odd.any() else []
        found = f"{100 * np.mean(anomalous):.0f}" if anomalous else "none"
        shares = [f"{100 * np.mean(several):.0f}", f"{100 * np.mean(normal):.1f}", found]
        body.append([pool, name, *shares])
        print(*body[-1], sep=", ", file=sys.stderr)
    return body


def main() -> None:
    """Run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=20)
    parser.add_argument("--pools", nargs="+", default=list(POOLS), choices=list(POOLS))
    given = parser.parse_args()
    body = [row for pool in given.pools for row in cells(pool, given.states)]
    heads = ["pool", "rule", "K > 1, %", "normals pushed away, %", "anomalies pushed away, %"]
    print(table(heads, body))


if __name__ == "__main__":
    main()
