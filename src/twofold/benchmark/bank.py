"""Encoded domains, shared by all cells of a benchmark: each image goes through an encoder once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twofold.benchmark.datasets import Dataset, Domain
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import EngineKind
from twofold.encoders.pixels import LazyInputs, load_pixels
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
        """A domain's usable images with the given outputs of an encoder.

        Inputs of a network that trains whole (``split:all``) are not stored but decoded when they
        are needed: as floats they would take 600 KB an image.
        """
        key = (name, encoder.fingerprint, tuple(outputs))
        if key not in self._stocks:
            self._stocks[key] = self._encode(name, encoder, outputs)
        return self._stocks[key]

    def shots(self, stock: Stock, rows: NDArray[np.intp], encoder: Encoder) -> EncodedImages:
        """The pixels of a few images of a stock."""
        paths = [stock.domain.paths[row] for row in rows]
        return load_pixels(encoder, ImageSet.from_paths(paths), strict=True)

    def _encode(self, name: str, encoder: Encoder, outputs: Sequence[str]) -> Stock:
        domain = self.dataset.domain(name)
        images = ImageSet.from_paths(domain.paths)
        stored = [output for output in outputs if output != "split:all"]
        frozen = FrozenEncoder(encoder, stored, cache=default_cache(), engine=self.engine)
        what = f"encode {name} ({encoder.spec.id})"
        encoded = frozen.encode(images, progress=lambda done, n: self.report(what, done, n))
        self.problems[name] = encoded.problems
        usable = Domain(
            domain.name,
            tuple(domain.paths[row] for row in encoded.kept),
            domain.classes[encoded.kept],
        )
        if "split:all" in outputs:
            lazy = LazyInputs(encoder, ImageSet.from_paths(usable.paths))
            encoded = encoded.with_array("split:all", lazy)
        return Stock(usable, encoded)
