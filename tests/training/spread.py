"""Fits of trained methods; run by `torchrun`, in processes that train together."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.support import toy
from tests.training.cases import ALL_OUTPUTS

from twofold.launched import is_first_process, n_processes
from twofold.method_table import METHODS

__all__ = ["CASES", "results"]

_FEW = {"epochs": 2, "trainable": "last_stage"}
CASES: dict[str, dict[str, Any]] = {
    name: {"recipe": "as_printed", "training": _FEW}
    for name in ("paper", "paper_mmd", "paper_grl", "align_all", "source_only")
} | {
    name: toy.quick_options(METHODS.load(name))
    for name in ("oracle", "paper_few_shot", "msra", "ildr")
}


def results() -> dict[str, NDArray[np.float64]]:
    """Scores of test images by each."""
    with toy.registered(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = toy.make_world(n_source=70, n_pool=40, n_test=10)
        world = toy.encode_world(images, (*ALL_OUTPUTS, "pixels"))
        return {
            name: toy.fitting(name, world, **options).model.score(world.test)
            for name, options in CASES.items()
        }


def main() -> None:
    """Write what all processes have found into the file that the command line names."""
    found = results()
    if is_first_process():
        arrays: dict[str, Any] = {"processes": n_processes(), **found}
        np.savez(sys.argv[1], **arrays)


if __name__ == "__main__":
    main()
