"""PyTorch modules as OpenVINO models, kept on disk: converting takes seconds, reading does not."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.deferred import deferred
from twofold.encoders.cache import cache_folder
from twofold.encoders.spec import Preprocessing
from twofold.files import file_sha256, remove_dead, temporary_beside
from twofold.images.quiet import quiet

if TYPE_CHECKING:
    import torch
    from torch import nn
else:
    torch = deferred("torch")

__all__ = ["convert", "import_openvino", "load_or_convert"]

_FILES = ("model.xml", "model.bin")
_HASHES = "sha256.json"
_importing = threading.Lock()


def import_openvino() -> Any:
    """The module ``openvino``, without the usage data that its first import would send.

    Its converter looks for the package ``openvino_telemetry`` once, while it is imported, and does
    without it if there is none. So there is none for that moment, and afterwards all is as before.
    Whoever has imported either package earlier has decided for themselves, and keeps that.
    """
    with _importing:
        if "openvino" in sys.modules or "openvino_telemetry" in sys.modules:
            import openvino  # noqa: PLC0415

            return openvino
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            import openvino  # noqa: PLC0415

            return openvino
        finally:
            sys.modules.pop("openvino_telemetry", None)


def convert(
    module: nn.Module,
    *,
    shape: tuple[int, int, int, int],
    preprocessing: Preprocessing | None,
    sample: tuple[int, int, int, int] | None = None,
) -> Any:
    """A module as an ``openvino.Model``.

    Args:
        module: in evaluation mode; takes float32 arrays of ``shape``.
        shape: (n, c, h, w), which becomes fixed.
        preprocessing: normalises pixels, and the model takes uint8 (n, h, w, 3); None: it takes
            what the module does.
        sample: shape of a smaller array to follow the module with, if it takes any height and
            width; None: ``shape``.
    """
    ov = import_openvino()
    from openvino.preprocess import PrePostProcessor  # noqa: PLC0415

    # Quiet in this thread alone: tracing warns of its own deprecations and shapes.
    with quiet(), torch.no_grad():
        model = ov.convert_model(
            module, example_input=torch.zeros(sample or shape), input=list(shape)
        )
    if preprocessing is None:
        return model
    graph = PrePostProcessor(model)
    tensor = graph.input().tensor()
    tensor.set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps = graph.input().preprocess().convert_element_type(ov.Type.f32)
    steps.mean(list(preprocessing.mean)).scale(list(preprocessing.std))
    graph.input().model().set_layout(ov.Layout("NCHW"))
    return graph.build()


def load_or_convert(key: str, make: Callable[[], Any]) -> Any:
    """An OpenVINO model from the cache folder, or fresh from ``make`` and then kept there.

    Args:
        key: hex digest of everything that decides the result.
        make: makes the ``openvino.Model``.

    A damaged copy (each file's sha256 stands beside it) is made anew; a folder that cannot be
    written only costs the conversion.
    """
    ov = import_openvino()
    root = cache_folder()
    if root is None:
        return make()
    folder = root / "engines" / key
    if _intact(folder):
        return ov.Core().read_model(folder / _FILES[0])
    model = make()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_dead(folder.parent, None, _remove)
        with temporary_beside(folder) as fresh:
            fresh.mkdir()
            try:
                # Half-precision weights, the default, would change every vector.
                ov.save_model(model, fresh / _FILES[0], compress_to_fp16=False)
                hashes = {name: file_sha256(fresh / name) for name in _FILES}
                (fresh / _HASHES).write_text(json.dumps(hashes), encoding="utf-8")
                _remove(folder)
                fresh.rename(folder)
            finally:
                _remove(fresh)
    except (OSError, RuntimeError):
        pass  # Another process was first, or the folder cannot be written.
    return model


def _intact(folder: Path) -> bool:
    try:
        hashes = json.loads((folder / _HASHES).read_text(encoding="utf-8"))
        return all(hashes[name] == file_sha256(folder / name) for name in _FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
