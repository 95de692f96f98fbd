"""The paper's method: align the source with the target's dominant cluster (arXiv 2502.21022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator

from twofold.densities import unit_rows
from twofold.encoders.registry import ENCODERS
from twofold.methods.base import FitData
from twofold.paper.adaptation import AdaptationMethod
from twofold.paper.options import AdaptationConfig
from twofold.selection import SELECTORS, Partition, refine, select

__all__ = ["Paper", "PaperConfig"]

# psi that is no second encoder: the frozen encoder itself, or the network in training.
_OWN = ("frozen", "self")


class PaperConfig(AdaptationConfig):
    """Options of the selection (eq. 6-7), and refinements of it."""

    AS_PRINTED: ClassVar[Mapping[str, Any]] = {
        **AdaptationConfig.AS_PRINTED,
        "selector": "kmeans",
    }

    # The paper's psi is CLIP, whose weights need a hub; "frozen" is the encoder before training,
    # "self" the network in training, clustered anew before each epoch; or any encoder's id.
    psi: str = "frozen"
    # The paper's K-means is "chosen for simplicity"; it cuts the normal mode itself and pushes half
    # of it away. By scarcity, only the stragglers of the one large mode can be anomalies.
    selector: str = "trimmed"
    # The paper's K everywhere but on VisDA-2017 (10); "auto" chooses it by scarcity.
    n_clusters: Annotated[int, Field(ge=1)] | Literal["auto"] = 2
    merge_cosine: float | None = Field(default=None, ge=-1, le=1)
    trim_dominant: float = Field(default=0.0, ge=0, lt=1)
    negatives: Literal["outside", "farthest"] = "outside"
    negative_share: float = Field(default=0.1, gt=0, lt=1)
    weigh_negatives: bool = False

    @field_validator("n_clusters", mode="wrap")
    @classmethod
    def _number_or_auto(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:  # It says one thing for each of the two kinds.
            problem = f"give auto or a whole number of at least 1, not {value!r}"
            raise ValueError(problem) from None

    @field_validator("psi")
    @classmethod
    def _known_psi(cls, psi: str) -> str:
        if psi not in _OWN and psi not in ENCODERS:
            raise ValueError(f"unknown psi {psi!r}: choose one of {', '.join(_known_psis())}")
        return psi

    @field_validator("selector")
    @classmethod
    def _known_selector(cls, selector: str) -> str:
        if selector not in SELECTORS:
            known = ", ".join(SELECTORS.ids())
            raise ValueError(f"unknown selector {selector!r}: choose one of {known}")
        return selector

    def selection_encoder(self) -> str | None:
        """The second encoder that psi names, if any."""
        return None if self.psi in _OWN else self.psi


class Paper(AdaptationMethod):
    """Cluster the target in psi's space, align the source with the largest cluster.

    A frozen psi is asked once, its vectors are L2-normalised, clustered and dropped at test time.
    """

    id = "paper"
    summary = "the paper: Deep SVDD + contrastive alignment with the target's dominant cluster"
    needs = frozenset({"target_pool"})
    Config = PaperConfig
    config: PaperConfig

    def _partition_follows(self) -> bool:
        return self.config.psi == "self"

    def _partition(
        self, data: FitData, features: Callable[[], NDArray[np.float64]], random_state: int
    ) -> Partition:
        vectors = unit_rows(self._psi(data, features))
        selection = select(
            self.config.selector,
            vectors,
            n_clusters=self.config.n_clusters,
            random_state=random_state,
        )
        return refine(
            selection,
            vectors,
            merge_cosine=self.config.merge_cosine,
            trim=self.config.trim_dominant,
            negatives=self.config.negatives,
            negative_share=self.config.negative_share,
            weigh=self.config.weigh_negatives,
        )

    def _psi(
        self, data: FitData, features: Callable[[], NDArray[np.float64]]
    ) -> NDArray[np.floating]:
        if self.config.psi == "self":
            return features()
        images = data.target_pool if data.target_selection is None else data.target_selection
        assert images is not None
        return images["pooled"]


def _known_psis() -> tuple[str, ...]:
    return (*_OWN, *ENCODERS.ids())
