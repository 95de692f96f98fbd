"""Outputs of images at another side than the encoder's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.outputs import output_digest
from twofold.encoders.patches import patch_channels
from twofold.encoders.sides import at_side, split_side
from twofold.errors import ConfigError
from twofold.images import ImageSet


def test_names(tiny: Encoder) -> None:
    assert at_side("patches:8@1", None) == "patches:8@1"
    assert at_side("patches:8@1", 640) == "patches:8@1/640"
    base, encoder = split_side("patches:8@1/64", tiny)
    assert (base, encoder.spec.preprocessing.size) == ("patches:8@1", 64)
    assert split_side("pooled", tiny) == ("pooled", tiny)
    assert patch_channels("patches:8@1/64", tiny) == 12
    for wrong in ("pooled/", "pooled/0", "pooled/1/2", "pooled/-3"):
        with pytest.raises(ConfigError, match="NAME/SIDE"):
            split_side(wrong, tiny)


def test_an_encoder_of_one_size_refuses_another(tiny: Encoder) -> None:
    fixed = replace(tiny, spec=replace(tiny.spec, any_size=False))
    with pytest.raises(ConfigError, match="takes images of 32 pixels only, not 64"):
        FrozenEncoder(fixed, ("pooled", "stride8/64"))


def test_what_a_side_stands_for_is_the_encoder_of_that_side(tiny: Encoder) -> None:
    for base in ("pooled", "patches:8@1", "stride8"):
        assert output_digest(tiny, f"{base}/64") == output_digest(tiny.at_size(64), base)
        assert output_digest(tiny, f"{base}/64") != output_digest(tiny, base)
    with pytest.raises(ConfigError, match="has no output 'pool/64'"):
        output_digest(tiny, "pool/64")
    with pytest.raises(ConfigError, match="one side"):
        make_engine(tiny, ("pooled/64",), "torch")


def test_each_side_is_what_an_encoder_of_that_side_gives(
    tiny: Encoder, photos: tuple[Path, ...], tmp_path: Path
) -> None:
    images = ImageSet.from_paths(photos)
    names = ("stride8/64", "pooled", "stride16/64", "stride8/48")
    cache = EmbeddingCache(tmp_path)
    frozen = FrozenEncoder(tiny, names, cache=cache, engine="torch")
    found = frozen.encode(images)
    assert found["stride8/64"].shape[1:] == (12, 8, 8)
    for name in names:
        base, encoder = split_side(name, tiny)
        alone = FrozenEncoder(encoder, (base,), engine="torch").encode(images)
        assert np.array_equal(found[name], alone[base])
    # What is cached under a side is found again, and by an encoder of that side.
    again = FrozenEncoder(tiny, names, cache=cache, engine="torch").encode(images)
    assert all(np.array_equal(again[name], found[name]) for name in names)
    at_64 = FrozenEncoder(tiny.at_size(64), ("stride8",), cache=cache, engine="torch")
    assert np.array_equal(at_64.encode(images)["stride8"], found["stride8/64"])


def test_another_side_alone(tiny: Encoder, photos: tuple[Path, ...]) -> None:
    images = ImageSet.from_paths(photos)
    found = FrozenEncoder(tiny, ("pooled/64",), engine="torch").encode(images)
    assert found["pooled/64"].shape == (len(photos), 16)
    own = FrozenEncoder(tiny, ("pooled/32",), engine="torch").encode(images)
    same = FrozenEncoder(tiny, ("pooled",), engine="torch").encode(images)
    assert np.array_equal(own["pooled/32"], same["pooled"])
