"""Worlds to fit to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.methods.patch_methods import patch_cases
from tests.support import toy

from twofold.encoders.encode import EncodedImages
from twofold.methods import FitData, parse_config
from twofold.methods.auto.method import Auto

each_locality = pytest.mark.parametrize("locality", ["global", "local", "both"])


def world_of(
    source: patch_cases.Patches, pool: patch_cases.Patches, seed: int = 0
) -> tuple[EncodedImages, EncodedImages]:
    """With whole vectors that say nothing."""
    rng = np.random.default_rng([seed, 6])
    return (
        patch_cases.images(source, **whole(rng.uniform(1, 2, (len(source), toy.DIM)))),
        patch_cases.images(pool, **whole(rng.uniform(1, 2, (len(pool), toy.DIM)))),
    )


def whole(vectors: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The same at every scale."""
    return {"pooled": vectors, "pooled-1": vectors}


def fitted(source: EncodedImages, pool: EncodedImages, **options: Any) -> Any:
    """``Any``, as tests look inside."""
    method = Auto(toy.encoder(), parse_config(Auto, options))
    return method.fit(FitData(source=source, target_pool=pool)).model
