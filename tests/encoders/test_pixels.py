"""Images before the encoder: the pixels it would see, and the way through it from memory."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.encoders import inference, outputs
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.outputs import BATCH, EngineKind, output_names
from twofold.encoders.pixels import LazyInputs, LazyPixels, encode_pixels
from twofold.errors import ConfigError, ImageSourceError
from twofold.images import ImageSet


@pytest.fixture(scope="module")
def images(photos: tuple[Path, ...]) -> ImageSet:
    return ImageSet.from_paths(photos)


@pytest.fixture(scope="module")
def loaded(tiny: Encoder, images: ImageSet) -> EncodedImages:
    return pixels_of(tiny, images)


def pixels_of(encoder: Encoder, images: ImageSet, **options: Any) -> EncodedImages:
    return FrozenEncoder(encoder, ("pixels",)).encode(images, **options)


def as_uint8(loaded: EncodedImages) -> NDArray[Any]:
    return loaded["pixels"][:]


# --- loading --------------------------------------------------------------------------------------


def test_the_pixels_are_those_that_the_engine_sees(
    tiny: Encoder, images: ImageSet, loaded: EncodedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recorder:
        """In place of an engine: keeps its input."""

        outputs: tuple[str, ...] = ("pooled",)

        def __call__(self, batch: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
            return (batch.astype(np.float32),)

    def recorder(*_: object) -> Recorder:
        return Recorder()

    monkeypatch.setattr(inference, "make_engine", recorder)
    seen = FrozenEncoder(tiny).encode(images)
    assert np.array_equal(seen["pooled"], loaded["pixels"][:])
    assert seen.names == loaded.names
    assert seen.digests == loaded.digests


def test_shape_and_values(loaded: EncodedImages, photos: tuple[Path, ...]) -> None:
    pixels = loaded["pixels"][:]
    assert pixels.shape == loaded["pixels"].shape == (len(photos), 32, 32, 3)
    assert pixels.dtype == np.uint8
    assert 0 <= pixels.min() < 20
    assert 235 < pixels.max() <= 255
    assert loaded.kept.tolist() == list(range(len(photos)))
    assert loaded.problems == ()


def test_unusable_images_are_listed(
    tiny: Encoder, photos: tuple[Path, ...], support: ModuleType, tmp_path: Path
) -> None:
    reasons = support.write_bad_files(tmp_path)
    bad = [tmp_path / name for name in reasons]
    images = ImageSet.from_paths([photos[0], *bad, photos[1]])
    found = pixels_of(tiny, images)
    assert found.kept.tolist() == [0, len(bad) + 1]
    assert found.names == (str(photos[0]), str(photos[1]))
    assert [problem.path for problem in found.problems] == [str(path) for path in bad]
    for problem, word in zip(found.problems, reasons.values(), strict=True):
        assert word in problem.reason
    # As the encoder itself would report them.
    assert found.problems == FrozenEncoder(tiny, engine="torch").encode(images).problems
    whole = pixels_of(tiny, ImageSet.from_paths([photos[0], photos[1]]))
    assert np.array_equal(found["pixels"][:], whole["pixels"][:])


def test_strictness_names_the_file(tiny: Encoder, photos: tuple[Path, ...], tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    images = ImageSet.from_paths([photos[0], tmp_path / "notes.png"])
    with pytest.raises(ImageSourceError, match=r"notes\.png: .*not an image") as caught:
        pixels_of(tiny, images, strict=True)
    assert len(str(caught.value).splitlines()) == 1


def test_no_usable_image(tiny: Encoder, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    found = pixels_of(tiny, ImageSet.from_paths([tmp_path / "notes.png"]))
    assert len(found) == 0
    assert found["pixels"].shape == (0, 32, 32, 3)
    assert len(found.problems) == 1


# --- through the encoder --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_pixels_give_what_their_images_give(
    tiny: Encoder, images: ImageSet, loaded: EncodedImages, engine: EngineKind
) -> None:
    expected = FrozenEncoder(tiny, ("split:last_stage",), engine=engine).encode(images)
    found = encode_pixels(tiny, as_uint8(loaded), "split:last_stage", engine)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected["split:last_stage"])


@pytest.mark.parametrize("output", ["pooled", "stride8", "split:last_stage", "split:all"])
def test_every_output(tiny: Encoder, images: ImageSet, loaded: EncodedImages, output: str) -> None:
    assert output in output_names(tiny)
    expected = FrozenEncoder(tiny, (output,), engine="torch").encode(images)[output][:]
    assert np.array_equal(encode_pixels(tiny, as_uint8(loaded), output, "torch"), expected)


def test_an_image_does_not_depend_on_its_neighbours(tiny: Encoder, loaded: EncodedImages) -> None:
    pixels = as_uint8(loaded)
    whole = encode_pixels(tiny, pixels, "pooled", "torch")
    for n in (1, BATCH - 1, BATCH, BATCH + 1):
        assert np.array_equal(encode_pixels(tiny, pixels[-n:], "pooled", "torch"), whole[-n:])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_large_pixels_go_one_by_one(
    tiny: Encoder, loaded: EncodedImages, engine: EngineKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = as_uint8(loaded)[:3]
    expected = encode_pixels(tiny, pixels, "pooled", engine)
    monkeypatch.setattr(outputs, "_MOST_TOGETHER", 0)
    found = encode_pixels(tiny, pixels, "pooled", engine)
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(np.abs(expected).max()))


def test_an_unknown_output(tiny: Encoder, loaded: EncodedImages) -> None:
    with pytest.raises(ConfigError, match="no output 'stride7'"):
        encode_pixels(tiny, as_uint8(loaded), "stride7", "torch")


# --- inputs on demand -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inputs(tiny: Encoder, images: ImageSet) -> NDArray[np.float32]:
    run = make_engine(tiny, ("split:all",), "torch")
    pixels = pixels_of(tiny, images)["pixels"][:]
    padded = np.zeros((3 * BATCH, *pixels.shape[1:]), dtype=np.uint8)
    padded[: len(pixels)] = pixels
    return np.concatenate([run(b)[0] for b in np.split(padded, 3)])[: len(pixels)]


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(2, 9),
        slice(0, 0),
        np.array([5, 0, 5]),
        np.arange(17) % 3 == 0,
        np.empty(0, dtype=np.intp),
    ],
    ids=["all", "slice", "nothing", "indices", "mask", "no indices"],
)
def test_inputs_are_those_of_the_network(
    tiny: Encoder, images: ImageSet, inputs: NDArray[np.float32], rows: Any
) -> None:
    lazy = LazyInputs(images, tiny.spec.preprocessing)
    assert lazy.shape == inputs.shape
    assert len(lazy) == len(images)
    found = lazy[rows]
    assert found.dtype == np.float32
    assert found.shape == inputs[rows].shape
    np.testing.assert_allclose(found, inputs[rows], atol=1e-5)


def test_chosen_inputs_are_still_not_decoded(
    tiny: Encoder, images: ImageSet, inputs: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    load = ImageSet.load

    def counted(self: ImageSet, index: int) -> Any:
        decoded.append(index)
        return load(self, index)

    monkeypatch.setattr(ImageSet, "load", counted)
    chosen = LazyInputs(images, tiny.spec.preprocessing).select(np.array([4, 1, 9]))
    assert chosen.shape == (3, *inputs.shape[1:])
    assert not decoded
    np.testing.assert_allclose(chosen[1:], inputs[[1, 9]], atol=1e-5)
    assert len(decoded) == 2


def test_encoded_images_carry_them(tiny: Encoder, images: ImageSet, loaded: EncodedImages) -> None:
    both = FrozenEncoder(tiny, ("split:all", "pooled", "pixels"), engine="torch").encode(images)
    part = both.subset(np.array([3, 2]))
    for output, kind in (("split:all", LazyInputs), ("pixels", LazyPixels)):
        direct = kind(images, tiny.spec.preprocessing)[np.array([3, 2])]
        assert isinstance(part[output], kind)
        assert np.array_equal(part[output][:], direct)
    assert "split:all" not in loaded.arrays


def test_an_image_that_has_gone_is_an_error(tiny: Encoder, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    lazy = LazyInputs(ImageSet.from_paths([tmp_path / "notes.png"]), tiny.spec.preprocessing)
    with pytest.raises(ImageSourceError, match=r"notes\.png"):
        lazy[np.array([0])]
