"""VisDA-2017 classification: renderings of 3-D models, and photographs.

Peng et al., VisDA: The Visual Domain Adaptation Challenge, 2017; the terms of use are those of the
page in ``origin``.
"""

from __future__ import annotations

from typing import ClassVar

from twofold.benchmark.datasets.layout import ClassFolders, counts_by_domain

__all__ = ["Visda2017"]

_DOMAINS = ("cad", "real")
_COUNTS = {
    "aeroplane": (14309, 3646),
    "bicycle": (7365, 3475),
    "bus": (16640, 4690),
    "car": (12800, 10401),
    "horse": (9512, 4691),
    "knife": (14240, 2075),
    "motorcycle": (17360, 5796),
    "person": (12160, 4000),
    "plant": (10731, 4549),
    "skateboard": (11680, 2281),
    "train": (16000, 4236),
    "truck": (9600, 5548),
}


class Visda2017(ClassFolders):
    """``ROOT/train/CLASS/*`` (renderings) and ``ROOT/validation/CLASS/*`` (photographs).

    One of the classes is also called ``train``.
    """

    id = "visda2017"
    title = "VisDA-2017"
    summary = "vehicles, animals and things: renderings to photographs, twelve classes"
    origin = "download it from http://ai.bu.edu/visda-2017/"
    domains = _DOMAINS
    aliases: ClassVar = {"train": "cad", "validation": "real"}
    directions = (("cad", "real"),)
    classes = tuple(_COUNTS)
    published = counts_by_domain(_DOMAINS, _COUNTS)
