"""What each output of an encoder is, to the last constant: the one specification that counts.

Vectors in the cache, converted networks, saved models and rows of benchmarks were all made from
outputs of an encoder. Whether one of them is still what the present code would make is decided
here and nowhere else: two outputs are the same exactly if their specifications are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from pydantic import JsonValue

from twofold.deferred import deferred
from twofold.encoders.cuda import has_cuda
from twofold.encoders.encoder import Encoder
from twofold.encoders.patches import is_patches, patches_specification
from twofold.encoders.scales import is_pooled, pooled_specification
from twofold.encoders.sides import split_side
from twofold.encoders.spec import Trainable
from twofold.errors import ConfigError

if TYPE_CHECKING:
    from importlib import metadata
else:
    metadata = deferred("importlib.metadata")

__all__ = [
    "BATCH",
    "TILE_VALUES",
    "EngineKind",
    "ResolvedEngine",
    "batch_of",
    "conversion_digest",
    "engine_specification",
    "output_digest",
    "output_names",
    "output_specification",
    "resolve_engine",
    "specification_digest",
]

EngineKind = Literal["auto", "openvino", "torch"]
ResolvedEngine = Literal["openvino", "torch"]

# Images that a thread decodes and hands to an engine at once. An engine that has to have one number
# of images a call, so that every image's bits are independent of how many others there are, has
# these.
BATCH = 8
# Pixels of an image above which an engine gets one image: eight of 768 x 768 take 0.5 GB of
# activations, and a call on one is as fast a pixel.
_MOST_TOGETHER = 768 * 768
# Raise it with every change of the engines, or of what they are handed, that changes bits and shows
# in nothing below. 2: a large JPEG is decoded for each size at which it is seen.
ENGINE_VERSION = 2
# Values of a part's input that one tile of a large image holds: 1,024 x 1,024 pixels, or as much
# of a map. A call takes some 150 MB of activations then, and margins an eighth of the time; with
# half as many it is 90 MB and a quarter.
TILE_VALUES = 3_200_000
_SPLITS: tuple[Trainable, ...] = get_args(Trainable)


def output_names(encoder: Encoder) -> tuple[str, ...]:
    """What can be asked of an encoder: ``pooled``, ``stride<N>`` maps, ``split:<trainable>``.

    ``split:X`` are the activations that enter the part trained under ``trainable=X``. Besides
    these there are vectors of smaller images, see :func:`twofold.encoders.scales.pooled_name`, and
    patch features, see :func:`twofold.encoders.patches.patches_name`.
    """
    maps = tuple(f"stride{stride}" for stride in sorted(encoder.spec.map_channels))
    return ("pooled", *maps, *(f"split:{split}" for split in _SPLITS))


def output_specification(encoder: Encoder, output: str) -> dict[str, JsonValue]:
    """Everything that decides the values of an output, up to the rounding of an engine.

    Args:
        encoder: the loaded network.
        output: a name from :func:`output_names` or of a family it mentions; ``NAME/SIDE`` is the
            output NAME of the same network at another side.

    Returns:
        Plain JSON content; a constant behind the name stands in it by its value, and code by a
        version that is raised when the same constants give other values.

    Raises:
        ConfigError: no such output.
    """
    base, encoder = split_side(output, encoder)
    if is_patches(base):
        what = patches_specification(base, encoder)
    elif is_pooled(base):
        what = pooled_specification(base, encoder)
    elif base in output_names(encoder):
        what = {"kind": base, "version": 1}
    else:
        known = ", ".join(output_names(encoder))
        raise ConfigError(f"{encoder.spec.id} has no output {output!r}: choose from {known}")
    return {"encoder": encoder.fingerprint, "output": cast(JsonValue, what)}


def output_digest(encoder: Encoder, output: str) -> str:
    """Hex sha256 of :func:`output_specification`."""
    return specification_digest(output_specification(encoder, output))


def batch_of(shape: tuple[int, int]) -> int:
    """Images that an engine is handed at once, of this height and width in pixels."""
    return BATCH if shape[0] * shape[1] <= _MOST_TOGETHER else 1


def engine_specification(
    kind: EngineKind, shape: tuple[int, int] | None = None
) -> dict[str, JsonValue]:
    """What decides the last bits of an output: the engine, its release, and how it is called.

    Args:
        kind: of engine.
        shape: height and width of the input in pixels; None is an encoder's own.

    Raises:
        ConfigError: no such engine.
    """
    engine = resolve_engine(kind)
    release = metadata.version(engine)
    device = "cuda" if engine == "torch" and has_cuda() else "cpu"
    found: dict[str, JsonValue] = {
        "engine": engine,
        "release": release,
        "device": device,
        "precision": "float32",
        "batch": BATCH if engine == "torch" else 1,
        "version": ENGINE_VERSION,
    }
    if shape is not None and batch_of(shape) == 1:
        found |= {"batch": 1, "tile": TILE_VALUES}
    return found


def resolve_engine(kind: EngineKind) -> ResolvedEngine:
    """The engine that a kind stands for on this machine.

    Raises:
        ConfigError: no such engine.
    """
    if kind == "auto":
        return "torch" if has_cuda() else "openvino"
    if kind not in get_args(EngineKind):
        raise ConfigError(f"unknown engine {kind!r}: choose auto, openvino or torch")
    return kind


def conversion_digest(what: Iterable[Any], shape: tuple[int, int]) -> str:
    """The digest of everything that decides a converted network.

    Args:
        what: plain JSON content: what is converted.
        shape: height and width of its input.
    """
    # Tracing is PyTorch's.
    traced_by = metadata.version("torch")
    return specification_digest(what, engine_specification("openvino", shape), traced_by)


def specification_digest(*parts: Mapping[str, Any] | Iterable[Any]) -> str:
    """Hex sha256 of plain JSON content, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
