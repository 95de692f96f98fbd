"""Losses as pure functions on tensors; the equation numbers are those of arXiv 2502.21022."""

from twofold.losses.contrastive import contrastive_alignment
from twofold.losses.infonce import infonce_alignment
from twofold.losses.mmd import mmd_alignment
from twofold.losses.reversal import (
    DomainDiscriminator,
    adversarial_alignment,
    reversal_coefficient,
    reverse,
)
from twofold.losses.svdd import one_class_center, squared_distances, svdd_loss

__all__ = [
    "DomainDiscriminator",
    "adversarial_alignment",
    "contrastive_alignment",
    "infonce_alignment",
    "mmd_alignment",
    "one_class_center",
    "reversal_coefficient",
    "reverse",
    "squared_distances",
    "svdd_loss",
]
