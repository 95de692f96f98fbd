"""Encoded domains, shared by all cells of a benchmark: each image goes through an encoder once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from twofold.benchmark.datasets import Dataset, Domain
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import EngineKind
from twofold.encoders.pixels import LAZY_OUTPUTS, on_demand
from twofold.images import ImageSet, Problem

__all__ = ["Bank", "Stock"]

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


@dataclass
class Bank:
    """Encodes domains when they are first asked for.

    Attributes:
        dataset: the adapter.
        report: told about progress.
        engine: of frozen inference.
        problems: unusable images, by domain.
    """

    dataset: Dataset
    report: Report
    engine: EngineKind = "auto"
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    _stocks: dict[tuple[str, str, tuple[str, ...]], Stock] = field(default_factory=dict)

    def stock(self, name: str, encoder: Encoder, outputs: Sequence[str]) -> Stock:
        """A domain's usable images with the given outputs of an encoder."""
        # Which images are usable takes at least one pass; vectors are the ones most often needed.
        stored = tuple(o for o in outputs if o not in LAZY_OUTPUTS) or ("pooled",)
        key = (name, encoder.fingerprint, stored)
        if key not in self._stocks:
            self._stocks[key] = self._encode(name, encoder, stored)
        stock = self._stocks[key]
        files = ImageSet.from_paths(stock.domain.paths)
        more = on_demand(outputs, files, encoder.spec.preprocessing)
        return replace(stock, images=replace(stock.images, arrays=stock.images.arrays | more))

    def _encode(self, name: str, encoder: Encoder, outputs: Sequence[str]) -> Stock:
        domain = self.dataset.domain(name)
        images = ImageSet.from_paths(domain.paths)
        frozen = FrozenEncoder(encoder, outputs, cache=default_cache(), engine=self.engine)
        what = f"encode {name} ({encoder.spec.id})"
        encoded = frozen.encode(images, progress=lambda done, n: self.report(what, done, n))
        self.problems[name] = encoded.problems
        usable = Domain(
            domain.name,
            tuple(domain.paths[row] for row in encoded.kept),
            domain.classes[encoded.kept],
        )
        return Stock(usable, encoded)
