"""From images to arrays, the way one detector reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred, importing
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.outputs import EngineKind
from twofold.images import ImageSet
from twofold.methods import FitData, Method

if TYPE_CHECKING:
    from twofold.detector import inputs
    from twofold.detector.inputs import FitImages
else:
    inputs = deferred("twofold.detector.inputs")

__all__ = ["DetectorProgress", "Reader", "read_fit"]

DetectorProgress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""

# Images scored at a time: memory stays flat however many there are.
CHUNK = 1024


@dataclass(frozen=True)
class Reader:
    """Encodes images with one encoder.

    Attributes:
        encoder: loaded.
        frozen: the same with the outputs that are read.
        engine: of frozen inference.
        strict: fail on the first unusable image.
        progress: told about long work.
    """

    encoder: Encoder
    frozen: FrozenEncoder
    engine: EngineKind
    strict: bool
    progress: DetectorProgress | None

    def uncached(self) -> Reader:
        """The same without the cache; both share what is compiled."""
        return replace(self, frozen=self.frozen.with_outputs(self.frozen.outputs, cached=False))

    def reporter(self, what: str) -> Callable[[int, int], None] | None:
        """A progress callback that says what is being done."""
        return None if self.progress is None else partial(self.progress, what)

    def read(self, images: ImageSet, what: str) -> EncodedImages:
        """All images at once.

        Raises:
            NotEnoughImagesError: none of them can be used.
        """
        report = self.reporter(f"encode {what}")
        return inputs.require_usable(
            self.frozen.encode(images, strict=self.strict, progress=report), what
        )

    def read_shots(self, images: ImageSet, method: Method) -> EncodedImages:
        """Target images known to be normal, with the outputs the method wants of them."""
        frozen = FrozenEncoder(
            self.encoder,
            method.config.shot_outputs(),
            cache=default_cache(),
            engine=self.engine,
        )
        return inputs.require_usable(frozen.encode(images, strict=self.strict), "shot")

    def select(
        self, images: ImageSet, method: Method, weights: str | Path | None
    ) -> EncodedImages | None:
        """The target as the method's second encoder sees it, if it has one."""
        name = method.config.selection_encoder()
        if name is None:
            return None
        frozen = FrozenEncoder(
            load_encoder(name, weights), cache=default_cache(), engine=self.engine
        )
        report = self.reporter(f"encode with {name}")
        return frozen.encode(images, strict=self.strict, progress=report)

    def chunks(self, images: ImageSet) -> Iterator[tuple[NDArray[np.int64], EncodedImages]]:
        """The images in portions, with their rows among those given."""
        report = self.reporter("score")
        for start in range(0, len(images), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(images)))
            yield rows, self.frozen.encode(images.subset(rows), strict=self.strict)
            if report is not None:
                report(int(rows[-1]) + 1, len(images))


def read_fit(
    reader: Reader, given: FitImages, method: Method, selection_weights: str | Path | None
) -> tuple[EncodedImages, EncodedImages | None, FitData]:
    """Source and pool as the encoder sees them, and what the method declares of all.

    Args:
        reader: of the method's outputs and pooled vectors.
        given: as they were found.
        method: not fitted yet.
        selection_weights: of its second encoder.
    """
    pool = shots = anomalies = selection = None
    with importing("sklearn.decomposition", "sklearn.cluster"):  # for the fit; it takes a second
        source = inputs.grouped(reader.read(given.source, "source"))
        if given.target is not None:
            pool = inputs.grouped(reader.read(given.target, "target"), given.groups)
            selection = reader.select(given.target, method, selection_weights)
        if given.shots is not None:
            shots = reader.read_shots(given.shots, method)
        if given.anomalies is not None:
            anomalies = reader.read(given.anomalies, "source anomaly")
    data = inputs.hand_over(
        method,
        source,
        pool=pool,
        shots=shots,
        anomalies=anomalies,
        selection=selection,
        labels=given.labels,
    )
    return source, pool, data
