"""A method whose options decide what it consumes; it remembers what it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.methods import FitData, Found, Method, MethodConfig, Need, OutOfSample


class CuriousConfig(MethodConfig):
    """What to ask for besides shots."""

    wants: tuple[Need, ...] = ()

    def wanted(self, needs: frozenset[Need]) -> frozenset[Need]:
        """As the options say."""
        return needs | set(self.wants)


class Curious(Method):
    """Scores by the first number of the pooled vector."""

    id = "curious"
    summary = "for tests"
    needs = frozenset({"target_shots"})
    Config = CuriousConfig
    config: CuriousConfig

    def _fit(self, data: FitData, random_state: int, progress: Any) -> Found:
        del random_state, progress
        self.data_ = data
        own = OutOfSample(self._score(data.source), "source", data.source.grouping())
        return Found(out_of_sample=own)

    def _score(self, images: EncodedImages) -> NDArray[np.float64]:
        return images["pooled"][:, 0].astype(np.float64)

    def _state(self) -> dict[str, NDArray[Any]]:
        return {}

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        del state
