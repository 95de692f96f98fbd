"""What a fit of `auto` keeps of an earlier one.

A fit with marks knows more about single images. What it is told by name here is about the two
domains instead: how much the source says about whole images and about patches, and how far a
patch's place determines it. Chosen anew, these would depend on which images happen to be marked:
held-out likelihoods of small pools lie so close together that a few images decide. Which images are
presumed normal, and whether a lesser group lies apart, is what marks are about, and is not kept.
Places and sizes are in the options of the earlier model.
"""

from __future__ import annotations

from collections.abc import Mapping

from twofold.errors import ConfigError
from twofold.methods.views.source_role import SourceRole

__all__ = ["kept_local_weight", "kept_role", "kept_weights"]

Choices = Mapping[str, float]


def kept_weights(settled: Choices) -> tuple[float, ...] | None:
    """The source's weights for :func:`twofold.methods.views.global_view.fit_global`.

    Args:
        settled: by an earlier fit; see :class:`twofold.methods.FitData`.

    Returns:
        1, and where it differs the one that was likeliest; None where nothing is known.

    Raises:
        ConfigError: no weight.
    """
    best = _weight(settled, "global_source_weight")
    if best is None:
        return None
    return (1.0,) if best == 1.0 else (1.0, best)


def kept_role(settled: Choices) -> SourceRole | None:
    """What the source does in the fit to patches; None where not all of it is known.

    Raises:
        ConfigError: no weight.
    """
    weight, starts = _weight(settled, "source_weight"), settled.get("starts_like_source")
    return None if weight is None or starts is None else SourceRole(weight, starts != 0)


def kept_local_weight(settled: Choices) -> float | None:
    """Of patches in the mixture of two views; None where nothing is known.

    Raises:
        ConfigError: no weight.
    """
    return _weight(settled, "local_weight")


def _weight(settled: Choices, name: str) -> float | None:
    value = settled.get(name)
    if value is not None and not 0 <= value <= 1:
        raise ConfigError(f"settled by an earlier fit: {name} must lie in [0, 1], not {value}")
    return value
