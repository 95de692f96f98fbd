"""Patches without places at several sizes of the image, an octave apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy

from twofold.densities import Scale, scale_of
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.errors import ConfigError
from twofold.images import find_images
from twofold.methods import FitData, parse_config
from twofold.methods.auto.at_size import joined
from twofold.methods.auto.config import AutoConfig, halved
from twofold.methods.auto.method import Auto

FREE: dict[str, Any] = {"locality": "local", "places": "none", "image_size": 128}


def encoded(images: Any, config: AutoConfig) -> EncodedImages:
    return FrozenEncoder(toy.encoder(), config.settled().outputs(), engine="torch").encode(
        find_images(images)
    )


@pytest.fixture(scope="module")
def data() -> FitData:
    world = toy.make_world(n_source=24, n_pool=30)
    config = AutoConfig(**FREE)
    return FitData(encoded(world.source, config), encoded(world.pool, config))


def fit(data: FitData, **options: Any) -> Any:
    return Auto(toy.encoder(), parse_config(Auto, FREE | options)).fit(data, random_state=2)


@pytest.mark.parametrize(
    ("options", "sides"),
    [
        ({"places": "none", "image_size": 640}, (640, 320)),
        ({"places": "none", "image_size": 300}, (300, 160)),
        ({"places": "none", "image_size": (640, 320)}, ((640, 320), (320, 160))),
        ({"places": "none", "image_size": 640, "patch_scales": 4}, (640, 320, 160, 64)),
        ({"places": "none", "image_size": 200, "patch_scales": 4}, (200, 96, 64)),
        ({"places": "none", "image_size": 64}, (64,)),
        ({"places": "none", "image_size": (640, 80)}, ((640, 80),)),
        ({"places": "none", "image_size": 640, "patch_scales": 1}, (640,)),
        ({"places": "none", "image_size": 640, "effort": "fast"}, (640,)),
        ({"places": "each", "image_size": 640}, (640,)),
        ({"places": "none", "image_size": None}, (None,)),
    ],
    ids=str,
)
def test_sides_are_an_octave_apart(options: dict[str, Any], sides: tuple[Any, ...]) -> None:
    config = AutoConfig(**options).settled()
    assert config.sides() == sides
    assert len(config.patch_sizes()) == len(set(config.patch_sizes())) == len(sides)
    assert config.patches() == config.patch_sizes()[0]


def test_half_of_a_side_is_a_multiple_of_32_or_nothing() -> None:
    assert [halved(side) for side in (1024, 300, 110, 64, (64, 640))] == [512, 160, 64, None, None]


def test_the_score_is_the_oddest_on_the_scale_of_each_size() -> None:
    rng = np.random.default_rng(0)
    scores = [rng.gamma(2.0, 1.0, 50), rng.gamma(9.0, 40.0, 50)]
    scales = [scale_of(own) for own in scores]
    expected = [
        max(
            (np.log(own[row]) - scale.center) / scale.spread
            for own, scale in zip(scores, scales, strict=True)
        )
        for row in range(50)
    ]
    assert np.log(joined(scores, scales)) == pytest.approx(np.array(expected))
    assert joined(scores[:1], scales[:1]) is scores[0]


@pytest.mark.slow
def test_both_sizes_make_the_score_and_the_finest_the_map(data: FitData) -> None:
    pool = data.target_pool
    assert pool is not None
    both, fine, coarse = (
        fit(data, **options) for options in ({}, {"patch_scales": 1}, {"image_size": 64})
    )
    found = [other.model.score(pool) for other in (fine, coarse)]
    scales = [scale_of(other.out_of_sample.scores) for other in (fine, coarse)]
    assert both.model.score(pool) == pytest.approx(joined(found, scales), rel=1e-9)
    assert np.array_equal(both.model.anomaly_map(pool), fine.model.anomaly_map(pool))
    assert set(both.diagnostics.presumed_normal) == {"local", "local-1"}
    own = [other.out_of_sample.scores for other in (fine, coarse)]
    assert both.out_of_sample.scores == pytest.approx(joined(own, scales), rel=1e-9)


@pytest.mark.parametrize("options", [{}, {"image_score": "size"}, {"locality": "both"}], ids=str)
def test_saved_and_restored(data: FitData, options: dict[str, Any]) -> None:
    model, pool = fit(data, **options).model, data.target_pool
    assert pool is not None
    state = model.state()
    again = model.restore(state)
    assert np.array_equal(again.score(pool), model.score(pool))
    with pytest.raises(ConfigError):
        model.restore({name: own for name, own in state.items() if not name.startswith("local-1")})
    with pytest.raises(ConfigError, match="spread"):
        model.restore(state | {"local-1.scale": np.array([0.0, -1.0])})


def test_a_group_is_taken_out_of_both_sizes(data: FitData) -> None:
    way = fit(data).model.way_
    group = int(way.views.local[0].owners[way.views.local[0].owners >= 0][0])
    for patches, rest in zip(way.views.local, way.without_group(group).views.local, strict=True):
        gone = patches.owners == group
        assert np.array_equal(rest.model.rows, patches.model.rows[~gone])


def test_scales_are_two_finite_numbers() -> None:
    scale = Scale(1.5, 0.25)
    assert Scale.from_array(scale.to_array()) == scale
    for bad in ([1.0, 0.0], [np.nan, 1.0], [1.0, np.inf], [1.0]):
        array: NDArray[np.float64] = np.array(bad)
        with pytest.raises(ValueError, match=r"spread|values"):
            Scale.from_array(array)


@pytest.mark.parametrize("patch_scales", [0, 5, 1.5])
def test_patch_scales_that_make_no_sense(patch_scales: Any) -> None:
    with pytest.raises(ConfigError, match="patch_scales"):
        parse_config(Auto, {"patch_scales": patch_scales})
