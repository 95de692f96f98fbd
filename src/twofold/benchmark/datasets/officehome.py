"""Office-Home: everyday objects, in clip art and in product pictures.

Venkateswara et al., Deep Hashing Network for Unsupervised Domain Adaptation, CVPR 2017; the terms
of use are those of the page in ``origin``. The benchmark uses ten of the 65 classes.
"""

from __future__ import annotations

from twofold.benchmark.datasets.layout import ClassFolders, counts_by_domain

__all__ = ["OfficeHome"]

_DOMAINS = ("clipart", "product")
_COUNTS = {
    "Bike": (99, 44),
    "Calculator": (46, 81),
    "Drill": (48, 67),
    "Hammer": (99, 57),
    "Kettle": (40, 72),
    "Knives": (53, 41),
    "Pan": (51, 70),
    "Paper_Clip": (40, 47),
    "Scissors": (99, 99),
    "Soda": (61, 43),
}


class OfficeHome(ClassFolders):
    """``ROOT/Clipart/CLASS/*`` and ``ROOT/Product/CLASS/*``, or both in the archive's folder."""

    id = "officehome"
    title = "Office-Home"
    summary = "everyday objects: clip art and product pictures, ten classes"
    origin = "download it from https://www.hemanthdv.org/officeHomeDataset.html"
    domains = _DOMAINS
    directions = (("clipart", "product"), ("product", "clipart"))
    classes = tuple(_COUNTS)
    published = counts_by_domain(_DOMAINS, _COUNTS)
    outer = ("OfficeHomeDataset_10072016",)
