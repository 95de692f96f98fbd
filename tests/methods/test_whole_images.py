"""Methods on one vector of the whole image, at a size of the user's choice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.support import toy

from twofold.encoders.encode import FrozenEncoder
from twofold.errors import ConfigError
from twofold.images import find_images
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config

both_methods = pytest.mark.parametrize("method_id", ["target_only", "frozen_source"])


@both_methods
def test_images_are_seen_at_the_size_asked_for(method_id: str) -> None:
    world, method = toy.make_world(), METHODS.load(method_id)
    frozen = FrozenEncoder(toy.encoder(), ("pooled", "pooled/64"), engine="torch")
    source, pool = (frozen.encode(find_images(own)) for own in (world.source, world.pool))

    def scores(options: dict[str, Any], **arrays: Any) -> Any:
        config = parse_config(method, options)
        known, target = (
            replace(own, arrays={name: own[at] for name, at in arrays.items()}) if arrays else own
            for own in (source, pool)
        )
        data = FitData(known, target if "target_pool" in method.needs else None)
        return method(toy.encoder(), config).fit(data, random_state=0).model.score(target)

    large = scores({"image_size": 64})
    assert np.array_equal(large, scores({}, pooled="pooled/64"))
    assert not np.array_equal(large, scores({}))


@both_methods
@pytest.mark.parametrize("side", [32, 4096, "large"])
def test_sizes_out_of_range(method_id: str, side: Any) -> None:
    with pytest.raises(ConfigError, match="image_size"):
        parse_config(METHODS.load(method_id), {"image_size": side})
