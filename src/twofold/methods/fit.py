"""What a fit gives: the model, scores of the images it was fitted on, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from twofold.thresholds import Origin, ScoreScale

if TYPE_CHECKING:
    from twofold.selection import Partition

__all__ = ["Diagnostics", "Fit", "Found", "MadeUpFlaws", "OutOfSample"]

Array = NDArray[np.float64]
M_co = TypeVar("M_co", covariant=True)


@dataclass(frozen=True)
class OutOfSample:
    """Scores of the images of a fit by models that have not seen them; a threshold rests on them.

    Attributes:
        scores: float64 (n,), each from a model that saw neither the image it scores nor any other
            of its group.
        origin: ``target`` (the pool, its anomalies included) or ``source`` (normals only).
        groups: int64 (n,), see :meth:`twofold.encoders.encode.EncodedImages.grouping`.
        scale: on which scores of normals are close to symmetric; ``log`` for positive distances.
        views: float64 (n, v), the parts of which the scores are weighted means, on their scale,
            out of sample likewise; v = 0 where they have no parts.
    """

    scores: Array
    origin: Origin
    groups: NDArray[np.int64]
    scale: ScoreScale = "linear"
    views: Array = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        """No parts of so many scores."""
        if not self.views.size:
            object.__setattr__(self, "views", np.empty((len(self.scores), 0)))


@dataclass(frozen=True)
class MadeUpFlaws:
    """Scores of made-up flaws on presumed normals, by a model that has not seen these images.

    Attributes:
        shares: float64 (s,), of an image's area.
        sides: float64 (s,), of a square as large as the flaw, in pixels of a median image.
        scores: float64 (s, h), one flaw of each size on each of h images.
        out_of_sample: of the same model: what a threshold for these scores is read off.
    """

    shares: Array
    sides: Array
    scores: Array
    out_of_sample: OutOfSample


@dataclass(frozen=True)
class Diagnostics:
    """What a fit tells of itself. Scoring needs none of it, and a saved model has none of it.

    Attributes:
        choices: what was settled without labels, by name; goes to the evidence.
        presumed_normal: the images of the pool that each model inside rests on, bool (n,), by its
            name.
        partition: which target images the training aligned with, and which it pushed away.
        losses: mean loss of each epoch, by phase of the training.
        steps: of the optimiser.
        networks: all that was trained, of which scoring needs a part, for looking at.
        made_up_flaws: how the method sees them; None where that is not known.
    """

    choices: Mapping[str, float] = field(default_factory=dict)
    presumed_normal: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    partition: Partition | None = None
    losses: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    steps: int = 0
    networks: Any = None
    made_up_flaws: MadeUpFlaws | None = None

    @classmethod
    def of_training(
        cls, losses: tuple[float, ...], steps: int, partition: Partition | None = None
    ) -> Diagnostics:
        """Of a training in one phase: its mean loss of each epoch, and its steps."""
        chosen = None if partition is None else partition.chosen
        choices = {} if chosen is None else {"n_clusters": float(chosen)}
        return cls(choices=choices, partition=partition, losses={"training": losses}, steps=steps)


@dataclass(frozen=True)
class Found:
    """What a method's own ``_fit`` returns: what it tells, and out-of-sample scores if at hand."""

    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    out_of_sample: OutOfSample | None = None


@dataclass(frozen=True)
class Fit(Generic[M_co]):
    """The result of :meth:`twofold.methods.Method.fit`.

    Attributes:
        model: scores images, and can be saved.
        diagnostics: what the fit tells of itself.
        cross_fit: gives the out-of-sample scores.
    """

    model: M_co
    diagnostics: Diagnostics
    cross_fit: Callable[[], OutOfSample]

    @cached_property
    def out_of_sample(self) -> OutOfSample:
        """See :class:`OutOfSample`. Trained methods train again when first asked for it."""
        return self.cross_fit()
