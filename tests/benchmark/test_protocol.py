"""The splits into an unlabelled pool, shots and a test set."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from twofold.benchmark.protocol import (
    PROTOCOLS,
    Protocol,
    Split,
    fewshot_msra,
    given,
    uda_inductive,
    uda_transductive,
)
from twofold.errors import ConfigError, NotEnoughImagesError

SHARES = ["0", "0.001", "0.05", "0.1", "0.2", "0.3", "0.5"]
DRAWN = [uda_inductive, uda_transductive, fewshot_msra]

each_drawn = pytest.mark.parametrize("protocol", DRAWN, ids=lambda protocol: protocol.__name__)


def shuffled(normals: int, anomalies: int) -> np.ndarray:
    return np.random.default_rng(9).permutation(np.repeat([0, 1], [normals, anomalies]))


def is_the_fewest(anomalies: int, normals: int, share: str) -> bool:
    """Whether so many anomalies, and not one fewer, make up the share, in exact arithmetic."""
    exact = Fraction(share)
    enough = anomalies >= exact * (normals + anomalies)
    return enough and (anomalies == 0 or anomalies - 1 < exact * (normals + anomalies - 1))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("normals", [2, 19, 20, 91, 180, 588, 920])
def test_every_image_is_used_once_and_the_share_is_exact(normals: int, share: str) -> None:
    labels = shuffled(normals, 1000)
    split = uda_inductive(labels, anomaly_share=float(share), n_shots=1, random_state=3)
    assert sorted([*split.pool, *split.test]) == list(range(len(labels)))
    assert np.array_equal(labels[split.pool], split.pool_labels)
    assert np.array_equal(labels[split.test], split.test_labels)
    half = int((split.pool_labels == 0).sum())
    inside = int(split.pool_labels.sum())
    assert half == normals // 2
    assert is_the_fewest(inside, half, share)
    assert (inside >= 1) == (Fraction(share) > 0)
    assert set(split.test_labels) == {0, 1}


@pytest.mark.parametrize("state", [0, 7])
@pytest.mark.parametrize("n_shots", [0, 10, 50])
def test_pool_and_test_are_the_first_draws_of_the_state(state: int, n_shots: int) -> None:
    # Figures already published with a random state hold only as long as its rows do.
    labels = shuffled(100, 50)
    generator = np.random.default_rng(state)
    normals = generator.permutation(np.flatnonzero(labels == 0))
    anomalies = generator.permutation(np.flatnonzero(labels == 1))
    split = uda_inductive(labels, random_state=state, n_shots=n_shots)
    assert list(split.pool) == [*normals[:50], *anomalies[:6]]
    assert list(split.test) == [*normals[50:], *anomalies[6:]]


@pytest.mark.parametrize("share", ["0", "0.01", "0.1", "0.3", "0.5"])
def test_each_pool_size_keeps_the_share_and_the_test(share: str) -> None:
    labels = shuffled(81, 200)
    full = uda_inductive(labels, anomaly_share=float(share), random_state=5)
    inside: set[int] = set()
    for size in range(2, len(full.pool) + 1):
        split = uda_inductive(labels, anomaly_share=float(share), pool_size=size, random_state=5)
        assert np.array_equal(split.test, full.test)
        assert np.array_equal(split.shots, full.shots)
        assert len(split.pool) == size
        assert set(split.pool) <= set(full.pool)
        assert inside <= set(split.pool)  # a larger pool is a smaller one and more
        inside = set(split.pool)
        anomalies = int(split.pool_labels.sum())
        assert anomalies >= Fraction(share) * size > anomalies - 1
        assert (anomalies >= 1) == (Fraction(share) > 0)
    assert np.array_equal(split.pool, full.pool)


def test_a_pool_size_that_cannot_be_had_is_refused() -> None:
    labels = shuffled(100, 50)
    with pytest.raises(ConfigError, match="pool_size 57 is more than the 56"):
        uda_inductive(labels, pool_size=57)
    for size in (1, 0, -3):
        with pytest.raises(ConfigError, match="pool_size must be at least 2"):
            uda_inductive(labels, pool_size=size)


def test_inductive_shots_come_from_the_normal_half() -> None:
    labels = shuffled(100, 50)
    split = uda_inductive(labels, n_shots=12)
    assert len(set(split.shots)) == 12
    assert set(split.shots) < set(split.pool[split.pool_labels == 0])
    # Not the pool's first ones: a small pool would otherwise be the shots.
    assert set(split.shots) != set(split.pool[:12])


@pytest.mark.parametrize("share", SHARES[1:])
@pytest.mark.parametrize("normals", [2, 20, 91, 588])
def test_transductive_pool_is_the_test_at_the_share(normals: int, share: str) -> None:
    labels = shuffled(normals, 1000)
    split = uda_transductive(labels, anomaly_share=float(share), n_shots=1, random_state=3)
    assert np.array_equal(split.pool, split.test)
    assert np.array_equal(split.pool_labels, split.test_labels)
    assert np.array_equal(labels[split.test], split.test_labels)
    assert len(split.shots) == 1
    assert labels[split.shots].sum() == 0
    rest = int((split.test_labels == 0).sum())
    assert rest == normals - 1
    assert not set(split.shots) & set(split.pool)
    assert is_the_fewest(int(split.test_labels.sum()), rest, share)
    assert set(split.test_labels) == {0, 1}


def test_transductive_needs_anomalies_and_takes_no_size() -> None:
    labels = shuffled(100, 9)
    with pytest.raises(ConfigError, match="anomaly_share above 0"):
        uda_transductive(labels, anomaly_share=0)
    with pytest.raises(ConfigError, match="pool_size does not apply"):
        uda_transductive(labels, pool_size=20)
    with pytest.raises(NotEnoughImagesError, match="too few"):
        uda_transductive(labels, n_shots=0)
    assert int(uda_transductive(labels, n_shots=19).test_labels.sum()) == 9
    for normals, anomalies in ((0, 5), (5, 0)):
        with pytest.raises(NotEnoughImagesError, match="too few"):
            uda_transductive(shuffled(normals, anomalies), n_shots=0)


@pytest.mark.parametrize("n_shots", [1, 10, 99])
def test_fewshot_pool_is_the_shots_and_the_rest_is_tested(n_shots: int) -> None:
    labels = shuffled(100, 50)
    split = fewshot_msra(labels, n_shots=n_shots, random_state=2)
    assert len(split.shots) == n_shots
    assert np.array_equal(split.pool, split.shots)
    assert not split.pool_labels.any()
    assert not labels[split.shots].any()
    assert sorted([*split.shots, *split.test]) == list(range(150))
    assert np.array_equal(labels[split.test], split.test_labels)


def test_fewshot_refuses_what_does_not_apply() -> None:
    labels = shuffled(20, 20)
    with pytest.raises(ConfigError, match="pool_size does not apply"):
        fewshot_msra(labels, pool_size=5)
    with pytest.raises(ConfigError, match="n_shots"):
        fewshot_msra(labels, n_shots=0)
    for normals, anomalies in ((1, 5), (0, 5), (5, 0)):
        with pytest.raises(NotEnoughImagesError, match="too few"):
            fewshot_msra(shuffled(normals, anomalies), n_shots=1)


@pytest.mark.parametrize(
    ("protocol", "normals", "kept"),
    [
        (uda_inductive, 13, 6),
        (uda_inductive, 12, 6),
        (uda_transductive, 13, 6),
        (fewshot_msra, 6, 5),
    ],
)
def test_fewer_normals_than_shots_is_warned_of(protocol: Protocol, normals: int, kept: int) -> None:
    labels = shuffled(normals, 30)
    with pytest.warns(UserWarning, match=f"{kept} shots instead of 10") as caught:
        split = protocol(labels)
    assert caught[0].filename == __file__
    assert len(split.shots) == kept
    assert not labels[split.shots].any()
    assert not set(split.shots) & set(split.test)
    assert set(split.test_labels) == {0, 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(protocol(labels, n_shots=kept).shots, split.shots)


def test_given_takes_the_split_as_it_is() -> None:
    labels = np.array([1, -1, -2, 0, -1, 1, -2])
    split = given(labels, n_shots=1, random_state=4)
    assert list(split.pool) == [1, 4]
    assert list(split.pool_labels) == [-1, -1]
    assert list(split.test) == [0, 3, 5]
    assert list(split.test_labels) == [1, 0, 1]
    assert list(split.shots) == [2, 6]
    assert len(given(labels[[0, 1, 3]]).shots) == 0


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([0, 1], "pool images"),
        ([0, 1, -2], "pool images"),
        ([-1, 1], "normal test images"),
        ([-1, 0], "anomalous test images"),
        ([-1, 0, 1, 2], "labels must be"),
        ([-1, 0, 1, -3], "labels must be"),
    ],
)
def test_given_refuses_a_part_that_is_missing(labels: list[int], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        given(np.array(labels))


def test_given_takes_no_pool_size() -> None:
    with pytest.raises(ConfigError, match="pool_size does not apply"):
        given(np.array([-1, -1, 0, 1]), pool_size=2)


@each_drawn
def test_the_same_state_gives_the_same_split_and_another_another(protocol: Protocol) -> None:
    labels = shuffled(100, 50)
    kept = labels.copy()
    first, again, other = (protocol(labels, random_state=state) for state in (0, 0, 1))
    for name in ("pool", "test", "shots"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
        assert set(getattr(first, name)) != set(getattr(other, name))
    assert np.array_equal(labels, kept)


@each_drawn
@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0, float("nan")])
def test_an_impossible_share_is_refused(protocol: Protocol, share: float) -> None:
    with pytest.raises(ConfigError, match="anomaly_share"):
        protocol(shuffled(20, 20), anomaly_share=share)


@each_drawn
def test_a_negative_number_of_shots_is_refused(protocol: Protocol) -> None:
    with pytest.raises(ConfigError, match="n_shots"):
        protocol(shuffled(20, 20), n_shots=-1)


@pytest.mark.parametrize(("normals", "anomalies"), [(0, 5), (1, 5), (20, 0), (20, 1), (200, 5)])
def test_too_few_images_are_refused(normals: int, anomalies: int) -> None:
    with pytest.raises(NotEnoughImagesError, match="too few"):
        uda_inductive(shuffled(normals, anomalies))


@each_drawn
@pytest.mark.parametrize("odd", [2, -1, -2])
def test_labels_other_than_0_and_1_are_refused(protocol: Protocol, odd: int) -> None:
    labels = shuffled(20, 20)
    labels[3] = odd
    with pytest.raises(ConfigError, match="labels"):
        protocol(labels)


def test_the_table_of_protocols() -> None:
    assert list(PROTOCOLS) == ["uda_inductive", "uda_transductive", "fewshot_msra", "given"]
    assert list(PROTOCOLS.values()) == [*DRAWN, given]


WHOLE: dict[str, Any] = {
    "pool": [0, 1, 2],
    "pool_labels": [0, 0, 1],
    "test": [3, 4],
    "test_labels": [0, 1],
    "shots": [0, 5],
}


def make(**changed: list[int]) -> Split:
    parts = {name: np.array(rows, dtype=np.int64) for name, rows in (WHOLE | changed).items()}
    return Split(**parts)


def test_a_whole_split_can_be_made() -> None:
    assert len(make().shots) == 2
    assert len(make(test=[0, 1, 2], test_labels=[0, 0, 1], shots=[5]).test) == 3
    assert len(make(shots=[]).shots) == 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"test": [2, 3]}, "pool are in the test"),
        ({"test": [0, 2, 1], "test_labels": [0, 1, 0], "shots": []}, "pool are in the test"),
        ({"test": [0, 1], "shots": []}, "pool are in the test"),
        ({"shots": [3]}, "shots are in the test"),
        ({"test": [0, 1, 2], "test_labels": [0, 0, 1]}, "shots are in the test"),
        ({"shots": [2]}, "an anomaly is among the shots"),
        ({"pool": [0, 0, 2]}, "twice in the pool"),
        ({"test": [3, 3]}, "twice in the test"),
        ({"shots": [0, 0]}, "twice in the shots"),
        ({"test_labels": [0]}, "one label per row"),
        ({"pool_labels": [0, 0]}, "one label per row"),
        ({"test_labels": [0, -1]}, "0 or 1"),
    ],
)
def test_a_split_that_leaks_cannot_be_made(changed: dict[str, list[int]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make(**changed)
