"""Frozen inference: one network, two engines (OpenVINO on a CPU, PyTorch elsewhere)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.encoders.converted import convert, load_or_convert
from twofold.encoders.encoder import Encoder
from twofold.encoders.outputs import (
    EngineKind,
    ResolvedEngine,
    batch_of,
    conversion_digest,
    output_specification,
    resolve_engine,
)
from twofold.encoders.runners import OpenVinoRunner, Runner, TorchRunner
from twofold.encoders.settings import GROUP, EngineSettings
from twofold.encoders.sides import split_side
from twofold.encoders.tiled import TiledEngine, is_large
from twofold.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from twofold.encoders import modules
    from twofold.encoders.exported import ExportedGraph
else:
    modules = deferred("twofold.encoders.modules")

__all__ = ["Engine", "make_engine", "openvino_model", "whole_engine"]

# Calls in a row that none came upon, before one may take all cores again: of two threads that call
# all the time, one begins by chance when the other is between two calls.
_CALLS_ALONE = 4
# From so many images on, what groups save is more than the second that compiling them takes.
_GROUPS_FROM = 512


class Engine(Protocol):
    """Runs any number of images at once; safe in several threads.

    It has threads of its own, so it belongs to the process that made it.
    """

    outputs: tuple[str, ...]

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """(n, height, width, 3) uint8 RGB, n >= 1 -> one float32 array per output, images first.

        An image's bits do not depend on how many others there are.
        """
        ...  # pragma: no cover

    def prepare_few(self) -> None:
        """Get ready for calls with very few images that no other call competes with.

        They may then take all cores. Costs about as much as compiling; done again, nothing.
        """
        ...  # pragma: no cover


def make_engine(
    encoder: Encoder, outputs: Sequence[str] = ("pooled",), kind: EngineKind = "auto"
) -> Engine:
    """Compile an encoder for frozen inference.

    Args:
        encoder: the loaded encoder.
        outputs: names from :func:`output_names`.
        kind: ``openvino`` (CPU), ``torch`` (CUDA if there is one), or ``auto``: torch where there
            is a CUDA device, OpenVINO otherwise. Both agree to 1e-4.

    Raises:
        ConfigError: an unknown output or engine.
    """
    for name in outputs:
        output_specification(encoder, name)
        if split_side(name, encoder)[1] is not encoder:
            raise ConfigError(f"an engine runs at one side: make one of the encoder for {name!r}")
    if kind != "torch" and _exported(encoder, outputs) is not None:
        return _OpenVinoEngine(encoder, tuple(outputs))
    if is_large(encoder, outputs):
        return TiledEngine(encoder, tuple(outputs), resolve_engine(kind))
    return whole_engine(encoder, tuple(outputs), resolve_engine(kind))


def whole_engine(encoder: Encoder, outputs: tuple[str, ...], kind: ResolvedEngine) -> Engine:
    """An engine that runs the network on whole images, however large they are."""
    return (_TorchEngine if kind == "torch" else _OpenVinoEngine)(encoder, outputs)


class _TorchEngine:
    """All outputs in one run of the network by PyTorch, in batches of one size.

    Its libraries compute batches of different sizes differently in the last bits.
    """

    def __init__(self, encoder: Encoder, outputs: tuple[str, ...]) -> None:
        self.outputs = outputs
        self._batch = batch_of(encoder.spec.preprocessing.shape)
        self._run = TorchRunner(modules.Outputs(encoder, outputs), encoder.spec.preprocessing)

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See :class:`Engine`."""
        n, size = len(images), self._batch
        padded = np.zeros((-(-n // size) * size, *images.shape[1:]), dtype=np.uint8)
        padded[:n] = images
        parts = [self._run(padded[start : start + size]) for start in range(0, n, size)]
        return tuple(array[:n] for array in _joined(parts))

    def prepare_few(self) -> None:
        """See :class:`Engine`; PyTorch takes all cores for any call."""


class _OpenVinoEngine:
    """All outputs in one run of the network by OpenVINO, normalisation inside.

    Images go through one by one on a core each, or in groups once there have been so many that
    compiling the network again for groups pays. Where it is known that few will come at a time, the
    network is compiled for all cores, too. Either is only used where it gives the very bits that
    each image has alone on one core, which is tried with noise.
    """

    def __init__(self, encoder: Encoder, outputs: tuple[str, ...]) -> None:
        self.outputs = outputs
        self._shape = (*encoder.spec.preprocessing.shape, 3)
        self._model = openvino_model(encoder, outputs)
        self._settings = EngineSettings.here()
        self._one = self._runner(self._model, 1, self._settings.streams)
        self._lock = threading.Lock()
        self._n_seen = 0
        self._group: Runner | None = None
        self._tried = False
        self._wide: Runner | None = None
        self._prepared = False
        self._under_way = 0
        self._calls_alone = _CALLS_ALONE

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See :class:`Engine`."""
        with self._lock:
            self._under_way += 1
            alone = self._calls_alone >= _CALLS_ALONE and self._under_way == 1
            self._calls_alone = self._calls_alone + 1 if self._under_way == 1 else 0
        try:
            return self._run(images, self._wide if alone and len(images) < GROUP else None)
        finally:
            with self._lock:
                self._under_way -= 1

    def _run(
        self, images: NDArray[np.uint8], wide: Runner | None
    ) -> tuple[NDArray[np.float32], ...]:
        """Groups as far as they go, and one by one by ``wide``, or on one core."""
        group, size = self._grouped(len(images)), self._settings.group
        n_grouped = 0 if group is None else len(images) // size * size
        parts = []
        for start in range(0, n_grouped, size):
            assert group is not None
            parts.append(group(images[start : start + size]))
        one = self._one if wide is None else wide
        parts += [one(images[row : row + 1]) for row in range(n_grouped, len(images))]
        return _joined(parts)

    def prepare_few(self) -> None:
        """See :class:`Engine`."""
        with self._lock:
            now = not self._prepared and self._settings.streams > 1  # one has all cores already
            self._prepared = True
        if now:
            wide = self._runner(self._model, 1, streams=1)
            self._wide = wide if self._same(wide, 1) else None

    def _grouped(self, n: int) -> Runner | None:
        """What runs groups, if it is time for it and it gives the same bits."""
        if n < self._settings.group or self._settings.group == 1:
            return None
        with self._lock:
            self._n_seen += n
            now = self._n_seen >= _GROUPS_FROM and not self._tried
            self._tried = self._tried or now
        if now:  # other threads go on meanwhile
            self._group = self._same_in_groups()
        return self._group

    def _same_in_groups(self) -> Runner | None:
        model, size = self._model.clone(), self._settings.group
        try:
            model.reshape([size, *self._shape])
            group = self._runner(model, size, self._settings.streams)
        except RuntimeError:  # a network that was traced with one image may hold that number
            return None
        return group if self._same(group, size) else None

    def _same(self, other: Runner, size: int) -> bool:
        """Whether it gives images of noise, so many a call, the bits that each has by itself."""
        noise = np.random.default_rng(0).integers(0, 256, (size, *self._shape), dtype=np.uint8)
        alone = _joined([self._one(noise[row : row + 1]) for row in range(size)])
        return all(map(np.array_equal, other(noise), alone))

    def _runner(self, model: Any, n: int, streams: int) -> Runner:
        return OpenVinoRunner(model, np.zeros((n, *self._shape), dtype=np.uint8), streams)


def _exported(encoder: Encoder, outputs: Sequence[str]) -> ExportedGraph | None:
    """The encoder's exported graph, where it gives these outputs.

    Raises:
        MissingExtraError: it does not, and there is no PyTorch to run the network with.
    """
    graph = encoder.exported
    if graph is None or graph.gives(encoder.spec.preprocessing.shape, outputs):
        return graph
    if find_spec("torch") is None:
        raise MissingExtraError(
            f"this exported model gives {', '.join(graph.outputs)}, and {', '.join(outputs)} are "
            "needed: use the model that it was exported from, with PyTorch installed"
        )
    return None


def openvino_model(encoder: Encoder, outputs: tuple[str, ...]) -> Any:
    """The network as an OpenVINO model of one image, from the cache folder if it is there.

    Raises:
        MissingExtraError: it has to be converted, and there is no PyTorch.
    """
    graph = _exported(encoder, outputs)
    if graph is not None:
        return graph.model(encoder.spec.preprocessing.shape, outputs)
    what = [output_specification(encoder, output) for output in outputs]
    key = conversion_digest(what, encoder.spec.preprocessing.shape)
    return load_or_convert(key, lambda: to_openvino(encoder, outputs))


def _joined(parts: list[tuple[NDArray[np.float32], ...]]) -> tuple[NDArray[np.float32], ...]:
    """The outputs of consecutive images as one array each."""
    return parts[0] if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))


def to_openvino(encoder: Encoder, outputs: tuple[str, ...]) -> Any:
    """The network from uint8 pixels of one image to ``outputs`` as an OpenVINO model."""
    preprocessing = encoder.spec.preprocessing
    return convert(
        modules.Outputs(encoder, outputs).eval(),
        shape=(1, 3, *preprocessing.shape),
        preprocessing=preprocessing,
    )
