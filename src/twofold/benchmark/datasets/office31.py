"""Office-31: objects of an office, in product photographs and through a webcam.

Saenko et al., Adapting Visual Category Models to New Domains, ECCV 2010; the terms of use are those
of the page in ``origin``. The benchmark uses ten of the 31 classes.
"""

from __future__ import annotations

from twofold.benchmark.datasets.layout import ClassFolders, counts_by_domain

__all__ = ["Office31"]

_DOMAINS = ("amazon", "webcam")
_COUNTS = {
    "back_pack": (92, 29),
    "bookcase": (82, 12),
    "bottle": (36, 16),
    "desk_chair": (91, 40),
    "desk_lamp": (97, 18),
    "headphones": (99, 27),
    "keyboard": (100, 27),
    "laptop_computer": (100, 30),
    "mouse": (100, 30),
    "pen": (95, 32),
}


class Office31(ClassFolders):
    """``ROOT/DOMAIN/images/CLASS/*``, as released, or ``ROOT/DOMAIN/CLASS/*``."""

    id = "office31"
    title = "Office-31"
    summary = "office objects: product photographs and a webcam, ten classes"
    origin = "download it from https://faculty.cc.gatech.edu/~judy/domainadapt/"
    domains = _DOMAINS
    directions = (("webcam", "amazon"), ("amazon", "webcam"))
    classes = tuple(_COUNTS)
    published = counts_by_domain(_DOMAINS, _COUNTS)
    outer = ("domain_adaptation_images",)
    inner = "images"
