"""The frozen encoder as a detector: nearness to the source normals or a text, no adaptation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from twofold.deferred import deferred
from twofold.densities import in_blocks, mean_of, normalised, some, unit_rows
from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.errors import ConfigError
from twofold.methods.base import (
    FOLDS,
    FitData,
    Found,
    Method,
    MethodConfig,
    OutOfSample,
    Progress,
    folds,
)
from twofold.methods.density import WholeConfig

if TYPE_CHECKING:
    from twofold.encoders import text as texts
    from twofold.methods import whole_graphs
    from twofold.methods.graphs import Judge, Places
else:
    texts = deferred("twofold.encoders.text")
    whole_graphs = deferred("twofold.methods.whole_graphs")

__all__ = ["FrozenSource", "FrozenSourceConfig"]

Array = NDArray[np.float64]

CLASS = "{class}"
"""Where a benchmark writes the name of the normal class into a text."""


class FrozenSourceConfig(WholeConfig):
    """How the paper's Table 4 scores is not stated; the default is eq. 5's distance."""

    scoring: Literal["center", "cosine", "knn"] = "center"
    neighbours: int = Field(default=2, ge=1)  # Of "knn", as in PANDA.
    # What normal images show, for encoders with a text tower; the score is then the distance to it,
    # whatever `scoring` says. The paper's zero-shot rows may have been this.
    text: str | None = None

    @field_validator("text")
    @classmethod
    def _is_a_text(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("an empty text: write what normal images show, or leave it out")
        return text

    def reads_text(self) -> bool:
        """Where one is given."""
        return self.text is not None

    def for_class(self, name: str) -> Self:
        """With the name of the class in the text, underscores as spaces."""
        if self.text is None:
            return self
        return self.model_copy(update={"text": self.text.replace(CLASS, name.replace("_", " "))})


class FrozenSource(Method):
    """Distance of the L2-normalised vector to the source normals (Table 4).

    ``center``: squared distance to their mean. ``cosine``: one minus the cosine with it. ``knn``:
    mean squared distance to the nearest of them. With a ``text``, one minus the cosine with the
    text's vector instead; the source then only says where a threshold lies.
    """

    id = "frozen_source"
    summary = "distance to the source normals in the frozen encoder's space; no adaptation"
    Config = FrozenSourceConfig
    config: FrozenSourceConfig

    def __init__(self, encoder: Encoder, config: MethodConfig | None = None) -> None:
        super().__init__(encoder, config)
        text = self.config.text
        if text is None:
            return
        texts.text_tower(encoder.spec)
        if CLASS in text:
            raise ConfigError(
                f"the text {text!r} still holds {CLASS}: write the class's name instead "
                "(only `twofold bench` fills it in)"
            )

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        del progress
        rows = self._rows(data.source)
        if self.config.text is not None:
            # float64: the arithmetic of the scores.
            self.reference_ = texts.encode_text(self.encoder, self.config.text)[None].astype(
                np.float64
            )
            own = OutOfSample(self._score(data.source), "source", data.source.grouping(), "log")
            return Found(out_of_sample=own)
        self.reference_ = self._model(rows)
        scores = np.empty(len(rows))
        for fold in folds(data.source.grouping(), FOLDS, random_state):
            scores[fold] = self._distances(some(rows, fold), self._model(rows, ~fold))
        own = OutOfSample(scores, "source", data.source.grouping(), "log")
        return Found(out_of_sample=own)

    def _rows(self, images: EncodedImages) -> Array:
        """Unit vectors (n, d); of many images they are made when they are asked for."""
        return normalised(images.rows(self.config.vectors()), unit_rows)

    def _model(self, rows: Array, chosen: NDArray[np.bool_] | None = None) -> Array:
        """What is kept of the source rows: (1, d) their mean, or all of them."""
        if self.config.scoring == "knn":
            return rows[:] if chosen is None else rows[chosen]
        return mean_of(rows, chosen)[None]

    def _distances(self, rows: Array, normals: Array) -> Array:
        scoring = "cosine" if self.config.reads_text() else self.config.scoring
        if scoring == "center":
            return in_blocks(lambda block: np.square(block - normals[0]).sum(axis=1), rows)
        if scoring == "cosine":
            toward = unit_rows(normals)[0]
            return in_blocks(lambda block: 1.0 - block @ toward, rows)
        # Fewer normals than neighbours: all of them.
        k = min(self.config.neighbours, len(normals))
        return in_blocks(lambda block: _nearest(block, normals, k), rows)

    def _score(self, images: EncodedImages) -> Array:
        return self._distances(self._rows(images), self.reference_)

    def graph(self, places: Mapping[str, Places]) -> Judge:
        """See :meth:`Method.graph`."""
        del places
        self._require_fitted()
        return whole_graphs.FrozenSourceJudge(self.reference_, self.config)

    def _state(self) -> dict[str, NDArray[Any]]:
        return {self._kept(): self.reference_}

    def _kept(self) -> str:
        """What the distances are to: the name of the saved array."""
        return "text" if self.config.reads_text() else "normals"

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        kept = self._kept()
        self.reference_ = state[kept]
        shape, dim = self.reference_.shape, self.encoder.spec.feature_dim
        if len(shape) != 2 or shape[1] != dim or not shape[0]:
            raise ValueError(f"{kept} has shape {shape}")
        if shape[0] != 1 and (self.config.reads_text() or self.config.scoring != "knn"):
            expected = "vector" if self.config.reads_text() else "mean"
            raise ValueError(f"{kept} has shape {shape}, expected one {expected}")


def _nearest(rows: Array, normals: Array, k: int) -> Array:
    """Mean squared distance of unit rows to the k nearest normals, float64 (n,)."""
    squared = np.square(rows).sum(axis=1)[:, None] + np.square(normals).sum(axis=1)
    squared -= 2.0 * (rows @ normals.T)
    nearest = np.partition(np.maximum(squared, 0.0), k - 1, axis=1)[:, :k]
    return np.asarray(nearest.mean(axis=1))
