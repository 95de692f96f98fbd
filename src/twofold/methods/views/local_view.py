"""The local view of images, as patches at their places."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.errors import CollapseError, NotEnoughImagesError
from twofold.eyes import (
    FreeBank,
    PatchGaussians,
    PatchMoments,
    all_shown,
    as_places,
    filled,
    fit_trimmed_patches,
    judged_places,
    lend_common,
    most_like_source,
    oddest_mean,
    only_looked_at,
    patch_moments,
    place_weight,
)
from twofold.methods.views.pooling import Pooling
from twofold.methods.views.source_role import SourceRole, choose_role
from twofold.threads import one_thread

__all__ = [
    "FreeFit",
    "LocalData",
    "LocalFit",
    "fit_local",
    "local_distances",
    "local_scores",
]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LocalFit:
    """One robust Gaussian a place of patch features, as it was fitted.

    Attributes:
        model: what scores patches.
        kept: the presumed normals of the pool, bool (n,).
        source: how far the source was let in.
        share: how much the place explains, see :func:`twofold.eyes.place_weight`.
        local_weight: what the local score deserves for it, in [0, 1].
    """

    model: PatchGaussians
    kept: Mask
    source: SourceRole
    share: float
    local_weight: float

    def choices(self) -> dict[str, float]:
        """What was settled, by name."""
        return {
            "place_share": self.share,
            "source_weight": self.source.weight,
            "starts_like_source": float(self.source.starts),
        }


@dataclass(frozen=True)
class FreeFit:
    """A bank of patches without places, as it was fitted.

    Attributes:
        model: what scores patches.
        kept: the presumed normals of the pool, bool (n,).
        owners: int64 (k,), the group that each row of the bank is of; -1 for the source.
        local_weight: one half, as nothing is known about what the local score deserves.
    """

    model: FreeBank
    kept: Mask
    owners: NDArray[np.int64]
    local_weight: float = 0.5

    def choices(self) -> dict[str, float]:
        """Nothing was settled."""
        return {}


def local_distances(
    model: PatchGaussians | FreeBank,
    patches: NDArray[np.floating],
    looked_at: Mask | None = None,
) -> Array:
    """Squared distances of the patches (n, c, g, h) of images, float64 (n, g * h).

    Those that are not looked at, bool (n, g * h), are at 0.
    """
    # The products of a bank are large enough for several threads.
    with nullcontext() if isinstance(model, FreeBank) else one_thread():
        return model.squared_distances(patches, looked_at)


def local_scores(
    model: PatchGaussians | FreeBank,
    pooling: Pooling,
    patches: NDArray[np.floating],
    looked_at: Mask | None = None,
) -> Array:
    """What the patches (n, c, g, h) of images make up to, float64 (n,)."""
    if isinstance(model, PatchGaussians) and pooling.oddest is not None:
        with one_thread():
            return oddest_mean(model, patches, pooling.oddest, looked_at)
    distances = local_distances(model, patches, looked_at)
    return pooling.scores(distances, patches.shape[2:], looked_at)


@dataclass(frozen=True)
class LocalData:
    """What local fits share.

    Attributes:
        source: its moments.
        places: of the pool, float32 (p, n, c); without those that hardly any image shows.
        shared: whether all places have one Gaussian.
        judged: bool (g * g,), which places these are; None for all.
        looked_at: bool (n, p), patches of the pool that count; None for all.
        known: images of the pool that are known to be normal, bool (n,); None: of none is it known.
    """

    source: PatchMoments
    places: Floats
    shared: bool = False
    judged: Mask | None = None
    looked_at: Mask | None = None
    known: Mask | None = None

    @classmethod
    def of(
        cls,
        source: Floats,
        pool: Floats,
        *,
        shared: bool = False,
        source_looked_at: Mask | None = None,
        looked_at: Mask | None = None,
        known: Mask | None = None,
    ) -> LocalData:
        """From patch features (n, c, g, g).

        Places that fewer than two images of the pool show are no part of the fit; other patches
        that are not looked at have the mean of their place.

        Args:
            source: of the source.
            pool: of the pool.
            shared: gives all places one Gaussian.
            source_looked_at: bool (m, g * g), patches of the source that count; None for all.
            looked_at: bool (n, g * g), the same of the pool.
            known: images of the pool that are known to be normal, bool (n,).

        Raises:
            NotEnoughImagesError: no place is shown by two images of the pool.
        """
        if source_looked_at is None and looked_at is None:
            with one_thread():
                moments = patch_moments(as_places(source), shared=shared)
            return cls(moments, as_places(pool), shared, known=known)
        lent, own = all_shown(source, source_looked_at), all_shown(pool, looked_at)
        judged = judged_places(own)
        if not judged.any():
            raise NotEnoughImagesError("masks: no place is shown by at least 2 target images")
        lent, own = lent[:, judged], own[:, judged]
        with one_thread():
            moments = patch_moments(filled(as_places(source)[judged], lent), shared=shared)
        if not shared:
            moments = lend_common(moments, lent)
        return cls(moments, filled(as_places(pool)[judged], own), shared, judged, own, known)

    def model(self, fitted: PatchGaussians) -> PatchGaussians:
        """A model of the places that are judged as one of the whole grid."""
        return fitted if self.judged is None or self.shared else fitted.at(self.judged)

    def distances(self, found: Array) -> Array:
        """Distances (n, p) at the places that are judged, on the whole grid, (n, g * g)."""
        if self.judged is None:
            return found
        whole = np.zeros((len(found), len(self.judged)))
        whole[:, self.judged] = only_looked_at(found, self.looked_at)
        return whole


def fit_local(
    data: LocalData,
    *,
    trim: float,
    source_weight: float | None,
    random_state: int,
    settled: SourceRole | None = None,
) -> LocalFit:
    """Fit to the pool's most normal images, with as much of the source as makes them likely.

    Args:
        data: the patches.
        trim: share of the pool that is left out.
        source_weight: in [0, 1]; None chooses by held-out likelihood.
        random_state: of the halves that are held out.
        settled: what an earlier fit chose, to be kept; None: nothing.

    Raises:
        NotEnoughImagesError: one target image alone.
    """
    n = data.places.shape[1]
    if n < 2:
        raise NotEnoughImagesError(f"local features need at least 2 target images, got {n}")
    with one_thread():
        return _fit_local(data, trim, source_weight, random_state, settled)


def _fit_local(
    data: LocalData,
    trim: float,
    source_weight: float | None,
    random_state: int,
    settled: SourceRole | None,
) -> LocalFit:
    if source_weight is None:
        role, model, kept = _fit_chosen(data, trim, random_state, settled)
    else:
        role = SourceRole(source_weight)
        model, kept = fit_trimmed_patches(
            data.source,
            data.places,
            trim=trim,
            source_weight=source_weight,
            shared=data.shared,
            known=data.known,
        )
    share, local_weight = place_weight(patch_moments(data.places, kept))
    return LocalFit(data.model(model), kept, role, share, local_weight)


def _fit_chosen(
    data: LocalData, trim: float, random_state: int, settled: SourceRole | None
) -> tuple[SourceRole, PatchGaussians, Mask]:
    """A fit in which the source weighs what held-out images of the target say it is worth.

    1. Presumed normals are chosen from the target alone. With a source that varies in other
       directions, the concentration steps would choose the images that look like the source, and
       by these the source would seem to fit well.
    2. The source's weight is the one under which these presumed normals, held out, are likeliest.
    3. Where a source image is then worth about as much as one of the target, the steps begin again
       from the images that are most like the source: from all images, a flaw that many of them
       have in common would count as normal variation.

    What an earlier fit settled takes the place of the choices in 2 and 3.
    """
    _, kept = fit_trimmed_patches(
        None, data.places, trim=trim, shared=data.shared, known=data.known
    )
    role = settled
    if role is None:
        role = choose_role(
            data.source, data.places, kept, shared=data.shared, random_state=random_state
        )
    if role.starts:
        # A single image of the source, or copies of one, say nothing.
        with suppress(NotEnoughImagesError, CollapseError):
            kept = most_like_source(data.source, data.places, trim=trim, known=data.known)
    model, kept = fit_trimmed_patches(
        data.source,
        data.places,
        trim=trim,
        source_weight=role.weight,
        shared=data.shared,
        known=data.known,
        start=kept,
    )
    return role, model, kept
