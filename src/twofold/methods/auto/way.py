"""One way of looking, fitted: the views that settled options name, and what they tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Splits, majority, scale_of
from twofold.encoders.encode import EncodedImages
from twofold.methods.auto.at_size import SIZES, joined
from twofold.methods.auto.config import AutoConfig
from twofold.methods.auto.kept import kept_local_weight, kept_weights
from twofold.methods.auto.mixture import Views
from twofold.methods.auto.size_fit import SizeFit, fit_size
from twofold.methods.auto.vectors import whole_vectors
from twofold.methods.base import FitData, OutOfSample
from twofold.methods.progress import Steps
from twofold.methods.views.global_view import (
    GlobalFit,
    GlobalView,
    choose_global_weight,
    cross_fit_global,
    fit_global,
    global_without,
)
from twofold.methods.views.local_view import FreeFit, LocalFit
from twofold.threads import one_thread
from twofold.thresholds import ScoreScale

__all__ = ["Way", "fit_way"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Way:
    """Settled options and the views that were fitted with them.

    Attributes:
        config: settled.
        views: what scores.
        own: out-of-sample scores of the pool; None of a model that was loaded.
        choices: what was settled, by name.
        normal: the presumed normals that each model inside rests on, bool (n,).
        separable: whether :meth:`without_group` can be asked for: banks of patches alone are looked
            at.
        rest: the views as if they had not seen some images of the pool, bool (n,); None of a model
            that was loaded, or that is kept.
    """

    config: AutoConfig
    views: Views
    own: OutOfSample | None = None
    choices: Mapping[str, float] = field(default_factory=dict)
    normal: Mapping[str, Mask] = field(default_factory=dict)
    separable: bool = False
    rest: Callable[[Mask], Views] | None = field(default=None, repr=False, compare=False)

    def score(self, images: EncodedImages) -> Array:
        """Scores of images with the outputs of these options, float64 (n,)."""
        return self.views.mix(*self._by_view(images))

    def score_with_views(self, images: EncodedImages) -> tuple[Array, Array]:
        """The same, and what each of two views says in spreads of normal scores, float64 (n, v)."""
        whole, local = self._by_view(images)
        return self.views.mix(whole, local), self.views.standardised(whole, local)

    def _by_view(self, images: EncodedImages) -> tuple[Array | None, Array | None]:
        views, whole, local = self.views, None, None
        if views.whole is not None:
            whole = views.whole.scores(whole_vectors(images, self.config))
        if views.local:
            names = self.config.patch_sizes()
            found = [
                patches.scores(images, name)
                for patches, name in zip(views.local, names, strict=True)
            ]
            local = joined(found, [patches.scale for patches in views.local])
        return whole, local

    def without(self, rows: Mask) -> Way:
        """The same as if its models had not seen some images of the pool, bool (n,).

        These models are to the presumed normals less such images, as those of a cross-fit are: who
        is presumed normal, the source's weights and the scales of scores stay as they are.
        """
        assert self.rest is not None
        return replace(self, views=self.rest(rows))

    def without_group(self, group: int) -> Way:
        """The same without the patches of one group, as if the banks had not seen it.

        Only of what is separable.
        """
        local = tuple(patches.without(np.array([group])) for patches in self.views.local)
        return replace(self, views=replace(self.views, local=local))

    def kept(self) -> Way:
        """The same without what fits to parts of the pool need, which is the pool's own patches."""
        return replace(self, rest=None)

    def place_share(self) -> float:
        """How much the place explains of a patch, R^2 in [0, 1]; 0 where nobody asked."""
        return self.choices.get("place_share", 0.0)

    def presumed_normal(self) -> Mask:
        """Images of the pool that all its models rest on, bool (n,)."""
        return np.asarray(np.logical_and.reduce(list(self.normal.values())))


def fit_way(config: AutoConfig, data: FitData, random_state: int, tell: Steps) -> Way:
    """Fit the views of settled options.

    Args:
        config: settled.
        data: with the outputs of these options.
        random_state: of all draws.
        tell: told of two steps a view.
    """
    pool = data.pool
    views, choices, normal = Views(), dict[str, float](), dict[str, Mask]()
    whole = local = whole_rest = None
    sizes: list[SizeFit] = []
    if config.locality != "local":
        # A second thread saves a tenth of a second on an idle machine, and costs seconds on a busy
        # one.
        with one_thread():
            fit, whole, whole_rest = _fit_whole(config, data, random_state, tell)
        views = replace(views, whole=fit.view, whole_scale=scale_of(whole))
        choices |= {"global_source_weight": fit.weights[-1], "apart": fit.apart}
        normal |= dict(zip(("whole", "chosen"), fit.kept, strict=False))
    if config.locality != "global":
        sizes = [fit_size(config, name, data, random_state, tell) for name in config.patch_sizes()]
        local = joined([size.scores for size in sizes], [size.patches.scale for size in sizes])
        views = replace(
            views,
            local_weight=_local_weight(config, data, sizes[0].fit),
            local=tuple(size.patches for size in sizes),
            local_scale=scale_of(local),
            maps=sizes[0].maps,
        )
        choices |= sizes[0].fit.choices()
        normal |= {name: size.fit.kept for name, size in zip(SIZES, sizes, strict=False)}
    choices["local_weight"] = views.local_weight
    # Two views are mixed on a logarithmic scale already.
    scale: ScoreScale = "linear" if config.locality == "both" else "log"
    own = OutOfSample(
        views.mix(whole, local),
        "target",
        pool.grouping(),
        scale,
        views.standardised(whole, local),
    )

    def rest(rows: Mask) -> Views:
        with one_thread():
            return replace(
                views,
                whole=None if whole_rest is None else whole_rest(rows),
                local=tuple(size.rest(rows) for size in sizes),
            )

    separable = config.places == "none" and config.locality == "local"
    return Way(config, views, own, choices, normal, separable, rest)


def _fit_whole(
    config: AutoConfig,
    data: FitData,
    random_state: int,
    tell: Steps,
) -> tuple[GlobalFit, Array, Callable[[Mask], GlobalView]]:
    """Fit the global view; its cross-fitted scores of the pool; and it without some rows of it."""
    pool = data.pool
    own = whole_vectors(pool, config)
    splits = Splits(whole_vectors(data.source, config), own, config.shrinkage, data.known_rows())
    given = config.source_weight
    start = majority(splits.pool, trim=config.trim)
    weights = kept_weights(data.settled) if given is None else (given,)
    if weights is None:
        weights = choose_global_weight(
            splits, trim=config.trim, start=start, random_state=random_state
        )
    fit = fit_global(splits, trim=config.trim, start=start, weights=weights)
    tell.step()
    scores = cross_fit_global(fit, splits, pool.grouping(), random_state=random_state)
    tell.step()
    return fit, scores, partial(global_without, fit, splits)


def _local_weight(config: AutoConfig, data: FitData, local: LocalFit | FreeFit) -> float:
    """Of the patches in the mixture: as given, as an earlier fit settled, or what they deserve."""
    if config.locality != "both":
        return 1.0
    given = config.local_weight
    if given is None:
        given = kept_local_weight(data.settled)
    return local.local_weight if given is None else given
