"""The table of methods in three groups. It drives the command line, the docs and the tests."""

from __future__ import annotations

from typing import Literal

from twofold.methods.base import Method
from twofold.registry import Registry

__all__ = ["METHODS", "Group", "group_of"]

Group = Literal["recommended", "paper", "comparison", "added"]
"""``recommended``: the default and the rivals to try beside it. ``paper``: the system of the paper,
its variants and baselines. ``comparison``: those that the paper compares itself with. ``added``:
registered by somebody else."""

_GROUPS: dict[Group, dict[str, str]] = {
    "recommended": {
        "auto": "twofold.methods.auto.method:Auto",
        "target_only": "twofold.methods.target_only:TargetOnly",
        "frozen_source": "twofold.methods.frozen_source:FrozenSource",
        "padim": "twofold.methods.patch_methods.padim:Padim",
        "patchcore": "twofold.methods.patch_methods.patchcore:Patchcore",
    },
    "paper": {
        "paper": "twofold.paper.paper:Paper",
        "paper_few_shot": "twofold.paper.few_shot:PaperFewShot",
        "paper_mmd": "twofold.paper.mmd:PaperMmd",
        "paper_grl": "twofold.paper.grl:PaperGrl",
        "align_all": "twofold.paper.align_all:AlignAll",
        "source_only": "twofold.paper.source_only:SourceOnly",
        "oracle": "twofold.paper.oracle:Oracle",
    },
    "comparison": {
        "biost": "twofold.comparison.biost.method:Biost",
        "tsa": "twofold.comparison.tsa.method:Tsa",
        "ildr": "twofold.comparison.ildr.method:Ildr",
        "irad": "twofold.comparison.irad.method:Irad",
        "msra": "twofold.comparison.msra.method:Msra",
        "gnl": "twofold.comparison.gnl.method:Gnl",
    },
}

METHODS: Registry[type[Method]] = Registry(
    "method", {name: place for methods in _GROUPS.values() for name, place in methods.items()}
)


def group_of(name: str) -> Group:
    """The group that a method belongs to."""
    return next((group for group, methods in _GROUPS.items() if name in methods), "added")
