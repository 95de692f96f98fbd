"""A method whose options decide what it consumes; it remembers what it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.methods import FitData, Method, MethodConfig, Need, Reference


class CuriousConfig(MethodConfig):
    """What to ask for besides shots."""

    wants: tuple[Need, ...] = ()


class Curious(Method):
    """Scores by the first number of the pooled vector."""

    id = "curious"
    summary = "for tests"
    needs = frozenset({"target_shots"})
    Config = CuriousConfig
    config: CuriousConfig

    @classmethod
    def wanted(cls, config: MethodConfig) -> frozenset[Need]:
        """As the options say."""
        assert isinstance(config, CuriousConfig)
        return cls.needs | set(config.wants)

    def _fit(self, data: FitData, random_state: int, progress: Any) -> None:
        del random_state, progress
        self.data_ = data

    def _score(self, images: EncodedImages) -> NDArray[np.float64]:
        return images["pooled"][:, 0].astype(np.float64)

    def _reference(self, data: FitData, random_state: int) -> Reference:
        del random_state
        return Reference(self._score(data.source), "source", data.source.grouping())

    def _state(self) -> dict[str, NDArray[Any]]:
        return {}

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        del state
