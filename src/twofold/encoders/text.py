"""Vectors of texts, of the encoders whose network also has a tower for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.encoders.encoder import Encoder, seeded
from twofold.encoders.filling import Wanted, fill, plain_names
from twofold.encoders.layouts import layout_of
from twofold.encoders.registry import ENCODERS
from twofold.encoders.spec import EncoderSpec, TextTower
from twofold.encoders.weights import find_weights, published_at, read_tensors, state_digest
from twofold.errors import ConfigError, WeightsError

__all__ = ["encode_text", "fill_text", "text_bytes", "text_digest", "text_file", "text_tower"]

# Key of the metadata of a stored text tower: the digest of the image tower that belongs to it.
_IMAGE_TOWER = "image_sha256"


def text_tower(spec: EncoderSpec) -> TextTower:
    """The text tower of an encoder.

    Raises:
        ConfigError: it has none.
    """
    if spec.text is None:
        having = [name for name in ENCODERS.ids() if ENCODERS.load(name).text is not None]
        raise ConfigError(
            f"encoder {spec.id} has no text tower: the encoders with one are {', '.join(having)}"
        )
    return spec.text


def encode_text(encoder: Encoder, text: str) -> NDArray[np.float32]:
    """The vector of a text in the space of an encoder's ``pooled`` vectors, (d,).

    The network for it is built, filled and given up again; its results are kept in memory.

    Raises:
        ConfigError: the encoder has no text tower, or the text is too long for it.
        WeightsError: its weights are not on this machine, or belong to another image tower.
    """
    return _encoded(_source(encoder), text).copy()


def text_digest(encoder: Encoder) -> str:
    """Hex sha256 of the weights of an encoder's text tower.

    Raises:
        ConfigError, WeightsError: see :func:`encode_text`.
    """
    return _digest(_source(encoder))


def text_file(file: Path) -> Path:
    """Where the text tower lies whose image tower is in a file that has no other."""
    return file.with_name(f"{file.stem}_text.safetensors")


def fill_text(spec: EncoderSpec, tensors: Mapping[str, Tensor], origin: Path) -> nn.Module | None:
    """The text tower with the tensors of a checkpoint; None where that holds no text tower.

    Raises:
        WeightsError: they do not fit.
    """
    tower = text_tower(spec)
    if layout_of(plain_names(tensors), tower.layouts) is None:
        return None
    native = seeded(tower.build)
    own = tower.layouts[0].name
    wanted = Wanted(f"the text tower of {spec.id}", published_at(spec), own, tower.layouts)
    fill(native, tensors, wanted, origin)
    return native.eval().requires_grad_(False)


def text_bytes(native: nn.Module, image_sha256: str) -> bytes:
    """A text tower as the content of its own file, bound to an image tower."""
    return safetensors.torch.save(native.state_dict(), metadata={_IMAGE_TOWER: image_sha256})


@dataclass(frozen=True)
class _Source:
    """Where a text tower comes from; equal where it is the same.

    Attributes:
        id: of the encoder.
        image_sha256: of its image tower.
        file: of the image tower; None for random weights.
        written: when it and the text tower's own file were.
        encoder: itself.
    """

    id: str
    image_sha256: str
    file: Path | None
    written: tuple[tuple[int, int] | None, ...]
    encoder: Encoder = field(compare=False)


def _source(encoder: Encoder) -> _Source:
    text_tower(encoder.spec)
    name, image = encoder.spec.id, encoder.weights_sha256
    if encoder.origin == "random":
        return _Source(name, image, None, (), encoder)
    file = find_weights(encoder.spec, encoder.origin)
    written = _written(file), _written(text_file(file))
    return _Source(name, image, file, written, encoder)


def _written(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1024)
def _encoded(source: _Source, text: str) -> NDArray[np.float32]:
    with torch.inference_mode():
        vector = text_tower(source.encoder.spec).encode(_loaded(source), text)
    return vector.numpy().astype(np.float32)


@lru_cache(maxsize=16)
def _digest(source: _Source) -> str:
    return state_digest(_loaded(source).state_dict())


def _loaded(source: _Source) -> nn.Module:
    """The network, in evaluation mode and without gradients."""
    spec, file = source.encoder.spec, source.file
    if file is None:
        return seeded(text_tower(spec).build).eval().requires_grad_(False)
    tensors = read_tensors(file)
    native = fill_text(spec, tensors, file)
    if native is not None:
        if not _is_image_tower(source.encoder, tensors):
            raise WeightsError(_not_together(spec, file))
        return native
    own = text_file(file)
    native = fill_text(spec, read_tensors(own), own) if own.is_file() else None
    if native is None:
        raise WeightsError(
            f"{file} holds no text tower of {spec.id}, and there is none at {own}: fetch "
            f"{published_at(spec)}, which holds both towers, then run twofold encoders fetch "
            f"{spec.id} --from FILE or pass --weights FILE"
        )
    with safetensors.safe_open(own, "pt") as stored:
        if (stored.metadata() or {}).get(_IMAGE_TOWER) != source.image_sha256:
            raise WeightsError(_not_together(spec, own))
    return native


def _is_image_tower(encoder: Encoder, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint with both towers holds the image tower of this encoder."""
    tensors = plain_names(tensors)
    layout = layout_of(tensors, encoder.spec.weights.layouts)
    if layout is None:
        return False
    found = layout.convert(tensors, encoder.network.native)
    # Counters of older releases may be missing; names and shapes were checked when it was loaded.
    return all(
        bool(torch.equal(found[name].to(tensor), tensor))
        for name, tensor in encoder.state().items()
        if name in found
    )


def _not_together(spec: EncoderSpec, file: Path) -> str:
    return (
        f"the text tower in {file} does not belong to the image tower of this {spec.id}: run "
        f"twofold encoders fetch {spec.id} --from FILE or pass --weights FILE with a file that "
        "holds both towers"
    )
