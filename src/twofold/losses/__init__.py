"""Losses as pure functions on tensors; the equation numbers are those of arXiv 2502.21022."""

from twofold.losses.adversarial import GanLoss, gan_loss
from twofold.losses.contrastive import contrastive_alignment
from twofold.losses.efdm import match_distribution
from twofold.losses.gnl import StudentView, flat_cosine_distance, gnl_loss
from twofold.losses.ildr import gaussian_kl, ildr_loss, smooth_auc
from twofold.losses.infonce import infonce_alignment
from twofold.losses.mmd import mmd_alignment
from twofold.losses.msra import domain_nll, normality_loss, two_domain_compactness
from twofold.losses.overlap import latent_overlap, mean_distance
from twofold.losses.reversal import (
    DomainDiscriminator,
    adversarial_alignment,
    reversal_coefficient,
    reverse,
)
from twofold.losses.svdd import one_class_center, squared_distances, svdd_loss
from twofold.losses.translation import (
    LatentDistance,
    latent_cycle,
    latent_energy,
    reconstruction,
)
from twofold.losses.tsa import (
    augmented_cross_entropy,
    class_covariances,
    class_shifts,
    mutual_information,
)

__all__ = [
    "DomainDiscriminator",
    "GanLoss",
    "LatentDistance",
    "StudentView",
    "adversarial_alignment",
    "augmented_cross_entropy",
    "class_covariances",
    "class_shifts",
    "contrastive_alignment",
    "domain_nll",
    "flat_cosine_distance",
    "gan_loss",
    "gaussian_kl",
    "gnl_loss",
    "ildr_loss",
    "infonce_alignment",
    "latent_cycle",
    "latent_energy",
    "latent_overlap",
    "match_distribution",
    "mean_distance",
    "mmd_alignment",
    "mutual_information",
    "normality_loss",
    "one_class_center",
    "reconstruction",
    "reversal_coefficient",
    "reverse",
    "smooth_auc",
    "squared_distances",
    "svdd_loss",
    "two_domain_compactness",
]
