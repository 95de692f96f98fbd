"""One specification of each output decides what cached vectors and converted networks are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from twofold.encoders import engine, outputs, patches, scales
from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.inference import Inference
from twofold.encoders.outputs import (
    BATCH,
    engine_specification,
    output_digest,
    output_names,
    output_specification,
)
from twofold.errors import ConfigError
from twofold.images import ImageSet

GOLDEN = Path(__file__).with_name("golden_outputs.json")
NAMES = ("pooled", "pooled-1", "patches@3", "stride16", "split:last_stage")


@pytest.fixture(scope="module")
def lite() -> Encoder:
    return load_encoder("efficientnet_lite0")


def digests(encoder: Encoder) -> dict[str, str]:
    names = (*NAMES, "patches:4+8+16+32@3")
    return {name: output_digest(encoder, name) for name in names}


@pytest.mark.parametrize(
    ("module", "constant", "value", "changed"),
    [
        (patches, "MAX_CHANNELS", 100, {"patches@3", "patches:4+8+16+32@3"}),
        (patches, "SEED", 1, {"patches:4+8+16+32@3"}),
        (patches, "_USUAL", (16,), {"patches@3"}),
        (patches, "VERSION", 2, {"patches@3", "patches:4+8+16+32@3"}),
        (scales, "_STRIDE", 24, {"pooled-1"}),
        (scales, "VERSION", 2, {"pooled", "pooled-1"}),
    ],
)
def test_a_constant_behind_a_name_is_part_of_it(
    lite: Encoder,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    constant: str,
    value: object,
    changed: set[str],
) -> None:
    before = digests(lite)
    monkeypatch.setattr(module, constant, value)
    after = digests(lite)
    assert {name for name in before if before[name] != after[name]} == changed


def test_weights_preprocessing_and_names_are_part_of_it(lite: Encoder) -> None:
    before = digests(lite)
    assert len(set(before.values())) == len(before)
    for other in (lite.at_size(160), replace(lite, weights_sha256="0" * 64)):
        assert all(before[name] != output_digest(other, name) for name in before)
    # The usual strides by another name are the same output.
    assert output_specification(lite, "patches@3") == output_specification(lite, "patches:8+16@3")


def test_a_specification_is_plain_and_complete(lite: Encoder) -> None:
    for name in (*output_names(lite), *NAMES):
        found = output_specification(lite, name)
        assert json.loads(json.dumps(found)) == found
        assert found["encoder"] == lite.fingerprint
    with pytest.raises(ConfigError, match="no output 'pixel'"):
        output_specification(lite, "pixel")


def images() -> ImageSet:
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    return ImageSet.from_array(noise)


@pytest.mark.slow
def test_each_engine_finds_its_own_vectors_alone(tiny: Encoder, tmp_path: Path) -> None:
    """Whoever filled the cache first, the bits are those without a cache."""
    alone = {
        kind: FrozenEncoder(tiny, engine=kind).encode(images())["pooled"].tobytes()
        for kind in ("openvino", "torch")
    }
    cache = EmbeddingCache(tmp_path)
    for kind in ("torch", "openvino", "torch"):
        frozen = FrozenEncoder(tiny, cache=cache, engine=kind)
        assert frozen.encode(images())["pooled"].tobytes() == alone[kind]
    assert engine_specification("torch") != engine_specification("openvino")
    assert engine_specification("torch")["batch"] == BATCH
    assert engine_specification("openvino")["batch"] == 1


def test_vectors_of_older_code_are_encoded_again(
    tiny: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    run = Inference.__call__

    def counted(self: Inference, decoded: Sequence[Sequence[Image.Image]]) -> Any:
        encoded.append(1)
        return run(self, decoded)

    monkeypatch.setattr(Inference, "__call__", counted)
    for version in (1, 1, 2, 2, 1):
        monkeypatch.setattr(scales, "VERSION", version)
        FrozenEncoder(tiny, cache=EmbeddingCache(tmp_path), engine="torch").encode(images())
    assert len(encoded) == 2


@pytest.mark.slow
def test_a_converted_network_of_older_code_is_converted_again(
    tiny: Encoder, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: list[tuple[str, ...]] = []
    convert: Callable[..., Any] = engine.to_openvino

    def counted(encoder: Encoder, names: tuple[str, ...]) -> Any:
        converted.append(names)
        return convert(encoder, names)

    monkeypatch.setattr(engine, "to_openvino", counted)
    for version in (1, 1, 2):
        monkeypatch.setattr(scales, "VERSION", version)
        make_engine(tiny, ("pooled",), "openvino")
    assert len(converted) == 2
    monkeypatch.setattr(outputs, "ENGINE_VERSION", 99)
    make_engine(tiny, ("pooled",), "openvino")
    assert len(converted) == 3


def picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Structure at every scale, the same on every machine."""
    y, x = np.mgrid[:224, :224]
    waves = [np.sin(x / 5) + np.cos(y / 9), np.sin((x + y) / 30), (x ^ y) % 64 / 32 - 1]
    return np.stack([np.rint(127 + 60 * wave) for wave in waves], axis=2).astype(np.uint8)


def golden(encoder: Encoder) -> dict[str, dict[str, Any]]:
    batch = np.repeat(picture()[None], BATCH, axis=0)
    arrays = make_engine(encoder, NAMES, "openvino")(batch)
    return {
        name: {
            "specification": output_digest(encoder, name),
            "values": [round(float(v), 4) for v in array[0].ravel()[:: array[0].size // 12][:12]],
        }
        for name, array in zip(NAMES, arrays, strict=True)
    }


@pytest.mark.slow
def test_the_same_specification_gives_the_same_values(lite: Encoder) -> None:
    """Values that change while their specification stays would be taken for cached ones.

    Raise the version in the module of the output (or name ``_DECODING`` anew), then write the file
    with ``python -m tests.encoders.test_outputs``.
    """
    expected, found = json.loads(GOLDEN.read_text()), golden(lite)
    assert found.keys() == expected.keys()
    for name, entry in found.items():
        assert entry["specification"] == expected[name]["specification"], f"{name}: write it anew"
        np.testing.assert_allclose(
            entry["values"], expected[name]["values"], rtol=1e-3, atol=2e-3, err_msg=name
        )


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(load_encoder("efficientnet_lite0")), indent=1) + "\n")
