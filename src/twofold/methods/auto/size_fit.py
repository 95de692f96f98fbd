"""Patches at one size: a fit at their places or a bank, and what it says of the pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twofold.densities import scale_of
from twofold.eyes import fit_bank
from twofold.methods.auto.at_size import AtSize
from twofold.methods.auto.config import AutoConfig
from twofold.methods.auto.kept import kept_role
from twofold.methods.base import FitData
from twofold.methods.progress import Steps
from twofold.methods.views.local_rest import LocalRest, cross_fit_local
from twofold.methods.views.local_view import FreeFit, LocalData, LocalFit, fit_local
from twofold.methods.views.maps import MapScale, pool_map_scale
from twofold.methods.views.pooling import fit_pooling

__all__ = ["SizeFit", "fit_size"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SizeFit:
    """Patches at one size, as they were fitted.

    Attributes:
        patches: what scores images.
        fit: of the model.
        scores: of the pool, out of sample, float64 (n,).
        maps: the scale of its maps, of the finest size alone.
        rest: what scores images and has not seen some of the pool, bool (n,).
    """

    patches: AtSize
    fit: LocalFit | FreeFit
    scores: Array
    maps: MapScale | None
    rest: Callable[[Mask], AtSize]


def fit_size(
    config: AutoConfig,
    name: str,
    data: FitData,
    random_state: int,
    tell: Steps,
) -> SizeFit:
    """Fit to the patches of one output."""
    found: LocalFit | FreeFit
    gaussians: LocalRest | None = None
    if config.places == "none":
        found, distances = _fit_bank(config, name, data, random_state, tell)
    else:
        gaussians, distances = _fit_local(config, name, data, random_state, tell)
        found = gaussians.fit
    pool = data.pool
    looked_at, grid = pool.looked_at(name), pool.rows(name).shape[2:]
    pooling = fit_pooling(config.image_score, distances, grid, looked_at)
    scores = pooling.scores(distances, grid, looked_at)
    owners = found.owners if isinstance(found, FreeFit) else None
    patches = AtSize(found.model, pooling, scale_of(scores), owners)
    finest = name == config.patches()
    maps = pool_map_scale(distances, grid, looked_at) if finest else None

    def rest(rows: Mask) -> AtSize:
        if gaussians is None:
            return patches.without(pool.grouping()[rows])
        return replace(patches, model=gaussians.data.model(gaussians.without(rows)))

    return SizeFit(patches, found, scores, maps, rest)


def _fit_local(
    config: AutoConfig,
    name: str,
    data: FitData,
    random_state: int,
    tell: Steps,
) -> tuple[LocalRest, Array]:
    """Fit the local view at places; and the cross-fitted distances of the pool's patches."""
    source, pool = data.source, data.pool
    patches = LocalData.of(
        source.rows(name),
        pool.rows(name),
        shared=config.places == "shared",
        source_looked_at=source.looked_at(name),
        looked_at=pool.looked_at(name),
        known=data.known_rows(),
    )
    fit = fit_local(
        patches,
        trim=config.trim,
        source_weight=config.source_weight,
        random_state=random_state,
        settled=kept_role(data.settled),
    )
    tell.step()
    rest = LocalRest(fit, patches)
    distances = cross_fit_local(rest, pool.grouping(), random_state=random_state)
    tell.step()
    return rest, distances


def _fit_bank(
    config: AutoConfig,
    name: str,
    data: FitData,
    random_state: int,
    tell: Steps,
) -> tuple[FreeFit, Array]:
    """Fit the local view without places; distances to rows of other images."""
    source, pool = data.source, data.pool
    fit = fit_bank(
        None if config.source_weight == 0 else source.rows(name),
        pool.rows(name),
        pool.grouping(),
        trim=config.trim,
        random_state=random_state,
        source_looked_at=source.looked_at(name),
        looked_at=pool.looked_at(name),
        known=data.known_rows(),
    )
    tell.step()
    tell.step()
    return FreeFit(fit.model, fit.kept, fit.owners), fit.distances
