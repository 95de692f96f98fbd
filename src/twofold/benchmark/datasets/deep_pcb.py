"""Circuit boards with small flaws: two board designs of DeepPCB.

Tang et al., Online PCB Defect Detector On A New PCB Defect Dataset, 2019; MIT licence. The boxes
around the flaws are in ``DESIGN/boxes/NAME.txt``, one a line: ``x1 y1 x2 y2 kind``.
"""

from __future__ import annotations

from twofold.benchmark.datasets.base import Domain
from twofold.benchmark.datasets.layout import ClassFolders, read_class_folders

__all__ = ["DeepPcb"]

_DESIGNS = ("13000", "12100")
_KINDS = ("normal", "defective")


class DeepPcb(ClassFolders):
    """``ROOT/13000/KIND/*`` and ``ROOT/12100/KIND/*``, KIND ``normal`` or ``defective``."""

    id = "pcb"
    title = "DeepPCB"
    summary = "circuit boards of two designs, 640 px, flaws of 15 to 40 px"
    origin = "its images are at https://github.com/tangsanli5201/DeepPCB"
    domains = _DESIGNS
    directions = (_DESIGNS, _DESIGNS[::-1])
    classes = ("normal",)

    def _load(self, name: str) -> Domain:
        return read_class_folders(name, self._domain_folder(name), _KINDS, self.origin)
