"""Solar cells in electroluminescence light, functional and defective: the elpv dataset.

Deitsch et al., Solar Energy 185 (2019) and Buerhop-Lutz et al., EU PVSEC 2018; CC BY-NC-SA 4.0.
"""

from __future__ import annotations

import numpy as np

from twofold.benchmark.datasets.base import Dataset, Domain
from twofold.benchmark.elpv import DOMAINS, load_cells

__all__ = ["ElpvCells"]


class ElpvCells(Dataset):
    """Mono- and polycrystalline cells; those the annotators doubted are left out."""

    id = "elpv"
    title = "elpv"
    summary = "solar cells: mono- and polycrystalline, functional or defective"
    origin = "pip install 'twofold[demo]'; its page is https://github.com/zae-bayern/elpv-dataset"
    domains = DOMAINS
    directions = (DOMAINS, DOMAINS[::-1])
    classes = ("functional",)
    needs_root = False

    def _load(self, name: str) -> Domain:
        cells = load_cells(name)
        kinds = np.array(["functional", "defective"])[cells.labels]
        return Domain.of(name, zip(cells.paths, map(str, kinds), strict=True))
