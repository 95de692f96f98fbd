"""The scores that thresholds, percentiles and p-values are read off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError
from twofold.thresholds.tails import Tail, fit_tail

__all__ = ["Calibration", "Origin", "Rule", "ScoreScale"]

Array = NDArray[np.float64]
Origin = Literal["target", "source"]
Rule = Literal["pool", "tail"]
"""Whether every calibration image counts as normal, or the tail of normals is bounded."""
ScoreScale = Literal["linear", "log"]
"""On which scale a method's scores of normals are close to symmetric; ``log``: positive scores."""


# Part of a rate that is spent on normals which may lie among the surely odd.
_SPENT = 0.1


@dataclass(frozen=True, eq=False)
class Calibration:
    """Out-of-sample scores of the images that a threshold rests on.

    Attributes:
        scores: float64 (n,) ascending.
        weights: float64 (n,), of the same images: one over the size of the image's group, so that
            a group (copies, frames, one part seen often) counts as one image.
        origin: ``target``: the pool, with its anomalies; ``source``: known normals.
        rule: ``pool``: every image counts as a normal one, so that anomalies in the pool raise
            thresholds and p-values; ``tail``: see :func:`twofold.thresholds.fit_tail`.
        scale: of the scores, for the rule ``tail``.
    """

    scores: Array
    weights: Array
    origin: Origin
    rule: Rule = "pool"
    scale: ScoreScale = "linear"

    @classmethod
    def of(
        cls,
        scores: NDArray[np.floating],
        *,
        origin: Origin = "target",
        groups: NDArray[np.integer] | None = None,
        rule: Rule = "pool",
        scale: ScoreScale = "linear",
    ) -> Calibration:
        """Sort the scores and weigh the groups.

        Args:
            scores: (n,), each by a fit that has not seen its image or any of its group.
            origin: see the class.
            groups: int (n,), equal for images that are no independent draws; None: all are.
            rule: see the class; a source holds normals alone, so that its rule is ``pool``.
            scale: see the class.

        Raises:
            NotEnoughImagesError: no score.
        """
        values = np.asarray(scores, dtype=np.float64)
        if not len(values):
            raise NotEnoughImagesError(f"a threshold needs at least 1 {origin} image, got 0")
        weights = np.ones(len(values))
        if groups is not None:
            _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
            weights = 1.0 / sizes[place]
        order = np.argsort(values, kind="stable")
        used: Rule = "pool" if origin == "source" else rule
        return cls(values[order], weights[order], origin, used, scale)

    @property
    def n_groups(self) -> int:
        """Independent images: the groups, each of which counts as one."""
        return round(float(self.weights.sum()))

    def above(self, scores: NDArray[np.floating], *, inclusive: bool = False) -> Array:
        """Calibration images, by weight, that score higher than each score, float64 (m,).

        Args:
            scores: (m,), not NaN.
            inclusive: count equal scores too.
        """
        side: Literal["left", "right"] = "left" if inclusive else "right"
        total = np.concatenate([np.cumsum(self.weights[::-1])[::-1], [0.0]])
        return np.asarray(total[np.searchsorted(self.scores, scores, side=side)])

    def without_surely_odd(self, share: float) -> Calibration:
        """The images that do not lie surely beyond the normals; all of them by the rule ``pool``.

        Args:
            share: at most this share of normals is taken for odd by mistake, in (0, 1).
        """
        tail = self.tail
        if tail is None:
            return self
        kept = self._on_scale <= tail.quantile(share)
        return replace(self, scores=self.scores[kept], weights=self.weights[kept])

    def kept_for(self, rate: float) -> tuple[Calibration, float]:
        """The images to read a rate off, and the part of it that leaving out the others costs.

        Args:
            rate: of false alarms, in (0, 1).

        Returns:
            All images at no cost, or those that do not lie surely beyond the normals at a tenth of
            the rate.
        """
        spent = _SPENT * rate
        kept = self.without_surely_odd(spent)
        return (kept, spent) if len(kept.scores) < len(self.scores) else (self, 0.0)

    def with_tail(self, tail: Tail | None) -> Calibration:
        """The same, whose bound on the normals' tail is known: a saved model has it."""
        copy = replace(self)
        copy.__dict__["tail"] = tail
        return copy

    @cached_property
    def tail(self) -> Tail | None:
        """The bound on the normals' tail; None where the rule has none, or it cannot be fitted."""
        return None if self.rule == "pool" else fit_tail(self._on_scale, self.weights)

    @cached_property
    def _on_scale(self) -> Array:
        """The scores on the scale on which the tail is bounded."""
        return self.scores if self.scale == "linear" else np.log(np.maximum(self.scores, 1e-300))
