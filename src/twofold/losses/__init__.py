"""Losses as pure functions on tensors; the equation numbers are those of arXiv 2502.21022."""

from twofold.losses.contrastive import contrastive_alignment
from twofold.losses.objective import adaptation_objective
from twofold.losses.svdd import one_class_center, squared_distances, svdd_loss

__all__ = [
    "adaptation_objective",
    "contrastive_alignment",
    "one_class_center",
    "squared_distances",
    "svdd_loss",
]
