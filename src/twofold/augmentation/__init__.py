"""Images made from images: views of normals, pseudo-anomalies, other styles."""

from twofold.augmentation.augmix import augmix
from twofold.augmentation.policies import Policy, Style, augment, patch_pseudo_anomaly, restyle
from twofold.augmentation.views import PatchSides, draw_views, pseudo_anomalies, views_of

__all__ = [
    "PatchSides",
    "Policy",
    "Style",
    "augment",
    "augmix",
    "draw_views",
    "patch_pseudo_anomaly",
    "pseudo_anomalies",
    "restyle",
    "views_of",
]
