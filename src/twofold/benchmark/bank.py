"""Encoded domains, shared by all cells of a benchmark: each image goes through an encoder once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twofold.benchmark.datasets import Dataset, Domain
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.encoders.outputs import EngineKind
from twofold.encoders.pixels import LAZY_OUTPUTS, on_demand
from twofold.images import ImageSet

__all__ = ["Bank", "Stock", "no_shift_rows"]

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Stock:
    """The usable images of a domain under one encoder.

    Attributes:
        domain: those images and their classes.
        images: their arrays, row by row.
    """

    domain: Domain
    images: EncodedImages

    def subset(self, rows: NDArray[np.integer]) -> Stock:
        """The given images, in the given order."""
        domain = self.domain
        paths = tuple(domain.paths[row] for row in rows)
        return Stock(Domain(domain.name, paths, domain.classes[rows]), self.images.subset(rows))


@dataclass
class Bank:
    """Encodes domains when they are first asked for, each output once, and holds it once.

    Attributes:
        dataset: the adapter.
        report: told about progress.
        engine: of frozen inference.
    """

    dataset: Dataset
    report: Report
    engine: EngineKind = "auto"
    _stocks: dict[tuple[str, str], Stock] = field(default_factory=dict)

    def stock(self, name: str, encoder: Encoder, outputs: Sequence[str]) -> Stock:
        """A domain's usable images with the given outputs of an encoder."""
        key = (name, encoder.fingerprint)
        if key not in self._stocks:
            # Which images are usable takes a pass; vectors are the ones most often needed.
            first = [output for output in outputs if output not in LAZY_OUTPUTS] or ["pooled"]
            self._stocks[key] = self._encode(name, encoder, first)
        stock = self._stocks[key]
        arrays = stock.images.arrays
        files = ImageSet.from_paths(stock.domain.paths)
        missing = [output for output in outputs if output not in arrays]
        arrays |= on_demand(missing, files, encoder.spec.preprocessing)
        stored = [output for output in missing if output not in LAZY_OUTPUTS]
        if stored:
            arrays |= self._encode(name, encoder, stored).images.arrays
        wanted = {output: arrays[output] for output in outputs}
        return replace(stock, images=replace(stock.images, arrays=wanted))

    def _encode(self, name: str, encoder: Encoder, outputs: Sequence[str]) -> Stock:
        domain = self.dataset.domain(name)
        images = ImageSet.from_paths(domain.paths)
        frozen = FrozenEncoder(encoder, outputs, cache=default_cache(), engine=self.engine)
        what = f"encode {name} ({encoder.spec.id})"
        encoded = frozen.encode(images, progress=lambda done, n: self.report(what, done, n))
        kept = encoded.kept
        usable = tuple(domain.paths[row] for row in kept)
        return Stock(Domain(domain.name, usable, domain.classes[kept]), encoded)


def no_shift_rows(
    labels: NDArray[np.integer], random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of a domain that is source and target at once: half of each label for either.

    The halves have no row in common, so a protocol applied to the second never tests what the
    first was fitted on.

    Args:
        labels: int (n,), of all images.
        random_state: of the draw.

    Returns:
        Rows of the source and rows of the target, each ascending.
    """
    generator = np.random.default_rng(random_state)
    first_half = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        first_half[rows[: len(rows) // 2]] = True
    return np.flatnonzero(first_half), np.flatnonzero(~first_half)
