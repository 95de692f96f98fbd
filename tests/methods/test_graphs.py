"""The graph of a fitted method says what its scores and maps say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.support import toy

from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.patches import is_patches
from twofold.encoders.sides import split_side
from twofold.errors import ConfigError, NotFittedError
from twofold.images import Masks, find_images
from twofold.method_table import METHODS, group_of
from twofold.methods import Method
from twofold.methods.graphs import Judge, Places

CLOSED = ("auto", "target_only", "frozen_source", "padim", "patchcore")
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "auto": ("auto", {}),
    "one scale": ("auto", {"scales": 1}),
    "source in full": ("auto", {"source_weight": 1.0}),
    "whole images": ("auto", {"locality": "global", "scales": 3}),
    "patches": ("auto", {"locality": "local"}),
    "one place for all": ("auto", {"places": "shared"}),
    "the oddest place": ("auto", {"image_score": "peak"}),
    "windows": ("auto", {"image_score": "size"}),
    "a bank": ("auto", {"places": "none"}),
    "banks of two sizes": (
        "auto",
        {"places": "none", "effort": "balanced", "image_size": 128, "locality": "local"},
    ),
    "target_only": ("target_only", {}),
    "frozen_source": ("frozen_source", {}),
    "neighbours": ("frozen_source", {"scoring": "knn", "neighbours": 3}),
    "cosine": ("frozen_source", {"scoring": "cosine"}),
    "padim": ("padim", {}),
    "patchcore": ("patchcore", {}),
    "patchcore without weights": ("patchcore", {"neighbours": 1}),
}


def places_of(images: EncodedImages, method: Method) -> dict[str, Places]:
    found = {}
    for name in method.config.outputs():
        if is_patches(split_side(name, method.encoder)[0]):
            grid = images.rows(name).shape[2:]
            looked_at = images.looked_at(name)
            found[name] = Places(grid, None if looked_at is None else looked_at[0])
    return found


def judged(images: EncodedImages, method: Method) -> Any:
    """Scores, views and maps of the graph."""
    graph: Judge = method.graph(places_of(images, method)).eval()
    outputs = {
        name: torch.from_numpy(np.array(images[name], dtype=np.float32))
        for name in method.config.outputs()
    }
    with torch.inference_mode():
        return graph(outputs)


def assert_same(images: EncodedImages, method: Method) -> None:
    images = images.also_as(method.config.outputs())
    scores, views = method.score_with_views(images)
    found = judged(images, method)
    spread = max(float(np.subtract(*np.quantile(scores, [0.75, 0.25]))), 1e-12)
    assert np.abs(found[0].numpy() - scores).max() < 1e-5 * max(np.abs(scores).max(), spread)
    np.testing.assert_allclose(found[1].numpy(), views, rtol=1e-4, atol=1e-4)
    if method.config.has_maps():
        np.testing.assert_allclose(
            found[2].numpy(), method.anomaly_map(images), rtol=1e-4, atol=1e-4
        )
    else:
        assert found[2] is None


@pytest.mark.parametrize("case", CASES)
def test_it_says_the_same(case: str) -> None:
    name, options = CASES[case]
    world = toy.encoded_world(n_source=20, n_pool=30, n_test=10)
    with toy.registered():
        fitted = toy.fitting(name, world, **options).model
        assert_same(world.test, fitted)


@pytest.mark.parametrize("case", ["auto", "patches", "windows", "a bank", "padim", "patchcore"])
def test_what_a_mask_leaves_out_counts_nowhere(case: str) -> None:
    name, options = CASES[case]
    images = toy.make_world(n_source=20, n_pool=30, n_test=10)
    looked_at = np.ones((toy.SIDE, toy.SIDE), dtype=np.bool_)
    looked_at[:34, 30:] = False

    def seen(pixels: Any) -> EncodedImages:
        masked = find_images(pixels).masked(Masks.find(looked_at))
        return FrozenEncoder(toy.encoder(), toy.OUTPUTS, engine="torch").encode(masked)

    world = toy.Encoded(
        source=seen(images.source),
        pool=seen(images.pool),
        pool_labels=images.pool_labels,
        test=seen(images.test),
        test_labels=images.test_labels,
    )
    with toy.registered():
        assert_same(world.test, toy.fitting(name, world, **options).model)


@pytest.mark.parametrize("name", [name for name in METHODS.ids() if group_of(name) != "added"])
def test_other_methods_say_why_they_have_none(name: str) -> None:
    method = METHODS.load(name)(toy.encoder())
    error = NotFittedError if name in CLOSED else ConfigError
    with pytest.raises(error, match=name if name in CLOSED else f"{name} cannot be exported"):
        method.graph({})
