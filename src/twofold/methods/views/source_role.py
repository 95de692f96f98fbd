"""What the source does in a fit to patches, by the likelihood of presumed target normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.eyes import PatchMoments, SourceWeight, choose_source_weight

__all__ = ["SourceRole", "choose_role"]

# What a weight of 1 must keep of the best weight's gain over 0. Where source and target are one
# set, 0.3 and 1 are all but equal: 0.9 to 1 on solar cells, also under another grey level; under
# larger made-up shifts 0.5 to 0.8.
_AS_GOOD = 0.8


@dataclass(frozen=True)
class SourceRole:
    """What the source does in a fit to patches.

    Attributes:
        weight: of a source image, where a target image counts 1.
        starts: whether the fit starts from the images of the pool that vary most like the source,
            as an image of the source is worth about as much as one of the target.
    """

    weight: float
    starts: bool = False


def choose_role(
    source: PatchMoments,
    places: NDArray[np.float32],
    kept: NDArray[np.bool_],
    *,
    shared: bool,
    random_state: int,
) -> SourceRole:
    """The weight under which presumed normals are likeliest, held out, and whether 1 is as good.

    Args:
        source: its moments.
        places: of the pool, float32 (p, n, c).
        kept: presumed normals, chosen without the source, bool (n,).
        shared: whether all places have one Gaussian.
        random_state: of the halves that are held out.
    """
    chosen = choose_source_weight(source, places, kept, shared=shared, random_state=random_state)
    return SourceRole(chosen.value, _as_good_as_target(chosen))


def _as_good_as_target(chosen: SourceWeight) -> bool:
    """Whether counting source images in full keeps nearly all that they are good for."""
    found = chosen.log_likelihoods
    if not found or chosen.value == 0.0:
        return False
    gain = found[chosen.value] - found[0.0]
    return found[1.0] - found[0.0] >= _AS_GOOD * gain
