"""Solar cells in electroluminescence light: the elpv dataset, mono- and polycrystalline.

Deitsch et al., Solar Energy 185 (2019) and Buerhop-Lutz et al., EU PVSEC 2018; CC BY-NC-SA 4.0.
Its package carries 2,624 grey images of 300 x 300 pixels.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError, ImageSourceError, MissingExtraError

__all__ = ["DOMAINS", "Cells", "load_cells"]

DOMAINS = ("mono", "poly")
# normals and defects per domain once the doubtful cells are gone.
_COUNTS = {"mono": (588, 313), "poly": (920, 402)}


@dataclass(frozen=True)
class Cells:
    """The cells of one type that their annotators were sure of.

    Attributes:
        paths: image files.
        labels: int64, 0 = functional (defect probability 0), 1 = defective (probability 1).
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int64]


def load_cells(domain: str) -> Cells:
    """Cells of one type; those with a probability of 1/3 or 2/3 are left out.

    Args:
        domain: ``mono`` or ``poly``.

    Raises:
        ConfigError: no such domain.
        MissingExtraError: the package is not installed.
        ImageSourceError: its table or counts are not the published ones.
    """
    if domain not in DOMAINS:
        raise ConfigError(f"unknown kind of cell {domain!r}: choose one of {', '.join(DOMAINS)}")
    found = find_spec("elpv_dataset")
    if found is None or found.origin is None:
        raise MissingExtraError("the demo needs elpv-dataset: pip install 'twofold[demo]'")
    folder = Path(found.origin).parent / "data"
    table = folder / "labels.csv"
    if not table.is_file():
        raise ImageSourceError(f"{table} is missing: reinstall elpv-dataset")
    with table.open(encoding="utf-8") as stream:
        rows = list(csv.reader(stream, delimiter=" ", skipinitialspace=True))
    try:
        cells = [(name, float(probability), kind) for name, probability, kind in rows]
    except ValueError as error:
        raise ImageSourceError(f"{table} is not the published table: {error}") from error
    sure = [(name, value) for name, value, kind in cells if kind == domain and value in (0, 1)]
    labels = np.array([probability for _, probability in sure], dtype=np.int64)
    counts = (int((labels == 0).sum()), int((labels == 1).sum()))
    if counts != _COUNTS[domain]:
        raise ImageSourceError(f"{table} has {counts} {domain} cells, not {_COUNTS[domain]}")
    return Cells(tuple(str(folder / name) for name, _ in sure), labels)
