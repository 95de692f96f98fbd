"""From images to arrays: decoding beside the encoder, the cache before both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.cache_later import find_waiting, put_later
from twofold.encoders.disk_rows import RowSink
from twofold.encoders.encoded import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.encoders.inference import Engines, Inference
from twofold.encoders.originals import Originals
from twofold.encoders.outputs import BATCH, EngineKind
from twofold.encoders.pixels import LAZY_OUTPUTS, on_demand
from twofold.encoders.settings import n_streams
from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet, Problem

__all__ = ["EncodedImages", "FrozenEncoder", "Progress"]

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

# Images per write to the cache: seconds of work, so that little is lost on an interruption.
PORTION = 512
# Pixels of a portion: arrays of 30 megapixels take some 80 MB, twice while they are stored.
_PORTION_AREA = 30_000_000
# Pixels of an image beyond which images are decoded one at a time, as eight would fill the memory.
_LARGE = 2_000_000


Vectors = dict[str, tuple[NDArray[np.float32], ...]]
"""Image digest -> one array per output."""


@dataclass(frozen=True)
class _Item:
    """What became of one image: a problem, or its digest and (unless cached) its arrays."""

    index: int
    digest: str = ""
    problem: str = ""
    values: tuple[NDArray[np.float32], ...] = ()


class FrozenEncoder:
    """An encoder with its engine, its cache and the outputs one task needs.

    Args:
        encoder: the loaded network.
        outputs: which arrays to produce. ``pixels`` (uint8 (n, s, s, 3), before normalisation) and
            ``split:all`` (the network's inputs) are decoded anew whenever they are asked for.
            ``NAME/SIDE`` and ``NAME/WIDTHxHEIGHT`` are output NAME of images of another size in
            pixels; each image is decoded once for all.
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
        engines: Engines | None = None,
    ) -> None:
        self._engines: Engines = {} if engines is None else engines
        self.encoder = encoder
        self.outputs = tuple(dict.fromkeys(outputs))
        self._stored = tuple(name for name in self.outputs if name not in LAZY_OUTPUTS)
        self._cache = cache
        self._kind = engine
        self._inference = Inference(encoder, self._stored, engine, self._engines)
        self._portion = min(PORTION, max(1, _PORTION_AREA // self._inference.largest))

    def with_outputs(self, outputs: Sequence[str], *, cached: bool = True) -> FrozenEncoder:
        """The same encoder, engine and cache (unless ``cached`` is off) for other outputs."""
        return FrozenEncoder(
            self.encoder,
            outputs,
            cache=self._cache if cached else None,
            engine=self._kind,
            engines=self._engines,
        )

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
        n = len(images)
        sinks = [RowSink(n) for _ in self._stored]
        items: list[_Item] = []
        for start in range(0, n, self._portion):
            rows = range(start, min(start + self._portion, n))
            tell = None if progress is None else partial(_tell, progress, start, n)
            for item in self._encode_portion(images, rows, strict, tell):
                items.append(replace(item, values=()))
                for sink, values in zip(sinks, item.values, strict=False):
                    sink.append(values)
        return self._assemble(images, items, [sink.rows() for sink in sinks])

    def prepare_few(self) -> None:
        """Compile now what single images will need, which may then take all cores."""
        self._inference.prepare_few()

    def look_up(self, images: ImageSet) -> int:
        """How many of the images the cache has every output of."""
        found = self._cached(images, range(len(images)), strict=False).values()
        return sum(not item.problem for item in found)

    def store(self, digests: Sequence[str], arrays: Sequence[NDArray[np.float32]]) -> None:
        """Put into the cache what another process has encoded with the same outputs and engine.

        Args:
            digests: of the images.
            arrays: (n, ...) of each output that is kept, in the order of the outputs.
        """
        self._save(dict(zip(digests, zip(*arrays, strict=True), strict=True)))

    def _encode_portion(
        self, images: ImageSet, rows: range, strict: bool, progress: Callable[[int], None] | None
    ) -> list[_Item]:
        """Some of the images, in order, each with its arrays."""
        items = self._cached(images, rows, strict)
        todo = [index for index in rows if index not in items]
        if progress is not None and items:
            progress(len(items))
        fresh: Vectors = {}
        for batch in self._encode_batches(images, todo):
            for item in batch:
                _check(item, images, strict)
                items[item.index] = item
                if not item.problem:
                    fresh[item.digest] = item.values
            if progress is not None:
                progress(len(items))
        self._save(fresh)
        return [items[index] for index in rows]

    def _cached(self, images: ImageSet, rows: range, strict: bool) -> dict[int, _Item]:
        """Those for which the cache holds every output, undamaged, and those unreadable."""
        if self._cache is None or not self._stored:
            return {}
        if len(rows) == 1:
            read = [_digest(images, rows[0])]
        else:
            with ThreadPoolExecutor(n_streams()) as pool:
                read = list(pool.map(lambda index: _digest(images, index), rows))
        for item in read:
            _check(item, images, strict)
        vectors = self._kept({item.digest for item in read if not item.problem})
        return {
            item.index: replace(item, values=vectors.get(item.digest, ()))
            for item in read
            if item.problem or item.digest in vectors
        }

    def _kept(self, digests: set[str]) -> Vectors:
        """Those of which every output is at hand."""
        assert self._cache is not None
        spaces, vectors = self._inference.spaces, {}
        for digest in digests:
            waiting = find_waiting(self._cache, spaces, digest)
            if waiting is not None:
                vectors[digest] = waiting
        rest = sorted(digests - vectors.keys())
        parts = self._cache.get_each(spaces, rest) if rest else [{}]
        for digest in set.intersection(*(set(part) for part in parts)):
            vectors[digest] = tuple(part[digest] for part in parts)
        return vectors

    def _encode_batches(self, images: ImageSet, todo: list[int]) -> Iterator[list[_Item]]:
        """Batches of the images at ``todo``, in order, a bounded number of them under way."""
        # Large images are decoded one at a time, and few results wait.
        together = 1 if self._inference.largest > _LARGE else BATCH
        if 0 < len(todo) <= together:  # who waits for one batch waits for no other thread
            yield self._encode_batch(images, todo)
            return
        waiting: deque[Future[list[_Item]]] = deque()
        threads = n_streams()
        bound = threads if together == 1 else 2 * threads
        pool = ThreadPoolExecutor(threads, thread_name_prefix="encode")
        try:
            for start in range(0, len(todo), together):
                chunk = todo[start : start + together]
                waiting.append(pool.submit(self._encode_batch, images, chunk))
                if len(waiting) > bound:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _encode_batch(self, images: ImageSet, indices: list[int]) -> list[_Item]:
        items: list[_Item] = []
        decoded: list[list[Image.Image]] = []
        for index in indices:
            try:
                loaded = images.load(index)
                decoded.append(loaded.decode_each(self._inference.least_sides))
                items.append(_Item(index, digest=loaded.digest))
            except ImageError as error:
                items.append(_Item(index, problem=str(error)))
        if not decoded:
            return items
        rows = iter(self._inference(decoded))
        return [item if item.problem else replace(item, values=next(rows)) for item in items]

    def _save(self, vectors: Vectors) -> None:
        if self._cache is None or not vectors or not self._stored:
            return
        if len(vectors) == 1:
            ((digest, values),) = vectors.items()
            put_later(self._cache, self._inference.spaces, digest, values)
            return
        self._cache.put_each(
            (space, key, values[position])
            for position, space in enumerate(self._inference.spaces)
            for key, values in vectors.items()
        )

    def _assemble(self, images: ImageSet, items: list[_Item], rows: list[Any]) -> EncodedImages:
        good = [item for item in items if not item.problem]
        arrays: dict[str, Any] = dict(zip(self._stored, rows, strict=True))
        kept = np.array([item.index for item in good], dtype=np.int64)
        usable = images.subset(kept)
        return EncodedImages(
            names=tuple(images.names[item.index] for item in good),
            digests=tuple(item.digest for item in good),
            arrays=arrays | on_demand(self.outputs, usable, self.encoder.spec.preprocessing),
            kept=kept,
            problems=tuple(
                Problem(images.names[item.index], item.problem) for item in items if item.problem
            ),
            originals=Originals(usable, self),
        )


def _tell(progress: Progress, before: int, n: int, done: int) -> None:
    progress(before + done, n)


def _check(item: _Item, images: ImageSet, strict: bool) -> None:
    if strict and item.problem:
        raise ImageSourceError(f"{images.names[item.index]}: {item.problem}")


def _digest(images: ImageSet, index: int) -> _Item:
    try:
        return _Item(index, digest=images.load(index).digest)
    except ImageError as error:
        return _Item(index, problem=str(error))
