"""Writing a graph as a file of OpenVINO or ONNX, and running it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from twofold.encoders.converted import import_openvino
from twofold.errors import ConfigError, MissingExtraError
from twofold.export.graph import ScoringGraph
from twofold.images.quiet import quiet

__all__ = ["FORMATS", "GraphFormat", "Run", "Runtime", "check_format"]

GraphFormat = Literal["onnx", "openvino"]
FORMATS: tuple[GraphFormat, ...] = get_args(GraphFormat)
Run = Callable[[Mapping[str, NDArray[np.uint8]]], dict[str, NDArray[np.float32]]]
"""Inputs by name -> outputs by name."""

# The least that PyTorch's exporter writes, so that older runtimes read it, too.
_OPSET = 18


@dataclass(frozen=True)
class Runtime:
    """A format of graphs and what runs it.

    Attributes:
        format: its name.
        module: of Python, which runs it.
        files: that a graph consists of, the one to open first.
    """

    format: GraphFormat
    module: str
    files: tuple[str, ...]

    def write(self, graph: ScoringGraph, folder: Path) -> None:
        """Write a graph for one image a call."""
        with quiet(), torch.no_grad():
            (_write_onnx if self.format == "onnx" else _write_openvino)(graph, folder)

    def stated(self) -> str:
        """The module and its version."""
        return f"{self.module} {metadata.version(self.module)}"

    def open(self, folder: Path) -> Run:
        """The graph in a folder as a function."""
        return (_open_onnx if self.format == "onnx" else _open_openvino)(folder / self.files[0])


_RUNTIMES = {
    "onnx": Runtime("onnx", "onnxruntime", ("model.onnx",)),
    "openvino": Runtime("openvino", "openvino", ("model.xml", "model.bin")),
}


def check_format(name: str) -> Runtime:
    """The format of this name.

    Raises:
        ConfigError: there is none.
        MissingExtraError: a library that it needs is not installed.
    """
    if name not in _RUNTIMES:
        raise ConfigError(f"unknown format {name!r}: choose {' or '.join(FORMATS)}")
    if name == "onnx":
        try:
            import onnx  # noqa: F401, PLC0415
            import onnxruntime  # noqa: F401, PLC0415
            import onnxscript  # noqa: F401, PLC0415
        except ImportError as error:
            raise MissingExtraError(
                "--format onnx needs onnx, onnxscript and onnxruntime: "
                "pip install 'twofold[export]' (or use --format openvino)"
            ) from error
    return _RUNTIMES[name]


def _blank(graph: ScoringGraph) -> tuple[torch.Tensor, ...]:
    """Inputs to follow the graph with."""
    return tuple(torch.zeros((1, *side.shape, 3), dtype=torch.uint8) for side in graph.sides)


def _write_openvino(graph: ScoringGraph, folder: Path) -> None:
    ov = import_openvino()
    inputs = [([1, *side.shape, 3], ov.Type.u8) for side in graph.sides]
    model = ov.convert_model(graph, example_input=_blank(graph), input=inputs)
    for ports, names in ((model.inputs, graph.inputs), (model.outputs, graph.outputs)):
        for port, name in zip(ports, names, strict=True):
            port.get_tensor().set_names({name})
    # Half-precision weights, the default, would change every score.
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)


def _write_onnx(graph: ScoringGraph, folder: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.onnx.export(
        graph,
        _blank(graph),
        folder / "model.onnx",
        dynamo=True,
        external_data=False,
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        opset_version=_OPSET,
        verbose=False,
    )


def _open_openvino(file: Path) -> Run:
    ov = import_openvino()
    compiled = ov.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [port.get_any_name() for port in compiled.outputs]

    def run(inputs: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        found: Any = compiled(dict(inputs))
        return {name: np.array(found[name]) for name in names}

    return run


def _open_onnx(file: Path) -> Run:
    import onnxruntime  # noqa: PLC0415 - checked where the format was chosen

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]

    def run(inputs: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
