"""The long part of a fit, encoding, by the workers of a cluster; the fit itself stays as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.cluster.running import on_actors
from twofold.cluster.session import workers_that_fit, workers_wanted
from twofold.deferred import deferred
from twofold.encoders.cache import default_cache
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import load_encoder
from twofold.encoders.outputs import EngineKind, resolve_engine
from twofold.encoders.pixels import LAZY_OUTPUTS
from twofold.errors import TwofoldError, UsageError, WeightsError
from twofold.images import ImageInput, ImageSet, MaskInput
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.threads import use_cores

if TYPE_CHECKING:
    from twofold.detector import Detector, inputs
else:
    inputs = deferred("twofold.detector.inputs")

__all__ = ["EncodeWorker", "Encoding", "fill_cache"]

# Images a task: the three outputs of `auto` are 125 kB an image, so that a result is 12 MB.
_ROWS = 100

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Encoding:
    """What is needed to encode images in another process as in this one.

    Attributes:
        encoder: an id.
        weights: a local file, or ``random``; None for the encoder's own.
        fingerprint: of the encoder here.
        outputs: wanted of each image.
        engine: of inference.
    """

    encoder: str
    weights: str | None
    fingerprint: str
    outputs: tuple[str, ...]
    engine: EngineKind

    def load(self) -> FrozenEncoder:
        """The encoder in this process, without a cache.

        Raises:
            WeightsError: its weights here are others.
        """
        loaded = load_encoder(self.encoder, self.weights)
        if loaded.fingerprint != self.fingerprint:
            raise WeightsError(f"a worker has other weights of {self.encoder} than the driver")
        return FrozenEncoder(loaded, self.outputs, engine=self.engine)


class EncodeWorker:
    """Lives in a process of a cluster and encodes some images at a time.

    Args:
        encoding: how.
        here: the working folder of the driver, where relative paths begin.
        cpus: threads that run side by side.
    """

    def __init__(self, encoding: Encoding, here: str, cpus: int) -> None:
        self._encoding, self._here, self._cpus = encoding, here, cpus
        self._frozen: FrozenEncoder | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Images in; digests and arrays of those that can be used out."""
        (images,) = batch["images"]
        try:
            found = self._encoder().encode(images)
            arrays = [found[name] for name in self._encoding.outputs]
            return {"n": [len(images)], "found": [(found.digests, arrays)], "error": [""]}
        except (TwofoldError, OSError) as error:
            return {"n": [0], "found": [None], "error": [str(error)]}

    def _encoder(self) -> FrozenEncoder:
        if self._frozen is None:
            use_cores(self._cpus)
            os.chdir(self._here)
            self._frozen = self._encoding.load()
        return self._frozen


def fill_cache(
    detector: Detector,
    source: ImageInput,
    target: ImageInput | None = None,
    *,
    worker_cpus: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Encode the images of a fit by the workers of a cluster; within :func:`ray_session`.

    The vectors are put into the embedding cache of this process, where :meth:`Detector.fit` then
    finds them: the fit reads the same bits as without, and gives the same model. What the cache
    has already is not encoded again, so an interrupted run goes on. Outputs that a fit asks for
    only when it has seen the images are encoded by the fit.

    Args:
        detector: with the parameters of the fit.
        source: normal images, files that all machines find under the same names.
        target: unlabelled images, likewise.
        worker_cpus: of each worker.
        workers: at most so many; all that fit by default.
        progress: told how many images are done.

    Returns:
        Images that were encoded.

    Raises:
        UsageError: the cache is switched off.
        TwofoldError: the images or weights cannot be used.
    """
    cache = default_cache()
    if cache is None:
        raise UsageError(
            "a fit by several processes keeps what they encode in the embedding cache: name a "
            "folder for it in TWOFOLD_CACHE"
        )
    encoding = _encoding_of(detector)
    loaded = load_encoder(encoding.encoder, encoding.weights)
    here = FrozenEncoder(loaded, encoding.outputs, cache=cache, engine=encoding.engine)
    tasks: list[dict[str, ImageSet]] = []
    for images in _sets(source, target, detector.bit_depth, detector.mask):
        tasks += [{"images": part} for part in _missing(here, images)]
    n = sum(len(task["images"]) for task in tasks)
    if not tasks:
        return 0
    fit = workers_wanted(workers_that_fit(worker_cpus), len(tasks), workers)
    worker = (encoding, str(Path.cwd()), worker_cpus)
    done = 0
    for row in on_actors(tasks, EncodeWorker, worker, cpus=worker_cpus, workers=fit):
        if row["error"]:
            raise TwofoldError(row["error"])
        here.store(*row["found"])
        done += int(row["n"])
        if progress is not None:
            progress("encode", done, n)
    return n


def _encoding_of(detector: Detector) -> Encoding:
    """How the fit of a detector reads images first."""
    from twofold.detector.arguments import method_options  # noqa: PLC0415 - slow to import

    method = METHODS.load(detector.method)
    config = parse_config(method, method_options(detector.options, detector.locality))
    outputs = tuple(dict.fromkeys((*config.outputs(), "pooled")))
    kept = tuple(name for name in outputs if name not in LAZY_OUTPUTS)
    weights = None if detector.weights is None else str(detector.weights)
    loaded = load_encoder(detector.encoder, weights)
    engine = resolve_engine(detector.engine)
    return Encoding(detector.encoder, weights, loaded.fingerprint, kept, engine)


def _sets(
    source: ImageInput, target: ImageInput | None, bit_depth: int | None, mask: MaskInput | None
) -> Iterator[ImageSet]:
    """Source and target as a fit reads them."""
    given = inputs.find_fit_images(source, target, bit_depth=bit_depth, mask=mask)
    yield given.source
    if given.target is not None:
        yield given.target


def _missing(here: FrozenEncoder, images: ImageSet) -> Iterator[ImageSet]:
    """Parts of which the cache lacks something."""
    for start in range(0, len(images), _ROWS):
        rows: NDArray[np.int64] = np.arange(start, min(start + _ROWS, len(images)))
        part = images.subset(rows)
        if here.look_up(part) < len(part):
            yield part
