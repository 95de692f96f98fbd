"""From images to arrays: decoding beside the encoder, the cache before both."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.encoded import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine, make_engine
from twofold.encoders.originals import Originals
from twofold.encoders.outputs import (
    BATCH,
    EngineKind,
    engine_specification,
    output_specification,
    specification_digest,
)
from twofold.encoders.pixels import LAZY_OUTPUTS, on_demand, preprocess, workers
from twofold.encoders.sides import split_side
from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet, Problem
from twofold.threads import PerProcess

__all__ = ["EncodedImages", "FrozenEncoder", "Progress"]

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

# Images per write to the cache: seconds of work, so that little is lost on an interruption.
PORTION = 512


Vectors = dict[str, tuple[NDArray[np.float32], ...]]
"""Image digest -> one array per output."""


@dataclass(frozen=True)
class _Item:
    """What became of one image: a problem, or its digest and (unless cached) its arrays."""

    index: int
    digest: str = ""
    problem: str = ""
    values: tuple[NDArray[np.float32], ...] = ()


_Engines = dict[tuple[int, tuple[str, ...]], PerProcess[Engine]]
"""Side and outputs -> what runs them; compiling takes seconds."""


@dataclass(frozen=True)
class _Side:
    """Outputs at another side than the encoder's own: their full names, in the engine's order."""

    encoder: Encoder
    names: tuple[str, ...]
    engine: PerProcess[Engine]


class FrozenEncoder:
    """An encoder with its engine, its cache and the outputs one task needs.

    Args:
        encoder: the loaded network.
        outputs: which arrays to produce. ``pixels`` (uint8 (n, s, s, 3), before normalisation) and
            ``split:all`` (the network's inputs) are decoded anew whenever they are asked for.
            ``NAME/SIDE`` is output NAME of images of another side in pixels; each image is decoded
            once for all.
        cache: where vectors are kept between runs, or None.
        engine: see :func:`twofold.encoders.engine.make_engine`; compiled when first needed, so a
            run that finds everything in the cache never pays for it.
        engines: those of another one with the same encoder and kind of engine, to be shared.
    """

    def __init__(
        self,
        encoder: Encoder,
        outputs: Sequence[str] = ("pooled",),
        *,
        cache: EmbeddingCache | None = None,
        engine: EngineKind = "auto",
        engines: _Engines | None = None,
    ) -> None:
        self._engines: _Engines = {} if engines is None else engines
        self.encoder = encoder
        self.outputs = tuple(dict.fromkeys(outputs))
        self._stored = tuple(name for name in self.outputs if name not in LAZY_OUTPUTS)
        self._cache = cache
        self._kind = engine
        self._local = threading.local()
        # Output -> its name without a side, and the encoder of that side.
        self._seen = {name: split_side(name, encoder) for name in self._stored}
        self._own = tuple(name for name, (_, at) in self._seen.items() if at is encoder)
        others = dict.fromkeys(at.spec.preprocessing.size for _, at in self._seen.values())
        self._other_sides = tuple(
            self._side(size) for size in others if size != encoder.spec.preprocessing.size
        )
        bases = tuple(self._seen[name][0] for name in self._own)
        self._engine = self._shared_engine(encoder, bases)

    def _shared_engine(self, encoder: Encoder, outputs: tuple[str, ...]) -> PerProcess[Engine]:
        """The engine of a side, shared with the encoders made by :meth:`with_outputs`."""
        key = (encoder.spec.preprocessing.size, outputs)
        if key not in self._engines:
            self._engines[key] = PerProcess(partial(make_engine, encoder, outputs, self._kind))
        return self._engines[key]

    @property
    def engine(self) -> Engine:
        """This process's engine; compiled on first use, once, whichever thread comes first."""
        return self._engine.get()

    def with_outputs(self, outputs: Sequence[str], *, cached: bool = True) -> FrozenEncoder:
        """The same encoder, engine and cache (unless ``cached`` is off) for other outputs."""
        return FrozenEncoder(
            self.encoder,
            outputs,
            cache=self._cache if cached else None,
            engine=self._kind,
            engines=self._engines,
        )

    def _side(self, size: int) -> _Side:
        """What the outputs at another side need."""
        names = {
            name: base
            for name, (base, at) in self._seen.items()
            if at.spec.preprocessing.size == size
        }
        at = self.encoder.at_size(size)
        return _Side(at, tuple(names), self._shared_engine(at, tuple(names.values())))

    def encode(
        self, images: ImageSet, *, strict: bool = False, progress: Progress | None = None
    ) -> EncodedImages:
        """Encode every usable image.

        Each worker thread decodes a batch and sends it through the engine itself, so that decoding
        goes on beside inference and nothing is handed over. A batch always has the same shape,
        padded where needed: an image's vector does not depend on its neighbours, and a bad file
        only leaves a gap. Vectors reach the cache every few hundred images, so an interrupted run
        goes on from there.

        Args:
            images: what :func:`twofold.images.find_images` returned.
            strict: fail on an unusable image instead of listing it.
            progress: told how many images are done.

        Raises:
            ImageSourceError: an unusable image, under ``strict``.
        """
        items, vectors = self._cached(images, strict)
        todo = [index for index in range(len(images)) if index not in items]
        unsaved: Vectors = {}
        for batch in self._encode_batches(images, todo):
            for item in batch:
                _check(item, images, strict)
                items[item.index] = item
                if not item.problem:
                    unsaved[item.digest] = item.values
            if len(unsaved) >= PORTION:
                self._save(unsaved)
                vectors |= unsaved
                unsaved = {}
            if progress is not None:
                progress(len(items), len(images))
        self._save(unsaved)
        if progress is not None and not todo:
            progress(len(images), len(images))
        return self._assemble(images, items, vectors | unsaved)

    def _spaces(self) -> tuple[str, ...]:
        """One cache space per output: what it is, and which engine rounds it."""
        engine = engine_specification(self._kind)
        return tuple(
            specification_digest(output_specification(self.encoder, output), engine)
            for output in self._stored
        )

    def _cached(self, images: ImageSet, strict: bool) -> tuple[dict[int, _Item], Vectors]:
        """The images for which the cache holds every output, undamaged, and those unreadable."""
        if self._cache is None or not self._stored:
            return {}, {}
        with ThreadPoolExecutor(workers()) as pool:
            read = list(pool.map(lambda index: _digest(images, index), range(len(images))))
        for item in read:
            _check(item, images, strict)
        wanted = sorted({item.digest for item in read if not item.problem})
        parts = [self._cache.get(space, wanted) for space in self._spaces()]
        complete = set.intersection(*(set(part) for part in parts))
        vectors = {digest: tuple(part[digest] for part in parts) for digest in complete}
        return {i.index: i for i in read if i.problem or i.digest in vectors}, vectors

    def _encode_batches(self, images: ImageSet, todo: list[int]) -> Iterator[list[_Item]]:
        """Batches of the images at ``todo``, in order, a bounded number of them under way."""
        waiting: deque[Future[list[_Item]]] = deque()
        threads = workers()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="encode")
        try:
            for start in range(0, len(todo), BATCH):
                chunk = todo[start : start + BATCH]
                waiting.append(pool.submit(self._encode_batch, images, chunk))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _encode_batch(self, images: ImageSet, indices: list[int]) -> list[_Item]:
        sides = [side.encoder for side in self._other_sides]
        largest = max(at.spec.preprocessing.size for at in (self.encoder, *sides))
        items: list[_Item] = []
        decoded: list[Image.Image] = []
        for index in indices:
            try:
                loaded = images.load(index)
                # Far larger JPEGs shrink while decoding; at twice the side the resize that
                # follows still sees every detail it can keep.
                decoded.append(loaded.decode(2 * largest))
                items.append(_Item(index, digest=loaded.digest))
            except ImageError as error:
                items.append(_Item(index, problem=str(error)))
        if not decoded:
            return items
        outputs = self._infer(decoded)
        rows = iter(range(BATCH))
        return [
            item if item.problem else replace(item, values=_row(outputs, next(rows)))
            for item in items
        ]

    def _infer(self, decoded: list[Image.Image]) -> tuple[NDArray[np.float32], ...]:
        """Every stored output of at most a batch of images, in order."""
        found: dict[str, NDArray[np.float32]] = {}
        if self._own:
            batch = self._batch(decoded, self.encoder)
            found |= zip(self._own, self.engine(batch), strict=True)
        for side in self._other_sides:
            found |= zip(
                side.names, side.engine.get()(self._batch(decoded, side.encoder)), strict=True
            )
        return tuple(found[name] for name in self._stored)

    def _batch(self, decoded: list[Image.Image], encoder: Encoder) -> NDArray[np.uint8]:
        """Images as an encoder's input, in this thread's own memory.

        Fresh memory for each batch would cost more than filling it.
        """
        if not hasattr(self._local, "batches"):
            self._local.batches = {}
        batches: dict[int, NDArray[np.uint8]] = self._local.batches
        size = encoder.spec.preprocessing.size
        if size not in batches:
            batches[size] = np.zeros((BATCH, size, size, 3), dtype=np.uint8)
        preprocess(decoded, encoder.spec.preprocessing, out=batches[size])
        return batches[size]

    def _save(self, vectors: Vectors) -> None:
        if self._cache is None or not vectors:
            return
        for position, space in enumerate(self._spaces()):
            self._cache.put(space, [(key, values[position]) for key, values in vectors.items()])

    def _assemble(
        self, images: ImageSet, items: dict[int, _Item], vectors: Vectors
    ) -> EncodedImages:
        ordered = [items[index] for index in range(len(images))]
        good = [item for item in ordered if not item.problem]
        arrays = {}
        for position, output in enumerate(self._stored):
            values = [vectors[item.digest][position] for item in good]
            arrays[output] = np.stack(values) if values else np.empty((0,), dtype=np.float32)
        kept = np.array([item.index for item in good], dtype=np.int64)
        usable = images.subset(kept)
        return EncodedImages(
            names=tuple(images.names[item.index] for item in good),
            digests=tuple(item.digest for item in good),
            arrays=arrays | on_demand(self.outputs, usable, self.encoder.spec.preprocessing),
            kept=kept,
            problems=tuple(
                Problem(images.names[item.index], item.problem) for item in ordered if item.problem
            ),
            originals=Originals(usable, self),
        )


def _row(outputs: tuple[NDArray[np.float32], ...], row: int) -> tuple[NDArray[np.float32], ...]:
    return tuple(output[row] for output in outputs)


def _check(item: _Item, images: ImageSet, strict: bool) -> None:
    if strict and item.problem:
        raise ImageSourceError(f"{images.names[item.index]}: {item.problem}")


def _digest(images: ImageSet, index: int) -> _Item:
    try:
        return _Item(index, digest=images.load(index).digest)
    except ImageError as error:
        return _Item(index, problem=str(error))
