"""A fitted detector as a folder that other software can run."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twofold.detector import Detector
from twofold.detector.file import DetectorFile, file_of, write_detector
from twofold.detector.learning import FittedOn
from twofold.encoders.exported import ExportedGraph
from twofold.errors import ConfigError, UsageError
from twofold.export.compared import images_of
from twofold.export.description import MASK, description
from twofold.export.graph import ScoringGraph, build_graph, input_of
from twofold.export.parity import Parity, measure_parity
from twofold.export.runtimes import GraphFormat, Runtime, check_format
from twofold.files import file_sha256, remove_dead, temporary_beside
from twofold.images import ImageInput

__all__ = ["DESCRIPTION", "PARITY", "SCORER", "Exported", "check_export_folder", "export_detector"]

DESCRIPTION, PARITY, SCORER = "export.json", "parity.json", "score.py"


@dataclass(frozen=True)
class Exported:
    """What an export has written.

    Attributes:
        folder: the folder.
        parity: how far the graph's scores are from the detector's.
        compared_on: which images that was measured on, in words.
    """

    folder: Path
    parity: Parity
    compared_on: str


def check_export_folder(out: str | Path) -> Path:
    """Refuse early what cannot be written to.

    Raises:
        UsageError: it exists and is no earlier export.
    """
    folder = Path(out)
    if folder.exists() and not (folder / DESCRIPTION).is_file():
        raise UsageError(f"{folder}: exists and is no earlier export; name a new folder")
    return folder


def export_detector(
    detector: Detector,
    out: str | Path,
    *,
    format: GraphFormat = "openvino",  # noqa: A002 - the option's name
    images: ImageInput | None = None,
) -> Exported:
    """Write a fitted detector as a graph, with all that is needed to run it elsewhere.

    The folder holds the graph, ``export.json`` (preprocessing, threshold, names), ``parity.json``,
    ``score.py`` (scores images with numpy, pillow and the runtime alone), and the model itself, so
    that :meth:`twofold.Detector.load` takes the folder, without the encoder's weights.

    Args:
        detector: fitted, of a method of closed form.
        out: a new folder, or an earlier export to replace.
        format: ``openvino``, or ``onnx``, which needs the extra ``export``.
        images: that graph and detector are compared on; None takes those of the fit's target where
            they still lie there, else the pictures that the model keeps, else made-up noise.

    Raises:
        NotFittedError: before ``fit``.
        ConfigError: the method cannot be exported, or the fit had a mask for each image.
        ExportError: the graph does not say what the detector says.
        MissingExtraError: a library that the format needs is not installed.
        UsageError: the folder is something else.
    """
    runtime, folder = check_format(format), check_export_folder(out)
    content = replace(file_of(detector), references=None, fitted_on=FittedOn())
    masks = content.sight.masks
    if content.sight.by_name:
        raise ConfigError(
            "a model with a mask for each image cannot be exported: a graph has one mask or none"
        )
    graph = build_graph(content.method, content.correction, None if masks is None else masks.one)
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_dead(folder.parent, None, _remove)
    with temporary_beside(folder) as fresh:
        try:
            written = fresh / "graph"
            written.mkdir(parents=True)
            runtime.write(graph, written)
            compared, where = images_of(detector) if images is None else (images, "images given")
            run = runtime.open(written)
            parity = measure_parity(detector, graph.sides, run, compared)
            done = Exported(folder, parity, where)
            _fill(fresh / "whole", content, graph, runtime, done)
            _remove(folder)
            (fresh / "whole").rename(folder)
        finally:
            _remove(fresh)
    return done


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _fill(
    folder: Path, content: DetectorFile, graph: ScoringGraph, runtime: Runtime, done: Exported
) -> None:
    """The model, the graph, which lies beside the folder so far, and what describes them."""
    written = folder.parent / "graph"
    kept = ExportedGraph(
        folder,
        runtime.files[0],
        {name: file_sha256(written / name) for name in runtime.files},
        {input_of(side): side.shape for side in graph.sides},
        {name: input_of(side) for side in graph.sides for name in side.names},
    )
    write_detector(folder, content, embed_weights=False, graph=kept)
    for name in runtime.files:
        (written / name).rename(folder / name)
    mask = content.sight.one_mask()
    if mask is not None:
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / MASK)
    script = resources.files("twofold.export").joinpath("copied", SCORER).read_bytes()
    (folder / SCORER).write_bytes(script)
    parity = asdict(done.parity) | {"compared_on": done.compared_on, "runtime": runtime.stated()}
    _write_json(folder / PARITY, parity)
    _write_json(folder / DESCRIPTION, description(content, graph, runtime, kept))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
