"""The table of datasets: one line each. It drives the benchmark and the command line."""

from __future__ import annotations

from twofold.benchmark.datasets.base import Dataset
from twofold.registry import Registry

__all__ = ["DATASETS"]

DATASETS: Registry[type[Dataset]] = Registry(
    "dataset",
    {
        "office31": "twofold.benchmark.datasets.office31:Office31",
        "officehome": "twofold.benchmark.datasets.officehome:OfficeHome",
        "visda2017": "twofold.benchmark.datasets.visda2017:Visda2017",
        "pacs": "twofold.benchmark.datasets.pacs:Pacs",
        "pcb": "twofold.benchmark.datasets.deep_pcb:DeepPcb",
        "elpv": "twofold.benchmark.datasets.elpv_cells:ElpvCells",
        "folders": "twofold.benchmark.datasets.folders:Folders",
    },
)
