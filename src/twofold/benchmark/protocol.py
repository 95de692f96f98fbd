"""How one normal class's target images are split into an unlabelled pool, shots and a test set."""

from __future__ import annotations

import math
import typing
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.defaults import DEFAULT_ANOMALY_SHARE, DEFAULT_N_SHOTS
from twofold.errors import ConfigError, NotEnoughImagesError

__all__ = ["KNOWN_NORMAL", "PROTOCOLS", "UNKNOWN", "Protocol", "Split", "uda_inductive"]

Rows = NDArray[np.intp]
Labels = NDArray[np.int64]

UNKNOWN = -1
"""Label of an image that nobody has judged: it may be in a pool, never in a test."""
KNOWN_NORMAL = -2
"""Label of an image given as a shot: normal, and never in a pool or a test."""


@dataclass(frozen=True)
class Split:
    """Row numbers of the target images; one in which the test leaks cannot be made.

    Attributes:
        pool: what a method may see, normals first; shuffled by nobody, labelled for nobody.
        pool_labels: int64, 1 = anomalous, -1 = unknown; for methods that declare labels, and for
            reporting.
        test: the images to score. Disjoint from the pool, or the very rows of the pool in the
            same order (a transductive split).
        test_labels: int64, 1 = anomalous.
        shots: images known to be normal, for few-shot methods; may be empty, may lie in the pool,
            never in the test.

    Raises:
        ValueError: rows of the test are also in the shots or in a pool that differs from it, a
            row is repeated, a shot is an anomaly, or labels do not match their rows.
    """

    pool: Rows
    pool_labels: Labels
    test: Rows
    test_labels: Labels
    shots: Rows

    def __post_init__(self) -> None:
        if len(self.pool) != len(self.pool_labels) or len(self.test) != len(self.test_labels):
            raise ValueError("a split needs one label per row")
        for name in ("pool", "test", "shots"):
            rows = getattr(self, name)
            if len(np.unique(rows)) != len(rows):
                raise ValueError(f"a row is twice in the {name}")
        if not np.isin(self.test_labels, (0, 1)).all():
            raise ValueError("every test label must be 0 or 1")
        if np.isin(self.test, self.shots).any():
            raise ValueError("shots are in the test")
        if np.isin(self.test, self.pool).any() and not np.array_equal(self.test, self.pool):
            raise ValueError("rows of the pool are in the test")
        if (self.pool_labels[np.isin(self.pool, self.shots)] == 1).any():
            raise ValueError("an anomaly is among the shots")


class Protocol(typing.Protocol):
    """Labels of all target images in, a ``Split`` out; each says which options it does not use."""

    def __call__(
        self,
        labels: NDArray[np.integer],
        *,
        anomaly_share: float = ...,
        pool_size: int | None = ...,
        n_shots: int = ...,
        random_state: int = ...,
    ) -> Split:
        """Split the rows; the same ``random_state`` gives the same split."""
        ...


def uda_inductive(
    labels: NDArray[np.integer],
    *,
    anomaly_share: float = DEFAULT_ANOMALY_SHARE,
    pool_size: int | None = None,
    n_shots: int = DEFAULT_N_SHOTS,
    random_state: int = 0,
) -> Split:
    """Half of the target normals plus anomalies up to a share make the pool; the rest is the test.

    Anomalies are drawn uniformly until they make up ``anomaly_share`` of the pool, rounded up and
    at least one (none for a share of 0). Pool and test are disjoint by construction.

    Args:
        labels: int (n,), 1 = anomalous, of all target images.
        anomaly_share: in [0, 1), of the pool.
        pool_size: images of the full pool to keep, at the same share; the test stays as it is.
        n_shots: drawn from the normal half whatever the ``pool_size``; all of it, with a
            UserWarning, if it is smaller.
        random_state: of the draw.

    Raises:
        ConfigError: an impossible share, size or number, or labels other than 0 and 1.
        NotEnoughImagesError: too few normals or anomalies to leave a test set.
    """
    _check(labels, anomaly_share, n_shots)
    normals, anomalies, generator = _shuffled(labels, random_state)
    half = len(normals) // 2
    wanted = _anomalies_beside(half, anomaly_share)
    if half < 1 or wanted >= len(anomalies):
        raise NotEnoughImagesError(
            f"a pool of {half} normals with {wanted} anomalies leaves no test set: "
            f"{len(normals)} normals and {len(anomalies)} anomalies are too few"
        )
    # Drawn after the rest, so that shots change neither pool nor test.
    shots = generator.permutation(normals[:half])[: _shots_among(half, n_shots)]
    inside = wanted if pool_size is None else _anomalies_in(pool_size, half, wanted, anomaly_share)
    kept = half if pool_size is None else pool_size - inside
    pool = np.concatenate([normals[:kept], anomalies[:inside]])
    test = np.concatenate([normals[half:], anomalies[wanted:]])
    return _split(labels, pool, test, shots)


