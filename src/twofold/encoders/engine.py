"""Frozen inference: one network, two engines (OpenVINO on a CPU, PyTorch elsewhere)."""

from __future__ import annotations

import copy
import os
import queue
import threading
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.encoders.backbone import Trainable, as_map
from twofold.encoders.converted import convert, import_openvino, load_or_convert
from twofold.encoders.encoder import Encoder
from twofold.encoders.outputs import (
    BATCH,
    EngineKind,
    engine_specification,
    output_specification,
    resolve_engine,
    specification_digest,
)
from twofold.encoders.patches import PatchGrid, is_patches, patch_strides
from twofold.encoders.scales import is_pooled, resized, side_of
from twofold.encoders.sides import split_side
from twofold.errors import ConfigError

__all__ = ["MAX_STREAMS", "Engine", "make_engine"]

# Each stream holds its own activations; beyond eight, memory grows faster than throughput.
MAX_STREAMS = 8


class Engine(Protocol):
    """Runs batches of exactly :data:`BATCH` images; may be called from several threads.

    It has threads of its own, so it belongs to the process that made it.
    """

    outputs: tuple[str, ...]

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """(BATCH, size, size, 3) uint8 RGB -> one float32 array per output, batch first."""
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
    if resolve_engine(kind) == "openvino":
        return _OpenVinoEngine(encoder, tuple(outputs))
    return _TorchEngine(encoder, tuple(outputs))


class _Outputs(nn.Module):
    """The chain, stopped as early as the outputs allow, returning what was asked for.

    It runs once for each side at which the outputs see the images.
    """

    def __init__(self, encoder: Encoder, outputs: Sequence[str]) -> None:
        super().__init__()
        backbone = encoder.network.backbone
        self.segments = nn.ModuleList(backbone.segments.values())
        self.readers = nn.ModuleList(_reader(encoder, output) for output in outputs)
        # Output -> numbers of segments run before its parts are read off.
        self.depths = [_depths(encoder, output) for output in outputs]
        self.sides = [side_of(output, encoder) for output in outputs]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        states = {
            side: self._states(resized(images, side), side) for side in dict.fromkeys(self.sides)
        }
        return tuple(
            reader([states[side][depth] for depth in depths])
            for reader, depths, side in zip(self.readers, self.depths, self.sides, strict=True)
        )

    def _states(self, images: Tensor, side: int) -> list[Tensor]:
        """The images and what each segment makes of them, as far as it is asked for."""
        asked = zip(self.depths, self.sides, strict=True)
        deepest = max(max(depths) for depths, at in asked if at == side)
        states = [images]
        for segment in self.segments[:deepest]:
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
        return _Maps(PatchGrid(channels, neighbourhood))
    return _Only(output.startswith("stride"))


class _Only(nn.Module):
    """The one state there is, as a map or as it is."""

    def __init__(self, is_map: bool) -> None:
        super().__init__()
        self._is_map = is_map

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        return as_map(states[0]) if self._is_map else states[0]


class _Maps(nn.Module):
    """Several states as maps, joined."""

    def __init__(self, join: nn.Module) -> None:
        super().__init__()
        self.join = join

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        return self.join([as_map(state) for state in states])  # type: ignore[no-any-return]


class _OpenVinoEngine:
    """float32 on the CPU, normalisation inside the graph."""

    def __init__(self, encoder: Encoder, outputs: tuple[str, ...]) -> None:
        ov = import_openvino()
        self.outputs = outputs
        key = specification_digest(
            [output_specification(encoder, output) for output in outputs],
            engine_specification("openvino"),
            # Tracing is PyTorch's.
            str(torch.__version__),
        )
        model = load_or_convert(key, lambda: to_openvino(encoder, outputs))
        # A stream per core: no barrier between cores, which a decoding thread would hold up.
        streams = min(os.cpu_count() or 1, MAX_STREAMS)
        # Without the precision hint, a CPU with bfloat16 units would silently use them.
        compiled = ov.Core().compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": streams}
        )
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())
        # OpenVINO's binding sets up its numpy support in the first call, and two threads in that
        # call at once wait for each other for ever. So the first call is here.
        size = encoder.spec.preprocessing.size
        self(np.zeros((BATCH, size, size, 3), dtype=np.uint8))

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        request = self._requests.get()
        try:
            request.infer({0: images}, share_inputs=True)
            return tuple(
                np.array(request.get_output_tensor(index).data, dtype=np.float32)
                for index in range(len(self.outputs))
            )
        finally:
            self._requests.put(request)


def to_openvino(encoder: Encoder, outputs: tuple[str, ...]) -> Any:
    """The network from uint8 pixels to ``outputs`` as an OpenVINO model."""
    preprocessing = encoder.spec.preprocessing
    return convert(
        _Outputs(encoder, outputs).eval(),
        shape=(BATCH, 3, preprocessing.size, preprocessing.size),
        mean=preprocessing.mean,
        std=preprocessing.std,
    )


class _TorchEngine:
    """Eager PyTorch, channels last, on CUDA where there is one."""

    def __init__(self, encoder: Encoder, outputs: tuple[str, ...]) -> None:
        self.outputs = outputs
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # A copy: moving a module changes it in place, and the encoder's must stay as it is.
        module = copy.deepcopy(_Outputs(encoder, outputs)).eval()
        self._module = module.to(self._device).to(memory_format=torch.channels_last)
        preprocessing = encoder.spec.preprocessing
        self._mean = torch.tensor(preprocessing.mean, device=self._device)
        self._std = torch.tensor(preprocessing.std, device=self._device)
        # PyTorch spreads one call over all cores; a second beside it would only compete.
        self._lock = threading.Lock()

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See :class:`Engine`."""
        with self._lock, torch.inference_mode():
            return self._forward(images)

    def _forward(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        pixels = torch.from_numpy(images).to(self._device)
        normalised = (pixels.float() - self._mean) / self._std
        values = self._module(normalised.permute(0, 3, 1, 2))
        return tuple(value.float().cpu().contiguous().numpy() for value in values)
