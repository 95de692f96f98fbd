"""The losses of GNL (Cao et al. 2023): reverse distillation that is the same under every style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from twofold.errors import ConfigError
from twofold.losses.contrastive import unit_rows

__all__ = ["StudentView", "flat_cosine_distance", "gnl_loss"]


class StudentView(NamedTuple):
    """What the student makes of one version of a batch of images.

    Attributes:
        bottleneck: (n, c, h, w), the compact embedding.
        decoded: one (n, c_l, h_l, w_l) per teacher level, the finest first.
    """

    bottleneck: Tensor
    decoded: tuple[Tensor, ...]


def flat_cosine_distance(one: Tensor, other: Tensor) -> Tensor:
    r"""Mean over a batch of :math:`1 - \cos` between whole maps laid out as vectors.

    Args:
        one: (n, ...).
        other: of the same shape.

    Returns:
        Scalar in [0, 2], computed in float32 at least; a map of zeros is at distance 1 from any.

    Raises:
        ConfigError: the shapes differ.
    """
    if one.shape != other.shape:
        raise ConfigError(f"maps of shapes {tuple(one.shape)} and {tuple(other.shape)} differ")
    cosines = (unit_rows(one.flatten(1)) * unit_rows(other.flatten(1))).sum(dim=1)
    return (1 - cosines).mean()


def gnl_loss(
    teacher: Sequence[Tensor],
    original: StudentView,
    others: Sequence[StudentView],
    weights: tuple[float, float, float] = (0.9, 0.05, 0.05),
) -> Tensor:
    r"""``w_ori L_ori + w_abs L_abs + w_low L_low`` with the distance of whole maps.

    .. math:: L_{ori} &= \sum_l d(t_l, s_l) \\
              L_{abs} &= \sum_v d(\phi, \phi^v) \\
              L_{low} &= \sum_v d(s_1, s_1^v)

    where t are the teacher's and s the student's maps of the original images, phi the bottleneck's
    embedding, and v runs over the other versions (AugMix, grey). Gradients flow into both sides
    of L_abs and L_low. The weights are those of the released scripts for PACS and MVTec.

    Args:
        teacher: one (n, c_l, h_l, w_l) per level, the finest first.
        original: the student's view of the same images.
        others: its views of their other versions.
        weights: of L_ori, L_abs and L_low.

    Returns:
        Scalar >= 0.

    Raises:
        ConfigError: maps that do not fit together.
    """
    if len(teacher) != len(original.decoded):
        raise ConfigError(f"{len(teacher)} teacher levels, {len(original.decoded)} decoded")
    zero = original.bottleneck.new_zeros(())
    levels = zip(teacher, original.decoded, strict=True)
    ori = sum((flat_cosine_distance(t, s) for t, s in levels), zero)
    abstract = sum((flat_cosine_distance(original.bottleneck, v.bottleneck) for v in others), zero)
    low = sum((flat_cosine_distance(original.decoded[0], v.decoded[0]) for v in others), zero)
    return weights[0] * ori + weights[1] * abstract + weights[2] * low
