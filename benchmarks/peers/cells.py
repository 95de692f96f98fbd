"""Which images each system gets: the cells of the comparison, drawn as `twofold bench` does."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive

Paths = tuple[str, ...]


@dataclass(frozen=True)
class Images:
    """Paths of the image files of one run; no labels.

    Attributes:
        source: normal images of the source.
        pool: unlabelled images of the target, a tenth of them anomalies.
        test: other images of the target.
    """

    source: Paths
    pool: Paths
    test: Paths

    def of(self, fitted_on: str) -> Paths:
        """Those to fit on: ``source`` or ``pool``."""
        return {"source": self.source, "pool": self.pool}[fitted_on]

    def document(self) -> dict[str, list[str]]:
        """Plain content, for JSON."""
        return {name: list(paths) for name, paths in asdict(self).items()}

    @classmethod
    def read(cls, document: dict[str, list[str]]) -> Images:
        """From what :meth:`document` made."""
        return cls(**{name: tuple(paths) for name, paths in document.items()})


@dataclass(frozen=True)
class Cell:
    """One direction and normal class of a dataset.

    Attributes:
        dataset: an id of `twofold bench`.
        near: domain of the source.
        far: domain of the target.
        normal: the class that is normal.

    Class attributes:
        MOST: anomalies of a test; of more, so many are drawn. The share of anomalies in a test has
            no part in the AUROC, and PACS has 3,114, which would take minutes for each system.
    """

    MOST: ClassVar[int] = 600

    dataset: str
    near: str
    far: str
    normal: str

    @classmethod
    def named(cls, text: str) -> Cell:
        """From ``DATASET:SOURCE:TARGET:CLASS``."""
        parts = text.split(":")
        if len(parts) != 4:
            raise ValueError(f"a cell is DATASET:SOURCE:TARGET:CLASS, not {text!r}")
        return cls(*parts)

    @property
    def name(self) -> str:
        """As :meth:`named` takes it."""
        return f"{self.dataset}:{self.near}:{self.far}:{self.normal}"

    def draw(self, run: int) -> tuple[Images, NDArray[np.int64]]:
        """Images of one run, and the labels of the test (1 = anomalous), which no system sees.

        The folder of the dataset is that of the variable ``TWOFOLD_<DATASET>``.
        """
        adapter = DATASETS.load(self.dataset)
        root = os.environ.get(f"TWOFOLD_{self.dataset.upper()}") if adapter.needs_root else None
        dataset = adapter(Path(root) if root else None)
        source, target = dataset.domain(self.near), dataset.domain(self.far)
        split = uda_inductive(target.labels(self.normal), random_state=run)
        known = np.flatnonzero(source.labels(self.normal) == 0)
        kept = _fewer(split.test_labels, self.MOST, run)
        files = [
            tuple(str(Path(domain.paths[row]).resolve()) for row in rows)
            for domain, rows in ((source, known), (target, split.pool), (target, split.test[kept]))
        ]
        return Images(*files), split.test_labels[kept]


def _fewer(labels: NDArray[np.int64], most: int, run: int) -> NDArray[np.intp]:
    """Rows in order: all normals, and of the anomalies at most so many, drawn."""
    odd = np.flatnonzero(labels == 1)
    drawn = np.random.default_rng(run).permutation(odd)[:most]
    return np.sort(np.concatenate([np.flatnonzero(labels == 0), drawn]))


CELLS = (
    Cell("elpv", "mono", "poly", "functional"),
    Cell("elpv", "poly", "mono", "functional"),
    Cell("pcb", "13000", "12100", "normal"),
    Cell("pcb", "12100", "13000", "normal"),
    Cell("pacs", "photo", "sketch", "dog"),
)
