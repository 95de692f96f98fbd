"""The one place that says what the paper's printed names are called here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ABLATION",
    "NOT_ADAPTED",
    "Wanted",
    "class_name",
    "dataset_of",
    "direction_name",
    "wanted",
]

_DIRECTIONS = {
    "clipart->product": ("officehome", "clipart->product"),
    "product->clipart": ("officehome", "product->clipart"),
    "webcam->amazon": ("office31", "webcam->amazon"),
    "amazon->webcam": ("office31", "amazon->webcam"),
    "cad->real": ("visda2017", "cad->real"),
    "photo->art": ("pacs", "photo->art_painting"),
    "photo->cartoon": ("pacs", "photo->cartoon"),
    "photo->sketch": ("pacs", "photo->sketch"),
}
# Printed class names that are not our folder's name, by dataset. VisDA-2017's are in lower case.
_CLASSES = {
    "officehome": {"Paperclip": "Paper_Clip"},
    "office31": {
        "Backpack": "back_pack",
        "Desk Chair": "desk_chair",
        "Desk Lamp": "desk_lamp",
        "Laptop": "laptop_computer",
    },
}

# Methods that see no target image, or its labels: for them there is no transfer to go wrong.
NOT_ADAPTED = frozenset({"source_only", "frozen_source", "oracle"})


@dataclass(frozen=True)
class Wanted:
    """Which of our results a printed column stands for: a method, and options it must have.

    Several may fit; with ``printed_k`` those with the paper's number of clusters go first.
    """

    method: str
    encoder: str | None = None
    options: tuple[tuple[str, str | None], ...] = ()
    printed_k: bool = False

    def fits(self, method: str, encoder: str | None, configuration: Mapping[str, Any]) -> bool:
        """Whether a method with these options is meant."""
        return (
            method == self.method
            and self.encoder in (None, encoder)
            and all(configuration.get(name) == value for name, value in self.options)
        )

    def prefers(self, dataset: str, configuration: Mapping[str, Any]) -> bool:
        """Whether options that fit go before others that do."""
        printed = _PRINTED_K.get(dataset, 2)
        return self.printed_k and configuration.get("n_clusters") == printed


# The paper has 2 clusters everywhere else.
_PRINTED_K = {"visda2017": 10}

_METHODS = {
    "ours": Wanted("paper"),
    "ours_few_shot": Wanted("paper_few_shot"),
    "grl": Wanted("paper_grl"),
    "mmd": Wanted("paper_mmd"),
    "contrastive": Wanted("paper"),
    "kmeans": Wanted("paper", options=(("selector", "kmeans"),), printed_k=True),
    "gmm": Wanted("paper", options=(("selector", "gmm"),), printed_k=True),
    "meanshift": Wanted("paper", options=(("selector", "meanshift"),)),
    # Distance to the source normals; that to a text stands in columns of its own.
    "clip_rn50": Wanted("frozen_source", encoder="clip_rn50", options=(("text", None),)),
    "clip_vit_b32": Wanted("frozen_source", encoder="clip_vit_b32", options=(("text", None),)),
}
# Table 3: (adaptation, clustering, CLIP) and what it is here. The last is ours alone: the vectors
# to cluster come from the frozen encoder that is trained further, not from a second network.
ABLATION = {
    ("no", "no", "no"): Wanted("source_only"),
    ("yes", "no", "no"): Wanted("align_all"),
    ("yes", "yes", "no"): Wanted("paper", options=(("psi", "self"),)),
    ("yes", "yes", "yes"): Wanted("paper", options=(("psi", "clip_vit_b32"),)),
    ("yes", "yes", "frozen encoder"): Wanted("paper", options=(("psi", "frozen"),)),
}


def wanted(published: str) -> Wanted:
    """What a printed method is called here; the same id where nothing else is said."""
    return _METHODS.get(published, Wanted(published))


def dataset_of(direction: str) -> str:
    """The dataset a printed direction belongs to."""
    return _DIRECTIONS[direction][0]


def direction_name(direction: str) -> str:
    """Our name of a printed direction."""
    return _DIRECTIONS[direction][1]


def class_name(dataset: str, printed: str) -> str:
    """Our name (the folder's) of a printed class."""
    ours = _CLASSES.get(dataset, {}).get(printed)
    if ours is not None:
        return ours
    return printed if dataset == "officehome" else printed.lower()
