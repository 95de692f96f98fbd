"""PatchCore: distance of an image's patches to the nearest of a few representative normal ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twofold.deferred import deferred
from twofold.eyes import only_looked_at
from twofold.eyes.coreset import patch_coreset
from twofold.methods.patch_methods.base import PatchConfig, PatchMethod

if TYPE_CHECKING:
    from scipy import special

    from twofold.methods.graphs import Judge, Places
    from twofold.methods.patch_methods import graph
else:
    graph = deferred("twofold.methods.patch_methods.graph")
    special = deferred("scipy.special")

__all__ = ["PatchBank", "Patchcore", "PatchcoreConfig"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]


class PatchcoreConfig(PatchConfig):
    """Size and use of the memory bank."""

    # The paper's smallest bank, which loses next to nothing.
    coreset_share: float = Field(default=0.01, gt=0, le=1)
    # One in a hundred patches of a handful of images would be a handful of patches.
    coreset_least: int = Field(default=500, ge=1)
    # 1% of 5,000 images of 14 x 14 places; at 160 channels 6.4 MB, and 5 ms an image to search.
    coreset_limit: int = Field(default=10_000, ge=1)
    # Patches the bank is chosen from, drawn at random if there are more: at most 58 MB, and the
    # greedy choice takes seconds rather than minutes. More than 50,000 are a stream of blocks.
    candidates: int = Field(default=50_000, ge=1)
    # b of eq. 7, which the paper leaves open; 9 is anomalib's, and 1 turns the weight off.
    neighbours: int = Field(default=9, ge=1)


@dataclass(frozen=True)
class PatchBank:
    """Normal patches; what is far from all of them is odd.

    Attributes:
        rows: float32 (k, c), distinct.
        neighbours: b of eq. 7; all rows where there are fewer.
    """

    rows: Floats
    neighbours: int

    def distances(self, patches: Floats, looked_at: Mask | None = None) -> Array:
        """Euclidean distance of each patch to its nearest row, float64 (n, p).

        Args:
            patches: (n, c, g, g). Cost O(n p k c) time, ``4 p k`` bytes.
            looked_at: bool (n, p), patches that count; the others are at 0.
        """
        found = np.empty((len(patches), math.prod(patches.shape[2:])))
        for image, rows in zip(found, _rows(patches), strict=True):
            image[:] = self._nearest(rows)[0]
        return only_looked_at(found, looked_at)

    def scores(self, patches: Floats, looked_at: Mask | None = None) -> Array:
        """Distance of each image's oddest patch that counts, weighted by eq. 7, float64 (n,)."""
        return self.both(patches, looked_at)[0]

    def both(self, patches: Floats, looked_at: Mask | None = None) -> tuple[Array, Array]:
        """Scores and distances, of one search for the nearest rows."""
        n = len(patches)
        scores, found = np.empty(n), np.empty((n, math.prod(patches.shape[2:])))
        for image, rows in enumerate(_rows(patches)):
            shown = None if looked_at is None else looked_at[image]
            distances, nearest = self._nearest(rows)
            found[image] = only_looked_at(distances, shown)
            oddest = int(found[image].argmax())
            scores[image] = self._weighted(rows[oddest], float(distances[oddest]), nearest[oddest])
        return scores, found

    def _nearest(self, patches: Floats) -> tuple[Array, Index]:
        """Distance to the nearest row and its position; one image at a time, so that a product's
        shape, and with it the rounding, is always the same.
        """
        half_squares = 0.5 * np.einsum("kc,kc->k", self.rows, self.rows)
        nearest = (half_squares - patches @ self.rows.T).argmin(axis=1)
        # The expansion rounds where patches are near; the differences do not.
        return _lengths(patches - self.rows[nearest]), nearest

    def _weighted(self, patch: Floats, farthest: float, nearest: np.intp) -> float:
        """The distance of an image's oddest patch to its nearest row, weighted by eq. 7."""
        b = min(self.neighbours, len(self.rows))
        if b == 1:
            return farthest
        between = _lengths(self.rows - self.rows[nearest])
        # The row itself is the first of its own neighbours.
        beside = np.argsort(between, kind="stable")[:b]
        away = _lengths(patch - self.rows[beside])
        return farthest * (1.0 - float(special.softmax(away)[0]))

    def state(self) -> dict[str, NDArray[Any]]:
        """The rows; the rest is an option."""
        return {"bank": self.rows}


class Patchcore(PatchMethod):
    """PatchCore (Roth et al. 2022, "Towards total recall in industrial anomaly detection").

    Memory bank: patches averaged over their neighbourhood (eq. 1 to 3, by the encoder's output),
    thinned to a greedy k-centre coreset on a random projection (eq. 5, algorithm 1). Patch score:
    distance to the nearest patch of the bank. Image score: the largest, s*, weighted by how alone
    that patch's nearest one stands (eq. 6 and 7).

    Departures: the coreset is chosen among ``candidates`` patches drawn at random and holds
    between ``coreset_least`` and ``coreset_limit``; maps are not blurred; the encoder is ours. The
    weight of eq. 7 depends on the unit of the features, as published. A coreset seeks what is
    rare: anomalies in a pool are likely to be in the bank, and then count as normal.
    """

    id = "patchcore"
    summary = "PatchCore: distance of patches to a coreset of normal patches; anomaly maps"
    Config = PatchcoreConfig
    config: PatchcoreConfig
    model_: PatchBank

    def graph(self, places: Mapping[str, Places]) -> Judge:
        """See :meth:`Method.graph`."""
        self._require_fitted()
        name = self.config.patches()
        return graph.PatchcoreJudge(self.model_, self.maps_, name, places[name])

    def _model(self, patches: Floats, random_state: int, looked_at: Mask | None) -> PatchBank:
        config = self.config
        total = (
            len(patches) * math.prod(patches.shape[2:])
            if looked_at is None
            else int(looked_at.sum())
        )
        wanted = max(math.ceil(config.coreset_share * total), config.coreset_least)
        generator = np.random.default_rng(random_state)
        size = min(wanted, config.coreset_limit)
        rows = patch_coreset(patches, size, config.candidates, generator, looked_at)
        return PatchBank(rows, config.neighbours)

    def _model_from(self, state: dict[str, NDArray[Any]], channels: int) -> PatchBank:
        rows = state["bank"]
        if rows.ndim != 2 or rows.shape[1] != channels or rows.dtype != np.float32:
            raise ValueError(f"a bank of shape {rows.shape} and type {rows.dtype}")
        if not np.isfinite(rows).all() or len(np.unique(rows, axis=0)) != max(len(rows), 1):
            raise ValueError("a bank holds distinct, finite patches")
        return PatchBank(rows, self.config.neighbours)


def _rows(patches: Floats) -> Iterator[Floats]:
    """The patches of each image, contiguous float32 (p, c), of an array or of rows on disk."""
    for image in range(len(patches)):
        places = np.asarray(patches[image], dtype=np.float32).reshape(patches.shape[1], -1)
        yield np.ascontiguousarray(places.T)


def _lengths(rows: Floats) -> Array:
    return np.asarray(np.sqrt(np.einsum("nc,nc->n", rows, rows, dtype=np.float64)))
