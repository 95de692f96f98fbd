"""Decoded images through a frozen network, at every size that some outputs see them at."""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
from twofold.encoders.sides import AtSide, by_side
from twofold.encoders.spec import Preprocessing
from twofold.threads import PerProcess

__all__ = ["Engines", "Inference"]

Shape = tuple[int, int]
Arrays = tuple[NDArray[np.float32], ...]

Engines = dict[tuple[Shape, tuple[str, ...]], PerProcess[Engine]]
"""Height and width in pixels, and outputs -> what runs them; compiling takes seconds."""


class Inference:
    """Runs a few images at a time; may be called from several threads.

    Args:
        encoder: the loaded network.
        outputs: names, also of images of other sizes than the encoder's own.
        kind: of engine.
        engines: those there are, by what they run; more are added.

    Attributes:
        spaces: the digest of everything that decides an output's values, one for each.
        least_sides: for each size at which outputs see images, what a JPEG may shrink to while it
            is decoded; see :attr:`twofold.encoders.spec.Preprocessing.least_side`.
        largest: the most pixels that an output sees.
    """

    def __init__(
        self, encoder: Encoder, outputs: Sequence[str], kind: EngineKind, engines: Engines
    ) -> None:
        self._outputs, self._kind, self._engines = tuple(outputs), kind, engines
        self._local = threading.local()
        sides = by_side(encoder, outputs)
        self._sides = [(side, self._engine(side)) for side in sides]
        # An exported graph agrees with the network to 1e-5, and in the last bits only with itself.
        graph = [] if encoder.exported is None else [{"graph": encoder.exported.digest}]
        shapes = {name: side.shape for side in sides for name in side.names}
        self.spaces = tuple(
            specification_digest(
                output_specification(encoder, name),
                engine_specification(kind, shapes[name]),
                *graph,
            )
            for name in outputs
        )
        own = encoder.spec.preprocessing
        seen = [side.preprocessing for side in sides]
        self.least_sides = tuple(one.least_side for one in seen or (own,))
        self.largest = max(one.shape[0] * one.shape[1] for one in (own, *seen))

    def _engine(self, side: AtSide) -> PerProcess[Engine]:
        """What runs the outputs of one size; compiled when first used."""
        key = (side.shape, side.bases)
        if key not in self._engines:
            self._engines[key] = PerProcess(
                partial(make_engine, side.encoder, side.bases, self._kind)
            )
        return self._engines[key]

    def __call__(self, decoded: Sequence[Sequence[Image.Image]]) -> list[Arrays]:
        """Every output of each image.

        Args:
            decoded: each image, once for each of :attr:`least_sides`.
        """
        found: dict[str, list[NDArray[np.float32]]] = {}
        for place, (side, engine) in enumerate(self._sides):
            seen = [images[place] for images in decoded]
            found |= zip(side.names, self._run(side, engine, seen), strict=True)
        return [tuple(found[name][row] for name in self._outputs) for row in range(len(decoded))]

    def prepare_few(self) -> None:
        """Compile now what single images will need; see :meth:`Engine.prepare_few`."""
        for _, engine in self._sides:
            engine.get().prepare_few()

    def _run(
        self, side: AtSide, engine: PerProcess[Engine], decoded: Sequence[Image.Image]
    ) -> list[list[NDArray[np.float32]]]:
        """For each output of an engine the array of each image."""
        together = batch_of(side.shape)
        calls = []
        for start in range(0, len(decoded), together):
            images = decoded[start : start + together]
            outputs = engine.get()(self._batch(images, side.preprocessing))
            calls.append([list(output) for output in outputs])
        return [list(chain.from_iterable(rows)) for rows in zip(*calls, strict=True)]

    def _batch(
        self, images: Sequence[Image.Image], preprocessing: Preprocessing
    ) -> NDArray[np.uint8]:
        """Images as an encoder's input, in this thread's own memory.

        Fresh memory for each batch would cost more than filling it.
        """
        if not hasattr(self._local, "batches"):
            self._local.batches = {}
        batches: dict[Shape, NDArray[np.uint8]] = self._local.batches
        shape = preprocessing.shape
        if shape not in batches:
            batches[shape] = np.zeros((batch_of(shape), *shape, 3), dtype=np.uint8)
        batch = batches[shape][: len(images)]
        preprocess(images, preprocessing, out=batch)
        return batch
