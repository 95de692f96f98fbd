"""Layouts of checkpoints: how each names the tensors of a network, and the translation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twofold.deferred import deferred

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
else:
    torch = deferred("torch")

__all__ = ["Convert", "Layout", "Rules", "layout_of", "renamed"]

Convert = Callable[["Mapping[str, Tensor]", "nn.Module"], "Mapping[str, Tensor]"]
"""Tensors of a checkpoint and the native module -> the tensors under the native names."""

Rules = Mapping[str, str | None]
"""Pattern of a whole name -> its replacement, as of :func:`re.sub`; None leaves the tensor out."""


@dataclass(frozen=True)
class Layout:
    """One way in which checkpoints of a network are published.

    Attributes:
        name: for people.
        mark: pattern of a whole name that only checkpoints of this layout hold.
        convert: its tensors -> the native ones.
    """

    name: str
    mark: str
    convert: Convert


def layout_of(names: Iterable[str], layouts: Sequence[Layout]) -> Layout | None:
    """The first layout whose mark is among the names; None if there is none."""
    known = list(names)
    return next(
        (one for one in layouts if any(re.fullmatch(one.mark, name) for name in known)), None
    )


def renamed(tensors: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Tensors under the names that rules give them.

    Args:
        tensors: of a checkpoint.
        rules: the first whose pattern fits the whole name counts; where none does, the name stays
            and is refused later. Tensors renamed to ``NAME#0``, ``NAME#1``... are joined in this
            order, along their first axis, as the tensor NAME.
    """
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for old, tensor in tensors.items():
        new = _renamed(old, rules)
        if new is None:
            continue
        name, joined, place = new.partition("#")
        if joined:
            parts.setdefault(name, {})[place] = tensor
        else:
            found[name] = tensor
    for name, own in parts.items():
        found[name] = torch.cat([own[place] for place in sorted(own)])
    return found


def _renamed(name: str, rules: Rules) -> str | None:
    for pattern, replacement in rules.items():
        match = re.fullmatch(pattern, name)
        if match is not None:
            return None if replacement is None else match.expand(replacement)
    return name
