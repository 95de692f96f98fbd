"""The paper's few-shot variant: a few target normals, and pseudo-anomalies made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twofold.augmentation import PatchSides, Policy, pseudo_anomalies, views_of
from twofold.encoders.pixels import encode_pixels
from twofold.methods.base import FitData
from twofold.paper.adaptation import AdaptationMethod
from twofold.paper.options import AdaptationConfig
from twofold.selection import Partition

__all__ = ["PaperFewShot", "PaperFewShotConfig"]


class PaperFewShotConfig(AdaptationConfig):
    """The paper only says "after Ge et al."; these are our readings of it."""

    AS_PRINTED: ClassVar[Mapping[str, Any]] = {
        **AdaptationConfig.AS_PRINTED,
        "batch_others": 32,  # As many pseudo-anomalies as positives.
    }

    # Pseudo-anomalies a step; none are made for 0. Shuffled patches are like no anomaly: a good
    # encoder has them far away before training, and a weak one learns to see shuffling instead.
    batch_others: int = Field(default=0, ge=0)
    augmentation: Policy = "msra"
    # Views are made and encoded once, so that frozen layers run once per view: this many of each
    # shot, and a pseudo-anomaly of each view where there are any.
    views: int = Field(default=16, ge=1)
    patch_sides: PatchSides = (16, 72)  # Of Ge et al.'s released command, at 224 pixels.

    def shot_outputs(self) -> tuple[str, ...]:
        """Augmentation happens before the encoder."""
        return ("pixels",)


class PaperFewShot(AdaptationMethod):
    """Positives are augmented shots, negatives, if any, their patches in disorder (eq. 8-10).

    No pool and no clustering: the shots are known to be normal. Without negatives eq. 8 has no
    denominator and its attraction remains.
    """

    id = "paper_few_shot"
    summary = "the paper's few-shot variant: aligned with a few known target normals"
    needs = frozenset({"target_shots"})
    Config = PaperFewShotConfig
    config: PaperFewShotConfig

    def _target(self, data: FitData, random_state: int) -> NDArray[np.float32]:
        """Activations of all views, then of their pseudo-anomalies, if any."""
        assert data.target_shots is not None
        generator = np.random.default_rng(random_state)
        shots = data.target_shots["pixels"][:]
        views = views_of(shots, self.config.views, self.config.augmentation, generator)
        if self.config.batch_others:
            shuffled = pseudo_anomalies(views, self.config.patch_sides, generator)
            views = np.concatenate([views, shuffled])
        return encode_pixels(self.encoder, views, self.config.split())

    def _partition(
        self, data: FitData, features: Callable[[], NDArray[np.float64]], random_state: int
    ) -> Partition:
        del features, random_state
        assert data.target_shots is not None
        n = len(data.target_shots) * self.config.views
        made = n if self.config.batch_others else 0
        return Partition(np.arange(n), np.arange(n, n + made))
