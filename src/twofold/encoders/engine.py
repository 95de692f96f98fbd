"""Frozen inference: one network, two engines (OpenVINO on a CPU, PyTorch elsewhere)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.encoders.backbone import SizedStem, Trainable, as_map
from twofold.encoders.converted import convert, load_or_convert
from twofold.encoders.encoder import Encoder
from twofold.encoders.outputs import (
    EngineKind,
    ResolvedEngine,
    batch_of,
    engine_specification,
    output_specification,
    resolve_engine,
    specification_digest,
)
from twofold.encoders.patches import PatchGrid, is_patches, patch_strides
from twofold.encoders.runners import OpenVinoRunner, Runner, TorchRunner, n_streams
from twofold.encoders.scales import is_pooled, resized, shape_of
from twofold.encoders.sides import split_side
from twofold.encoders.tiled import TiledEngine, is_large
from twofold.errors import ConfigError

__all__ = ["Engine", "make_engine"]

Grid = tuple[int, int]


class Engine(Protocol):
    """Runs batches of exactly as many images as :func:`batch_of` says; safe in several threads.

    It has threads of its own, so it belongs to the process that made it.
    """

    outputs: tuple[str, ...]

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """(batch, height, width, 3) uint8 RGB -> one float32 array per output, batch first."""
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
    if is_large(encoder, outputs):
        return TiledEngine(encoder, tuple(outputs), resolve_engine(kind))
    return _WholeEngine(encoder, tuple(outputs), resolve_engine(kind))


class _Outputs(nn.Module):
    """The chain, stopped as early as the outputs allow, returning what was asked for.

    It runs once for each size at which the outputs see the images.
    """

    def __init__(self, encoder: Encoder, outputs: Sequence[str]) -> None:
        super().__init__()
        stem, *rest = encoder.network.backbone.segments.values()
        self.readers = nn.ModuleList(_reader(encoder, output) for output in outputs)
        # Output -> numbers of segments run before its parts are read off.
        self.depths = [_depths(encoder, output) for output in outputs]
        self.shapes = [shape_of(output, encoder) for output in outputs]
        self.stems = nn.ModuleList(
            stem.fixed(shape) if isinstance(stem, SizedStem) else stem
            for shape in dict.fromkeys(self.shapes)
        )
        self.rest = nn.ModuleList(rest)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        states = {
            shape: self._states(resized(images, shape), shape, stem)
            for shape, stem in zip(dict.fromkeys(self.shapes), self.stems, strict=True)
        }
        return tuple(
            reader([states[shape][depth] for depth in depths])
            for reader, depths, shape in zip(self.readers, self.depths, self.shapes, strict=True)
        )

    def _states(self, images: Tensor, shape: tuple[int, int], stem: nn.Module) -> list[Tensor]:
        """The images and what each segment makes of them, as far as it is asked for."""
        asked = zip(self.depths, self.shapes, strict=True)
        deepest = max(max(depths) for depths, at in asked if at == shape)
        states = [images]
        for segment in [stem, *self.rest][:deepest]:
            states.append(segment(states[-1]))
        return states


def _depths(encoder: Encoder, output: str) -> tuple[int, ...]:
    backbone = encoder.network.backbone
    names = list(backbone.segments)
    if is_pooled(output):
        return (len(names),)
    if is_patches(output):
        strides, _ = patch_strides(output, encoder)
    elif output.startswith("stride"):
        strides = (int(output.removeprefix("stride")),)
    else:
        split: Trainable = output.removeprefix("split:")  # type: ignore[assignment]
        return (backbone.split_index(split),)
    return tuple(names.index(backbone.taps[stride]) + 1 for stride in strides)


def _reader(encoder: Encoder, output: str) -> nn.Module:
    """From the states an output is read off to the output."""
    if is_patches(output):
        strides, neighbourhood = patch_strides(output, encoder)
        channels = [encoder.spec.map_channels[stride] for stride in strides]
        grids = [_grid(encoder, stride) for stride in strides]
        return _Maps(PatchGrid(channels, neighbourhood), grids)
    is_map = output.startswith("stride")
    return _Only(_grid(encoder, int(output.removeprefix("stride"))) if is_map else None)


def _grid(encoder: Encoder, stride: int) -> Grid:
    """Rows and columns of a stage map."""
    height, width = encoder.spec.preprocessing.shape
    return -(-height // stride), -(-width // stride)


class _Only(nn.Module):
    """The one state there is, as a map on a grid or, without one, as it is."""

    def __init__(self, grid: Grid | None) -> None:
        super().__init__()
        self._grid = grid

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        return states[0] if self._grid is None else as_map(states[0], self._grid)


class _Maps(nn.Module):
    """Several states as maps, each on its grid, joined."""

    def __init__(self, join: nn.Module, grids: Sequence[Grid]) -> None:
        super().__init__()
        self.join = join
        self._grids = list(grids)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        maps = [as_map(state, grid) for state, grid in zip(states, self._grids, strict=True)]
        return self.join(maps)  # type: ignore[no-any-return]


class _WholeEngine:
    """All outputs in one run of the network, normalisation inside."""

    def __init__(self, encoder: Encoder, outputs: tuple[str, ...], kind: ResolvedEngine) -> None:
        self.outputs = outputs
        preprocessing = encoder.spec.preprocessing
        if kind == "torch":
            self._run: Runner = TorchRunner(_Outputs(encoder, outputs), preprocessing)
            return
        key = specification_digest(
            [output_specification(encoder, output) for output in outputs],
            engine_specification("openvino", preprocessing.shape),
            # Tracing is PyTorch's.
            str(torch.__version__),
        )
        model = load_or_convert(key, lambda: to_openvino(encoder, outputs))
        sample = np.zeros((batch_of(preprocessing.shape), *preprocessing.shape, 3), dtype=np.uint8)
        self._run = OpenVinoRunner(model, sample, n_streams())

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See :class:`Engine`."""
        return self._run(images)


def to_openvino(encoder: Encoder, outputs: tuple[str, ...]) -> Any:
    """The network from uint8 pixels to ``outputs`` as an OpenVINO model."""
    preprocessing = encoder.spec.preprocessing
    return convert(
        _Outputs(encoder, outputs).eval(),
        shape=(batch_of(preprocessing.shape), 3, *preprocessing.shape),
        preprocessing=preprocessing,
    )
