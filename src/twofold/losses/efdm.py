"""Exact feature distribution matching (Zhang et al. 2022), which GNL uses at test time."""

from __future__ import annotations

import torch
from torch import Tensor

from twofold.errors import ConfigError

__all__ = ["match_distribution"]


def match_distribution(maps: Tensor, reference: Tensor, keep: float = 0.5) -> Tensor:
    r"""Move each channel's values towards those of a reference, rank by rank.

    .. math:: x_{(r)} \leftarrow x_{(r)} + (1 - \lambda)(y_{(r)} - x_{(r)})

    with :math:`x_{(r)}` the r-th smallest value of a channel of one image and :math:`y_{(r)}` that
    of the same channel of the reference. Places keep their ranks; equal values are ranked by
    position. After Zhang et al. 2022, "Exact feature distribution matching for arbitrary style
    transfer and domain generalization", as Cao et al. 2023 (GNL) apply it.

    Args:
        maps: (n, c, h, w).
        reference: (c, h, w), of one image.
        keep: lambda in [0, 1]: 1 leaves the maps as they are, 0 gives them exactly the reference's
            values.

    Returns:
        (n, c, h, w); row i depends on row i and the reference only. Cost O(n c hw log hw).

    Raises:
        ConfigError: lambda outside [0, 1], or a reference of another shape.
    """
    if not 0 <= keep <= 1:
        raise ConfigError(f"the share of a map that matching keeps must lie in 0..1, not {keep}")
    if maps.shape[1:] != reference.shape:
        raise ConfigError(
            f"a reference of shape {tuple(reference.shape)} does not match maps of "
            f"{tuple(maps.shape[1:])}"
        )
    values = maps.flatten(2)
    ranks = torch.argsort(torch.argsort(values, dim=-1, stable=True), dim=-1)
    wanted = torch.sort(reference.flatten(1), dim=-1).values
    matched = wanted.expand_as(values).gather(-1, ranks)
    return (values + (1 - keep) * (matched - values)).reshape(maps.shape)
