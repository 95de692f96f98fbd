"""Decoded images through a frozen network, at every size that some outputs see them at."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine, make_engine
from twofold.encoders.outputs import (
    EngineKind,
    batch_of,
    engine_specification,
    output_specification,
    specification_digest,
)
from twofold.encoders.pixels import preprocess
from twofold.encoders.sides import split_side
from twofold.threads import PerProcess

__all__ = ["Engines", "Inference"]

Shape = tuple[int, int]
Arrays = tuple[NDArray[np.float32], ...]

Engines = dict[tuple[Shape, tuple[str, ...]], PerProcess[Engine]]
"""Height and width in pixels, and outputs -> what runs them; compiling takes seconds."""


@dataclass(frozen=True)
class _Side:
    """Outputs that see the images at one size: their full names, in the engine's order."""

    encoder: Encoder
    names: tuple[str, ...]
    engine: PerProcess[Engine]


class Inference:
    """Runs a few images at a time; may be called from several threads.

    Args:
        encoder: the loaded network.
        outputs: names, also of images of other sizes than the encoder's own.
        kind: of engine.
        engines: those there are, by what they run; more are added.

    Attributes:
        spaces: the digest of everything that decides an output's values, one for each.
        longest: the longer side in pixels of each size at which outputs see images.
        largest: the most pixels that an output sees.
    """

    def __init__(
        self, encoder: Encoder, outputs: Sequence[str], kind: EngineKind, engines: Engines
    ) -> None:
        self._outputs, self._kind, self._engines = tuple(outputs), kind, engines
        self._local = threading.local()
        seen = {name: split_side(name, encoder) for name in outputs}
        shapes = dict.fromkeys(at.spec.preprocessing.shape for _, at in seen.values())
        self._sides = [self._side(encoder.at_size(*shape), seen) for shape in shapes]
        # An exported graph agrees with the network to 1e-5, and in the last bits only with itself.
        graph = [] if encoder.exported is None else [{"graph": encoder.exported.digest}]
        self.spaces = tuple(
            specification_digest(
                output_specification(encoder, name),
                engine_specification(kind, at.spec.preprocessing.shape),
                *graph,
            )
            for name, (_, at) in seen.items()
        )
        every = (encoder.spec.preprocessing.shape, *shapes)
        self.longest = tuple(max(shape) for shape in shapes or every)
        self.largest = max(height * width for height, width in every)

    def _side(self, encoder: Encoder, seen: dict[str, tuple[str, Encoder]]) -> _Side:
        """What the outputs at an encoder's size need; the engine is compiled when first used."""
        shape = encoder.spec.preprocessing.shape
        names = {
            name: base for name, (base, at) in seen.items() if at.spec.preprocessing.shape == shape
        }
        bases = tuple(names.values())
        key = (shape, bases)
        if key not in self._engines:
            self._engines[key] = PerProcess(partial(make_engine, encoder, bases, self._kind))
        return _Side(encoder, tuple(names), self._engines[key])

    def __call__(self, decoded: Sequence[Sequence[Image.Image]]) -> list[Arrays]:
        """Every output of each image.

        Args:
            decoded: each image, once for each of :attr:`longest`.
        """
        found: dict[str, list[NDArray[np.float32]]] = {}
        for place, side in enumerate(self._sides):
            seen = [images[place] for images in decoded]
            found |= zip(side.names, self._run(side, seen), strict=True)
        return [tuple(found[name][row] for name in self._outputs) for row in range(len(decoded))]

    def _run(self, side: _Side, decoded: Sequence[Image.Image]) -> list[list[NDArray[np.float32]]]:
        """For each output of an engine the array of each image."""
        together = batch_of(side.encoder.spec.preprocessing.shape)
        calls = []
        for start in range(0, len(decoded), together):
            images = decoded[start : start + together]
            outputs = side.engine.get()(self._batch(images, side.encoder))
            calls.append([list(output) for output in outputs])
        return [list(chain.from_iterable(rows)) for rows in zip(*calls, strict=True)]

    def _batch(self, images: Sequence[Image.Image], encoder: Encoder) -> NDArray[np.uint8]:
        """Images as an encoder's input, in this thread's own memory.

        Fresh memory for each batch would cost more than filling it.
        """
        if not hasattr(self._local, "batches"):
            self._local.batches = {}
        batches: dict[Shape, NDArray[np.uint8]] = self._local.batches
        shape = encoder.spec.preprocessing.shape
        if shape not in batches:
            batches[shape] = np.zeros((batch_of(shape), *shape, 3), dtype=np.uint8)
        batch = batches[shape][: len(images)]
        preprocess(images, encoder.spec.preprocessing, out=batch)
        return batch
