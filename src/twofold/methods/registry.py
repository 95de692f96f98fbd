"""The table of methods: one line each. It drives the command line, the docs and the tests."""

from __future__ import annotations

from twofold.methods.base import Method
from twofold.registry import Registry

__all__ = ["DEFAULT_METHOD", "METHODS"]

DEFAULT_METHOD = "auto"

METHODS: Registry[type[Method]] = Registry(
    "method",
    {
        "auto": "twofold.methods.auto:Auto",
        "paper": "twofold.methods.paper:Paper",
        "paper_few_shot": "twofold.methods.paper_few_shot:PaperFewShot",
        "paper_mmd": "twofold.methods.paper_mmd:PaperMmd",
        "paper_grl": "twofold.methods.paper_grl:PaperGrl",
        "align_all": "twofold.methods.align_all:AlignAll",
        "source_only": "twofold.methods.source_only:SourceOnly",
        "frozen_source": "twofold.methods.frozen_source:FrozenSource",
        "target_only": "twofold.methods.target_only:TargetOnly",
        "padim": "twofold.methods.padim:Padim",
        "patchcore": "twofold.methods.patchcore:Patchcore",
        "oracle": "twofold.methods.oracle:Oracle",
        "biost": "twofold.methods.biost:Biost",
        "tsa": "twofold.methods.tsa:Tsa",
        "ildr": "twofold.methods.ildr:Ildr",
        "irad": "twofold.methods.irad:Irad",
        "msra": "twofold.methods.msra:Msra",
        "gnl": "twofold.methods.gnl:Gnl",
    },
)
