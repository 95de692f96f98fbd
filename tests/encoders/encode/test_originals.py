"""Encoded images that are looked at once more in another way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support import toy

from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.errors import ConfigError, ImageSourceError
from twofold.images import Masks, find_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for row, size in enumerate([(20, 30), (64, 64), (40, 24)]):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{row}.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    return tmp_path


def test_another_output_is_that_of_a_fresh_encoder(tiny: Encoder, folder: Path) -> None:
    images = find_images(folder)
    encoded = FrozenEncoder(tiny, ("pooled",), engine="torch").encode(images)
    rows = np.array([2, 0])
    found = encoded.subset(rows).seen_as(("stride8", "pooled"))
    expected = FrozenEncoder(tiny, ("stride8", "pooled"), engine="torch").encode(images)
    assert tuple(found.arrays) == ("stride8", "pooled")
    for name in found.arrays:
        assert np.array_equal(found[name], expected[name][rows])
    assert found.names == tuple(expected.names[row] for row in rows)


def test_sizes_and_pixels_are_those_of_the_usable_images(tiny: Encoder, folder: Path) -> None:
    encoded = FrozenEncoder(tiny, engine="torch").encode(find_images(folder))
    originals = encoded.originals
    assert originals is not None
    assert originals.sizes() == [(20, 30), (64, 64), (40, 24)]
    assert originals.subset(np.array([2])).sizes() == [(40, 24)]
    with Image.open(folder / "1.png") as image:
        assert np.array_equal(originals.pixels(1), np.asarray(image))


def test_what_is_there_is_not_made_again(tiny: Encoder, folder: Path) -> None:
    encoded = FrozenEncoder(tiny, ("pooled", "stride8"), engine="torch").encode(find_images(folder))
    for path in folder.iterdir():
        path.unlink()
    assert tuple(encoded.seen_as(("pooled",)).arrays) == ("pooled",)
    assert encoded.also_as(("pooled",)) is encoded
    assert encoded.originals is not None
    for ask in (
        lambda: encoded.seen_as(("stride16",)),
        lambda: encoded.originals.pixels(0),
        encoded.originals.sizes,
    ):
        with pytest.raises(ImageSourceError, match=r"0\.png"):
            ask()


def test_a_file_that_has_changed_is_no_longer_that_image(tiny: Encoder, folder: Path) -> None:
    encoded = FrozenEncoder(tiny, engine="torch").encode(find_images(folder))
    Image.new("RGB", (20, 30)).save(folder / "0.png")
    with pytest.raises(ImageSourceError, match="has changed since"):
        encoded.also_as(("stride8",))


def test_arrays_alone_cannot_be_seen_again(tiny: Encoder) -> None:
    from dataclasses import replace

    images = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    encoded = FrozenEncoder(tiny, engine="torch").encode(find_images(images))
    with pytest.raises(ConfigError, match="without the output 'stride8'"):
        replace(encoded, originals=None).seen_as(("stride8",))


def test_large_images_are_reduced_to_a_longer_side(tiny: Encoder, folder: Path) -> None:
    encoded = FrozenEncoder(tiny, engine="torch").encode(find_images(folder))
    assert encoded.originals is not None
    assert encoded.originals.pixels(0, 30).shape == (30, 20, 3)
    assert encoded.originals.pixels(0, 15).shape == (15, 10, 3)
    assert encoded.originals.pixels(1, 1).shape == (1, 1, 3)


def test_places_that_are_looked_at() -> None:
    images = toy.make_world(1, n_source=4, n_pool=4, n_test=2).source
    mask = np.ones((toy.SIDE, toy.SIDE), dtype=np.bool_)
    mask[:, 30:] = False
    frozen = FrozenEncoder(toy.encoder(), ("patches@3", "pooled"), engine="torch")
    plain = frozen.encode(find_images(images))
    assert plain.looked_at("patches@3") is None
    encoded = frozen.encode(find_images(images).masked(Masks.find(mask)))
    found = encoded.looked_at("patches@3")
    assert found is not None
    assert found.shape == (4, 16)
    assert found.reshape(4, 4, 4)[:, :, :2].all()
    assert not found.reshape(4, 4, 4)[:, :, 2:].any()
    part = encoded.subset(np.array([2])).looked_at("patches@3")
    assert part is not None
    assert part.shape == (1, 16)
    assert encoded.subset(np.array([], dtype=np.int64)).looked_at("patches@3") is None
    assert not set(encoded.digests) & set(plain.digests)
    # Another output of the same images is of the same pixels.
    again = frozen.with_outputs(["pooled"]).encode(find_images(images).masked(Masks.find(mask)))
    assert np.array_equal(again["pooled"], encoded["pooled"])
    assert not np.array_equal(again["pooled"], plain["pooled"])
    white = np.ones((toy.SIDE, toy.SIDE), dtype=np.bool_)
    assert (
        frozen.encode(find_images(images).masked(Masks.find(white))).looked_at("patches@3") is None
    )
