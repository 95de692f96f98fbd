"""A fitted detector as a graph of OpenVINO or ONNX, with its parity report and a bare scorer."""

from twofold.export.folder import Exported, check_export_folder, export_detector
from twofold.export.parity import Parity
from twofold.export.runtimes import FORMATS, GraphFormat

__all__ = [
    "FORMATS",
    "Exported",
    "GraphFormat",
    "Parity",
    "check_export_folder",
    "export_detector",
]
