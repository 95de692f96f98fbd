"""Whole fits on pools of a few images, the study with them: a result, or a named error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.support import toy
from tests.support.small_samples import end, finite

from twofold.detector.fitting import Fitted, fit_method
from twofold.encoders.encode import EncodedImages
from twofold.method_table import METHODS
from twofold.methods import parse_config

CLOSED = ("auto", "target_only", "frozen_source", "padim", "patchcore")
TRAINED = ("source_only", "paper")


def pools(n: int, state: int) -> Iterator[EncodedImages]:
    """Distinct images, copies of one, copies of two, blanks, and half of each."""
    everything = toy.encoded_world().pool
    chosen = np.random.default_rng([n, state]).choice(len(everything), n, replace=False)
    distinct = everything.subset(chosen)
    yield distinct
    yield everything.subset(np.full(n, chosen[0]))
    yield everything.subset(chosen[np.arange(n) % 2])
    for n_blank in (n, n // 2):
        arrays = {name: np.array(array[:]) for name, array in distinct.arrays.items()}
        for array in arrays.values():
            array[:n_blank] = 0
        yield replace(distinct, arrays=arrays)


def fit(name: str, pool: EncodedImages, state: int) -> Fitted:
    method, world = METHODS.load(name), replace(toy.encoded_world(), pool=pool)
    options = toy.quick_options(method)
    if "training" in options:  # Whether a fit ends matters here, not how well.
        options["training"] = options["training"] | {"min_steps": 0}
    config = parse_config(method, options)
    return fit_method(
        method(toy.encoder(), config),
        toy.fit_data(method, world, config),
        pool,
        false_alarm_rate=0.3,
        random_state=state,
        studied=True,
        progress=None,
    )


def check(name: str, sizes: range, states: range) -> None:
    for n in sizes:
        for state in states:
            fits = [end(fit, name, pool, state) for pool in pools(n, state)]
            for fitted in fits:
                assert fitted is None or finite(fitted.threshold.value, fitted.calibration.scores)
            # Eight distinct images are enough for every method.
            assert n < 8 or fits[0] is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED)
def test_pools_of_every_small_size(name: str) -> None:
    check(name, range(2, 17), range(2))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_pools_of_methods_that_train(name: str) -> None:
    check(name, range(2, 17, 2), range(1))
