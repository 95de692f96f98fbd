"""The two tests of a monitor: the bets of each, and how far what changed has moved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twofold.drift.document import BetsDocument, RankedBetsDocument, rows
from twofold.drift.ranks import UPPER_SHARES, Ranks
from twofold.drift.regions import fit_regions
from twofold.drift.wealth import Wealth
from twofold.errors import ConfigError

__all__ = ["HISTORY", "AnomalyTest", "DomainTest", "SequentialTest"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

HISTORY = 5000
"""Images that are kept to say since when, and to draw. A warning comes long before as many."""
# Spreads beyond which an image lies far off, and how far no longer matters.
_FAR = 6.0


class SequentialTest(ABC):
    """One of the two tests: how the bets on its regions go."""

    def __init__(self, reference: Array, probability: float, least: Array, parts: Array) -> None:
        """``probability`` is that of a false warning; the others are of each region."""
        self.reference, self._probability = reference, probability
        self._least, self._parts = least, parts
        self.wealth = Wealth.at_start(len(least))
        self.most = 0.0
        self.warned_at: int | None = None
        self.course: Array = np.empty(0)

    @abstractmethod
    def inside(self, values: Array) -> Mask:
        """Which images are inside which region, bool (t, r); each image is asked for once."""

    @abstractmethod
    def moved(self, values: Array) -> Array:
        """How far images lie from those of the fit in what changed most, float64 (t,).

        In spreads of the fit, 0 on average before a change.
        """

    def update(self, values: Array) -> None:
        """Bet on more images."""
        before = self.wealth.seen
        self.wealth, logs = self.wealth.after(self.inside(values), self._least, self._parts)
        self.course = np.concatenate([self.course, logs])[-HISTORY:]
        self.most = max(self.most, float(logs.max(initial=-np.inf)))
        over = np.flatnonzero(logs >= -np.log(self._probability))
        if self.warned_at is None and len(over):
            self.warned_at = before + int(over[0]) + 1

    def document(self) -> BetsDocument:
        """What it knows."""
        return BetsDocument(
            log_bets=rows(self.wealth.log_bets),
            most=self.most,
            warned_at=self.warned_at,
            course=tuple(self.course.tolist()),
        )

    def restore(self, found: BetsDocument, seen: int, name: str) -> None:
        """Know that instead.

        Raises:
            ConfigError: it is of other regions.
        """
        bets = self.wealth.log_bets
        if len(found.log_bets) != len(bets) or {len(row) for row in found.log_bets} != {
            bets.shape[1]
        }:
            raise ConfigError(f"{name}: was written by another version; begin anew")
        self.wealth = Wealth(np.array(found.log_bets), seen)
        self.most, self.warned_at = found.most, found.warned_at
        self.course = np.array(found.course)


class AnomalyTest(SequentialTest):
    """Bets that more scores are high than at the fit.

    Half of them are against the images of the fit alone, as are those on the domain; they gain as
    long as the change lasts. The other half are on ranks among all images so far, which know the
    usual share the better the longer the stream, and notice in a long one what the fit's few images
    cannot tell from chance; but a change that lasts becomes the usual.
    """

    def __init__(self, reference: Array, probability: float, *, error: float) -> None:
        self._fixed = fit_regions(reference[:, :1], allowed=0.0, error=error, upper_only=True)
        least = np.concatenate([self._fixed.least, 1.0 - np.array(UPPER_SHARES)])
        super().__init__(reference, probability, least, np.full(len(least), 1 / len(least)))
        self.ranks = Ranks.of(reference[:, 0])

    def inside(self, values: Array) -> Mask:
        """Not among the highest; counts them."""
        self.ranks, as_high = self.ranks.after(values[:, 0])
        low = as_high[:, None] > np.array(UPPER_SHARES)
        return np.concatenate([self._fixed.inside(values[:, :1]), low], axis=1)

    def moved(self, values: Array) -> Array:
        """Upwards, by score."""
        return _spreads(self.reference[:, 0], values[:, 0], sides=1)

    def document(self) -> RankedBetsDocument:
        """What it knows, and the counts."""
        counts = tuple(self.ranks.counts.tolist())
        return RankedBetsDocument(**super().document().model_dump(), counts=counts)

    def restore(self, found: BetsDocument, seen: int, name: str) -> None:
        """Know that instead.

        Raises:
            ConfigError: it is of other regions, or of another stream.
        """
        super().restore(found, seen, name)
        assert isinstance(found, RankedBetsDocument)
        counts = np.array(found.counts, dtype=np.int64)
        if len(counts) != len(self.ranks.counts) or counts.sum() != len(self.reference) + seen:
            raise ConfigError(f"{name}: the counts of its scores are of another stream")
        self.ranks = replace(self.ranks, counts=counts)


class DomainTest(SequentialTest):
    """Bets that a region holds less than the allowed part of what it held at the fit."""

    def __init__(
        self, reference: Array, probability: float, allowed: float, *, error: float
    ) -> None:
        self.regions = fit_regions(reference, allowed=allowed, error=error)
        super().__init__(reference, probability, self.regions.least, self.regions.parts())

    def inside(self, values: Array) -> Mask:
        """Of the regions of the fit."""
        return self.regions.inside(values)

    def moved(self, values: Array) -> Array:
        """In the number whose region says most."""
        regions = self.regions
        region = int((self.wealth.by_region() + np.log(regions.parts())).argmax())
        feature = regions.feature[region]
        both = np.isfinite(regions.low[region]) and np.isfinite(regions.high[region])
        return _spreads(self.reference[:, feature], values[:, feature], sides=2 if both else 1)


def _spreads(known: Array, new: Array, *, sides: int) -> Array:
    """How far numbers lie from known ones; with two sides, whichever way."""
    centre = float(np.median(known))
    spread = float(np.median(np.abs(known - centre))) or 1.0
    known, new = (np.clip((one - centre) / spread, -_FAR, _FAR) for one in (known, new))
    if sides == 2:
        known, new = np.abs(known), np.abs(new)
    return np.asarray(new - known.mean())
