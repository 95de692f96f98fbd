"""The toy world that other tests rest on."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from tests.support import toy

from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.registry import ENCODERS
from twofold.images import find_images
from twofold.method_table import METHODS


def test_a_world_is_a_function_of_its_seed() -> None:
    one, two, other = toy.make_world(3), toy.make_world(3), toy.make_world(4)
    for name in ("source", "pool", "pool_labels", "test", "test_labels"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(one.source, other.source)
    assert one.source.shape == (60, toy.SIDE, toy.SIDE, 3)
    assert one.source.dtype == np.uint8


def test_shares_and_labels() -> None:
    world = toy.make_world(n_source=5, n_pool=40, n_test=10, share=0.25)
    assert (len(world.source), len(world.pool), len(world.test)) == (5, 40, 10)
    assert world.pool_labels.sum() == 10
    assert world.test_labels.sum() == 5
    everything = np.concatenate([world.source, world.pool, world.test])
    assert len({hashlib.sha256(image.tobytes()).digest() for image in everything}) == 55


def test_the_domains_differ_more_than_their_seeds() -> None:
    source, target = (
        toy.encode(toy.normals(40, 1, domain))["pooled"] for domain in (toy.SOURCE, toy.TARGET)
    )
    again = toy.encode(toy.normals(40, 2, toy.SOURCE))["pooled"]
    shift = np.linalg.norm(source.mean(axis=0) - target.mean(axis=0))
    assert shift > 5 * np.linalg.norm(source.mean(axis=0) - again.mean(axis=0))


def test_the_encoder_is_always_the_same_and_leaves_no_line_in_the_registry() -> None:
    known = ENCODERS.ids()
    first = toy.encoder()
    toy.encoder.cache_clear()
    assert toy.encoder().fingerprint == first.fingerprint
    assert ENCODERS.ids() == known
    assert toy.ENCODER not in ENCODERS


@pytest.mark.slow
def test_both_engines_agree() -> None:
    images = find_images(toy.normals(9, 0))
    by_torch = FrozenEncoder(toy.encoder(), toy.OUTPUTS, engine="torch").encode(images)
    by_openvino = FrozenEncoder(toy.encoder(), toy.OUTPUTS, engine="openvino").encode(images)
    assert by_torch["pooled"].shape == (9, toy.DIM)
    for name in ("pooled", "split:last_stage"):
        np.testing.assert_allclose(by_torch[name], by_openvino[name], atol=1e-4)


def test_shots_are_normals_of_the_pool_with_their_pixels() -> None:
    world = toy.make_world()
    encoded = toy.encode_world(world)
    assert encoded.shots is not None
    rows = np.flatnonzero(world.pool_labels == 0)[: toy.N_SHOTS]
    assert encoded.shots.digests == tuple(encoded.pool.digests[row] for row in rows)
    assert set(encoded.shots.arrays) == {*toy.OUTPUTS, "pixels"}
    side = toy.SPEC.preprocessing.size
    assert encoded.shots["pixels"].shape == (toy.N_SHOTS, side, side, 3)
    data = toy.fit_data(METHODS.load("paper_few_shot"), encoded)
    assert data.target_pool is None
    assert data.target_shots is not None
    assert set(data.target_shots.arrays) == {"pixels"}


def test_images_made_of_vectors() -> None:
    images = toy.from_arrays(pooled=np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]]))
    assert len(images) == 3
    assert images["pooled"].dtype == np.float32
    assert images.digests[0] == images.digests[1] != images.digests[2]