def uda_transductive(
    labels: NDArray[np.integer],
    *,
    anomaly_share: float = DEFAULT_ANOMALY_SHARE,
    pool_size: int | None = None,
    n_shots: int = DEFAULT_N_SHOTS,
    random_state: int = 0,
) -> Split:
    """The unlabelled pool is itself the test: all normals, and anomalies up to a share.

    Shots are drawn from the normals first and are in neither, for a labelled image is no test. A
    method that declares labels would be fitted on the test's own: its figures are no results.

    Args:
        labels: int (n,), 1 = anomalous, of all target images.
        anomaly_share: in (0, 1), of the pool, rounded up and at least one.
        pool_size: does not apply, for another pool would be another test; must be None.
        n_shots: at most half of the normals, with a UserWarning.
        random_state: of the draw.

    Raises:
        ConfigError: an impossible share or number, a ``pool_size``, or labels other than 0 and 1.
        NotEnoughImagesError: too few normals, or anomalies for the share.
    """
    _check(labels, anomaly_share, n_shots)
    _refuse_size("uda_transductive", pool_size)
    if anomaly_share == 0:
        raise ConfigError("uda_transductive needs an anomaly_share above 0: its pool is its test")
    normals, anomalies, _ = _shuffled(labels, random_state)
    shots, rest = np.split(normals, [_shots_among(len(normals) // 2, n_shots)])
    wanted = max(1, _anomalies_beside(len(rest), anomaly_share))
    if not len(rest) or wanted > len(anomalies):
        raise NotEnoughImagesError(
            f"{len(rest)} normals with {wanted} anomalies make no test: "
            f"{len(normals)} normals and {len(anomalies)} anomalies are too few"
        )
    rows = np.concatenate([rest, anomalies[:wanted]])
    return _split(labels, rows, rows, shots)


def fewshot_msra(
    labels: NDArray[np.integer],
    *,
    anomaly_share: float = DEFAULT_ANOMALY_SHARE,
    pool_size: int | None = None,
    n_shots: int = DEFAULT_N_SHOTS,
    random_state: int = 0,
) -> Split:
    """A few target normals are all there is to see; every other target image is the test.

    The pool is the shots, so a method without labels sees the same images as a few-shot method.

    Args:
        labels: int (n,), 1 = anomalous, of all target images.
        anomaly_share: does not apply: the pool is normal.
        pool_size: does not apply; must be None.
        n_shots: at least 1 and, with a UserWarning, at most all normals but one.
        random_state: of the draw.

    Raises:
        ConfigError: no shots, a ``pool_size``, or labels other than 0 and 1.
        NotEnoughImagesError: fewer than 2 normals, or no anomaly.
    """
    _check(labels, anomaly_share, n_shots)
    _refuse_size("fewshot_msra", pool_size)
    if n_shots < 1:
        raise ConfigError("fewshot_msra needs n_shots of at least 1: the shots are its pool")
    normals, anomalies, _ = _shuffled(labels, random_state)
    if len(normals) < 2 or not len(anomalies):
        raise NotEnoughImagesError(
            f"{len(normals)} normals and {len(anomalies)} anomalies are too few: "
            "2 normals and 1 anomaly are needed"
        )
    shots, rest = np.split(normals, [_shots_among(len(normals) - 1, n_shots)])
    return _split(labels, shots, np.concatenate([rest, anomalies]), shots)


def given(
    labels: NDArray[np.integer],
    *,
    anomaly_share: float = DEFAULT_ANOMALY_SHARE,
    pool_size: int | None = None,
    n_shots: int = DEFAULT_N_SHOTS,
    random_state: int = 0,
) -> Split:
    """The split its owner made: nothing is drawn.

    Nobody knows what is in the pool: its labels are -1, and a method that declares labels has none.

    Args:
        labels: int (n,): -1 = in the pool, 0 and 1 = normal and anomalous in the test, -2 = shot.
        anomaly_share: does not apply, as do n_shots (all shots are used) and random_state.
        pool_size: does not apply; must be None.

    Raises:
        ConfigError: a ``pool_size``, another label, no pool, or a test without both kinds.
    """
    del anomaly_share, n_shots, random_state
    _refuse_size("given", pool_size)
    if not np.isin(labels, (0, 1, UNKNOWN, KNOWN_NORMAL)).all():
        raise ConfigError("labels must be -1 (pool), 0 or 1 (test) or -2 (shot)")
    for label, what in ((UNKNOWN, "pool"), (0, "normal test"), (1, "anomalous test")):
        if not (labels == label).any():
            raise ConfigError(f"protocol given needs {what} images: there are none")
    pool, shots = (np.flatnonzero(labels == label) for label in (UNKNOWN, KNOWN_NORMAL))
    return _split(labels, pool, np.flatnonzero(labels >= 0), shots)


PROTOCOLS: dict[str, Protocol] = {
    "uda_inductive": uda_inductive,
    "uda_transductive": uda_transductive,
    "fewshot_msra": fewshot_msra,
    "given": given,
}
"""Every protocol by its id."""


def _check(labels: NDArray[np.integer], anomaly_share: float, n_shots: int) -> None:
    if not 0 <= anomaly_share < 1:
        raise ConfigError(f"anomaly_share must lie in [0, 1), not {anomaly_share}")
    if n_shots < 0:
        raise ConfigError(f"n_shots must not be negative: {n_shots}")
    if not np.isin(labels, (0, 1)).all():
        raise ConfigError("labels must be 0 (normal) or 1 (anomalous)")


def _refuse_size(protocol: str, pool_size: int | None) -> None:
    if pool_size is not None:
        raise ConfigError(f"pool_size does not apply to the protocol {protocol}: leave it out")


def _shuffled(
    labels: NDArray[np.integer], random_state: int
) -> tuple[Rows, Rows, np.random.Generator]:
    """Normals and anomalies in random order, and the generator for what is drawn next."""
    generator = np.random.default_rng(random_state)
    normals = generator.permutation(np.flatnonzero(labels == 0))
    return normals, generator.permutation(np.flatnonzero(labels == 1)), generator


def _anomalies_beside(normals: int, share: float) -> int:
    """The fewest anomalies that make up the share of a pool with so many normals."""
    # 1e-9 absorbs the rounding of decimal shares.
    return math.ceil(share * normals / (1.0 - share) - 1e-9)


def _anomalies_in(pool_size: int, half: int, wanted: int, share: float) -> int:
    """The fewest anomalies that make up the share of a pool of so many images."""
    if pool_size < 2:
        raise ConfigError(f"pool_size must be at least 2, not {pool_size}")
    if pool_size > half + wanted:
        raise ConfigError(f"pool_size {pool_size} is more than the {half + wanted} of the pool")
    return min(wanted, max(pool_size - half, math.ceil(share * pool_size - 1e-9)))


def _shots_among(available: int, n_shots: int) -> int:
    if n_shots > available:
        warnings.warn(
            f"{available} shots instead of {n_shots}: there are no more normals to spare",
            UserWarning,
            stacklevel=3,
        )
    return min(n_shots, available)


def _split(labels: NDArray[np.integer], pool: Rows, test: Rows, shots: Rows) -> Split:
    codes: Labels = np.asarray(labels, dtype=np.int64)
    return Split(pool, codes[pool], test, codes[test], shots)
