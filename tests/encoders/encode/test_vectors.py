"""Frozen encoding of image sets: vectors, batches, caches, resizing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from tests.encoders.encode.cases import ALL, assert_rows

from twofold.encoders import encode as encode_module
from twofold.encoders import inference
from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine
from twofold.encoders.outputs import BATCH, output_names
from twofold.encoders.pixels import preprocess
from twofold.encoders.spec import Preprocessing
from twofold.errors import ConfigError
from twofold.images import ImageSet

MakeTiny = Callable[..., Encoder]

MakePicture = Callable[..., Image.Image]


def test_shapes_names_and_positions(
    reference: EncodedImages, photos: tuple[Path, ...], tiny: Encoder
) -> None:
    n = len(photos)
    assert n == 2 * BATCH + 1
    assert len(reference) == n
    assert reference.names == tuple(map(str, photos))
    assert reference.kept.tolist() == list(range(n))
    assert reference.kept.dtype == np.int64
    assert reference.problems == ()
    assert reference["pooled"].shape == (n, tiny.spec.feature_dim)
    assert reference["stride8"].shape == (n, 12, 4, 4)
    assert len(np.unique(reference["pooled"], axis=0)) == n


@pytest.mark.parametrize("rows", [[0], [16], [3, 1], [*range(9)], [*range(16, -1, -1)], [5, 5, 5]])
@pytest.mark.parametrize("cached", [False, True])
def test_neighbours_and_order_do_not_matter(
    tiny: Encoder,
    cache: EmbeddingCache,
    photos: tuple[Path, ...],
    reference: EncodedImages,
    rows: list[int],
    cached: bool,
) -> None:
    encoder = FrozenEncoder(tiny, ALL, cache=cache if cached else None, engine="torch")
    images = ImageSet.from_paths([photos[row] for row in rows])
    for _ in range(2):
        assert_rows(encoder.encode(images), reference, rows)


def test_a_cache_filled_in_part_gives_the_same(
    tiny: Encoder, cache: EmbeddingCache, photos: tuple[Path, ...], reference: EncodedImages
) -> None:
    encoder = FrozenEncoder(tiny, ALL, cache=cache, engine="torch")
    encoder.encode(ImageSet.from_paths(photos[4:9]))
    assert_rows(encoder.encode(ImageSet.from_paths(photos)), reference, [*range(17)])


def test_a_cached_run_compiles_no_engine(
    tiny: Encoder,
    cache: EmbeddingCache,
    photos: tuple[Path, ...],
    reference: EncodedImages,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    del monkeypatch
    images = ImageSet.from_paths(photos)
    FrozenEncoder(tiny, ALL, cache=cache, engine="torch").encode(images)
    request.getfixturevalue("no_engine")
    again = FrozenEncoder(tiny, ALL, cache=cache, engine="torch")
    assert_rows(again.encode(images), reference, [*range(17)])
    # Fewer outputs than are there are there too.
    pooled = FrozenEncoder(tiny, cache=cache, engine="torch").encode(images)
    np.testing.assert_array_equal(pooled["pooled"], reference["pooled"])
    with pytest.raises(AssertionError, match="compiled"):
        FrozenEncoder(tiny, ("stride16",), cache=cache, engine="torch").encode(images)


def test_renamed_images_are_known_by_their_content(
    tiny: Encoder, cache: EmbeddingCache, photos: tuple[Path, ...], tmp_path: Path
) -> None:
    encoder = FrozenEncoder(tiny, cache=cache, engine="torch")
    first = encoder.encode(ImageSet.from_paths(photos[:1]))
    moved = tmp_path / "moved.png"
    moved.write_bytes(photos[0].read_bytes())
    found = encoder.encode(ImageSet.from_paths([moved]))
    assert found.digests == first.digests
    np.testing.assert_array_equal(found["pooled"], first["pooled"])
    # And new content under an old name is a new image.
    moved.write_bytes(photos[1].read_bytes())
    assert encoder.encode(ImageSet.from_paths([moved])).digests != first.digests


@pytest.mark.parametrize("change", ["weights", "mean", "filter"])
def test_another_encoder_never_reads_stale_vectors(
    make_tiny: MakeTiny,
    tiny: Encoder,
    cache: EmbeddingCache,
    photos: tuple[Path, ...],
    change: str,
) -> None:
    images = ImageSet.from_paths(photos[:3])
    FrozenEncoder(tiny, cache=cache, engine="torch").encode(images)
    mean, std = tiny.spec.preprocessing.mean, tiny.spec.preprocessing.std
    other = {
        "weights": make_tiny(seed=1),
        "mean": make_tiny(preprocessing=Preprocessing(32, (0.0, 0.0, 0.0), std, "bilinear")),
        "filter": make_tiny(preprocessing=Preprocessing(32, mean, std, "bicubic")),
    }[change]
    fresh = FrozenEncoder(other, engine="torch").encode(images)
    found = FrozenEncoder(other, cache=cache, engine="torch").encode(images)
    np.testing.assert_array_equal(found["pooled"], fresh["pooled"])


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE vectors SET data = zeroblob(length(data))",
        "UPDATE vectors SET data = substr(data, 1, 8), shape = '2'",
        "UPDATE vectors SET shape = '1,' || shape",
        "UPDATE vectors SET sha256 = zeroblob(32)",
        "UPDATE vectors SET data = 'text'",
        "DELETE FROM vectors WHERE length(data) > 100",
        "DROP TABLE vectors",
    ],
)
def test_a_poisoned_cache_is_rebuilt_with_the_right_values(
    tiny: Encoder,
    cache: EmbeddingCache,
    photos: tuple[Path, ...],
    reference: EncodedImages,
    damage: str,
    request: pytest.FixtureRequest,
) -> None:
    images = ImageSet.from_paths(photos)
    encoder = FrozenEncoder(tiny, ALL, cache=cache, engine="torch")
    encoder.encode(images)
    with closing(sqlite3.connect(cache.path)) as database, database:
        database.execute(damage)
    assert_rows(encoder.encode(images), reference, [*range(17)])
    request.getfixturevalue("no_engine")
    healed = FrozenEncoder(tiny, ALL, cache=cache, engine="torch")
    assert_rows(healed.encode(images), reference, [*range(17)])


def test_a_cache_file_of_rubbish_is_rebuilt(
    tiny: Encoder, cache: EmbeddingCache, photos: tuple[Path, ...], reference: EncodedImages
) -> None:
    cache.path.write_bytes(b"rubbish" * 999)
    images = ImageSet.from_paths(photos)
    encoder = FrozenEncoder(tiny, ALL, cache=cache, engine="torch")
    for _ in range(2):
        assert_rows(encoder.encode(images), reference, [*range(17)])
    assert len(cache.get(encoder._inference.spaces[0], reference.digests)) == 17


def test_an_interrupted_run_goes_on_where_it_stopped(
    tiny: Encoder,
    cache: EmbeddingCache,
    photos: tuple[Path, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encode_module, "PORTION", BATCH)
    encoder = FrozenEncoder(tiny, cache=cache, engine="torch")

    def interrupt(done: int, _: int) -> None:
        if done > BATCH:
            raise KeyboardInterrupt

    images = ImageSet.from_paths(photos)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode(images, progress=interrupt)
    digests = [images.load(index).digest for index in range(len(images))]
    assert len(cache.get(encoder._inference.spaces[0], digests)) >= BATCH


def test_an_array_equals_its_pixels_in_a_file(
    frozen: FrozenEncoder, make_picture: MakePicture, tmp_path: Path
) -> None:
    pixels = np.stack([np.asarray(make_picture(seed, 50, 70)) for seed in range(3)])
    paths = [tmp_path / f"{row}.png" for row in range(3)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    from_files = frozen.encode(ImageSet.from_paths(paths))
    from_array = frozen.encode(ImageSet.from_array(pixels))
    assert from_array.names == ("array[0]", "array[1]", "array[2]")
    for output in ALL:
        np.testing.assert_array_equal(from_array[output], from_files[output])


def test_a_grey_image_equals_its_three_equal_channels(frozen: FrozenEncoder) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 40, 40), dtype=np.uint8)
    one = frozen.encode(ImageSet.from_array(grey))
    three = frozen.encode(ImageSet.from_array(np.repeat(grey[..., None], 3, axis=-1)))
    np.testing.assert_array_equal(one["pooled"], three["pooled"])


@pytest.mark.slow
def test_a_large_jpeg_gives_nearly_the_vector_of_all_its_pixels(
    lite0: Encoder, make_picture: MakePicture, tmp_path: Path
) -> None:
    image = make_picture(0, 4000, 3000)
    texture = Image.effect_noise((1000, 750), 60).resize((4000, 3000)).convert("RGB")
    path = tmp_path / "large.jpg"
    Image.blend(image, texture, 0.4).save(path, quality=92)
    with Image.open(path) as decoded:
        pixels = np.asarray(decoded.convert("RGB"))
    assert pixels.shape == (3000, 4000, 3)
    encoder = FrozenEncoder(lite0, engine="torch")
    (drafted,) = encoder.encode(ImageSet.from_paths([path]))["pooled"].astype(np.float64)
    (whole,) = encoder.encode(ImageSet.from_array(pixels[None]))["pooled"].astype(np.float64)
    assert drafted @ whole > 0.99 * np.linalg.norm(drafted) * np.linalg.norm(whole)


@pytest.mark.slow
def test_the_automatic_engine_agrees_with_torch(
    tiny: Encoder, photos: tuple[Path, ...], reference: EncodedImages
) -> None:
    found = FrozenEncoder(tiny, ALL).encode(ImageSet.from_paths(photos))
    for output in ALL:
        np.testing.assert_allclose(found[output], reference[output], atol=1e-4)


@pytest.mark.slow
def test_the_default_encoder_on_openvino(
    lite0: Encoder,
    lite0_openvino: Engine,
    photos: tuple[Path, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pooled = lite0_openvino.outputs.index("pooled")
    with monkeypatch.context() as patch:
        # The shared one: compiling another takes seconds.
        patch.setattr(
            inference, "make_engine", lambda *_: lambda batch: (lite0_openvino(batch)[pooled],)
        )
        encoder = FrozenEncoder(lite0)
        whole = encoder.encode(ImageSet.from_paths(photos[:9]))
    (single,) = encoder.encode(ImageSet.from_paths([photos[4]]))["pooled"]
    np.testing.assert_array_equal(single, whole["pooled"][4])
    torch_too = FrozenEncoder(lite0, engine="torch").encode(ImageSet.from_paths(photos[:9]))
    np.testing.assert_allclose(whole["pooled"], torch_too["pooled"], atol=1e-4)


def test_outputs_are_produced_once_each(tiny: Encoder, photos: tuple[Path, ...]) -> None:
    encoder = FrozenEncoder(tiny, ("pooled", "split:head", "pooled"), engine="torch")
    assert encoder.outputs == ("pooled", "split:head")
    found = encoder.encode(ImageSet.from_paths(photos[:2]))
    np.testing.assert_array_equal(found["pooled"], found["split:head"])


def test_an_unknown_output_is_refused(tiny: Encoder, photos: tuple[Path, ...]) -> None:
    assert "stride4" not in output_names(tiny)
    with pytest.raises(ConfigError, match="tiny has no output 'stride4'"):
        FrozenEncoder(tiny, ("stride4",), engine="torch").encode(ImageSet.from_paths(photos))


def test_an_output_that_was_not_asked_for(reference: EncodedImages) -> None:
    with pytest.raises(ConfigError, match="without the output 'stride16'"):
        reference["stride16"]


@pytest.mark.parametrize("rows", [[4, 0], [], [16, 16]])
def test_a_subset_by_positions(reference: EncodedImages, rows: list[int]) -> None:
    part = reference.subset(np.array(rows, dtype=np.int64))
    assert_rows(part, reference, rows)
    assert part.kept.tolist() == rows
    assert len(part) == len(rows)


def test_a_subset_by_mask(
    frozen: FrozenEncoder, photos: tuple[Path, ...], support: ModuleType, tmp_path: Path
) -> None:
    support.write_bad_files(tmp_path)
    images = ImageSet.from_paths([tmp_path / "text.png", *photos[:4]])
    whole = frozen.encode(images)
    part = whole.subset(np.array([False, True, False, True]))
    assert_rows(part, whole, [1, 3])
    assert part.kept.tolist() == [2, 4]
    assert part.problems == ()
    assert len(whole.problems) == 1


def test_what_another_process_has_encoded_is_found(
    reference: EncodedImages, photos: tuple[Path, ...], tiny: Encoder, tmp_path: Path
) -> None:
    outputs = ("pooled", "stride8")
    frozen = FrozenEncoder(tiny, outputs, cache=EmbeddingCache(tmp_path))
    frozen.store(reference.digests[:3], [reference[name][:3] * 2 for name in outputs])
    frozen.store((), [reference[name][:0] for name in outputs])
    images = ImageSet.from_paths(photos[:5])
    assert frozen.look_up(images) == 3
    found = frozen.encode(images.subset([0, 1, 2]))
    for name in outputs:  # what was stored, not what the network would say
        np.testing.assert_array_equal(found[name], reference[name][:3] * 2)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(100, 60), (9, 200), (32, 32), (31, 33), (1000, 700)], ids=str)
def test_resizing_agrees_with_pillow(
    make_picture: MakePicture, size: tuple[int, int], interpolation: str
) -> None:
    image = make_picture(3, *size)
    out = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    statistics = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    preprocess([image], Preprocessing(32, *statistics, interpolation), out)  # type: ignore[arg-type]
    expected = np.asarray(image.resize((32, 32), Image.Resampling[interpolation.upper()]))
    # One grey level; two where an image is enlarged several times, with bicubic overshoot.
    worst = 1 if min(size) >= 31 else 2
    assert np.abs(out[0].astype(int) - expected.astype(int)).max() <= worst


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_resizing_together_equals_resizing_alone(
    make_picture: MakePicture, interpolation: str
) -> None:
    statistics = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    settings = Preprocessing(48, *statistics, interpolation)  # type: ignore[arg-type]
    sizes = [(100, 60), (48, 48), (60, 100), (100, 60), (48, 48), (200, 8), (100, 60)]
    images = [make_picture(seed, *size) for seed, size in enumerate(sizes)]
    together = np.full((BATCH, 48, 48, 3), 7, dtype=np.uint8)
    preprocess(images, settings, together)
    for row, image in enumerate(images):
        alone = np.zeros((1, 48, 48, 3), dtype=np.uint8)
        preprocess([image], settings, alone)
        np.testing.assert_array_equal(together[row], alone[0])
    assert (together[-1] == 7).all()
