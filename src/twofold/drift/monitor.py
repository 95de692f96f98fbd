"""Watches a stream of images for a domain that moves, and for more anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from twofold.defaults import DEFAULT_FALSE_WARNINGS
from twofold.drift.document import BetsDocument, MonitorDocument, numbers_digest
from twofold.drift.pace import PaceOfChange, pace_of_change
from twofold.drift.regions import fit_regions
from twofold.drift.wealth import Wealth
from twofold.errors import ConfigError

__all__ = ["ALLOWED", "KIND_WORDS", "Drift", "DriftKind", "DriftMonitor", "Warned"]

Array = NDArray[np.float64]
DriftKind = Literal["none", "anomalies", "domain"]
"""What has changed: nothing that shows; more images are odd; the bulk of them lies elsewhere."""

KIND_WORDS: Mapping[DriftKind, str] = {
    "none": "no change",
    "anomalies": "more images are odd than at the fit",
    "domain": "the domain has moved",
}
"""What is said of each kind."""
ALLOWED = 0.3
"""Share of images that may be anomalies without the domain counting as moved: beyond three tenths
nobody can tell which part is the usual one, and the methods themselves expect less."""
# Images that are kept to say since when, and to draw. A warning comes long before as many.
_HISTORY = 5000
# Spreads beyond which an image lies far off, and how far no longer matters.
_FAR = 6.0


@dataclass(frozen=True)
class Warned:
    """A warning.

    Attributes:
        at: images that had been seen when it came.
        change: since when, and how, as far as the images tell by now.
    """

    at: int
    change: PaceOfChange


@dataclass(frozen=True)
class Drift:
    """What is known after some images.

    Attributes:
        n_images: seen.
        kind: the graver of the warnings.
        warnings: by kind.
        p_values: by kind: at most this is the probability that images like those of the fit ever
            look so changed.
        false_warnings: the stated probability of any warning.
    """

    n_images: int
    kind: DriftKind
    warnings: Mapping[DriftKind, Warned]
    p_values: Mapping[DriftKind, float]
    false_warnings: float

    def advice(self) -> str:
        """What to do, in one sentence."""
        if self.kind == "none":
            return "Go on: nothing has changed that these images can show."
        change = self.warnings[self.kind].change
        n = self.n_images - change.since
        if self.kind == "anomalies":
            return (
                f"Review 20 of the last {n} images: more of them are odd than at the fit, while "
                "the bulk looks as it did."
            )
        return (
            f"Fit again with the last {n} images as the target: the bulk of the images looks "
            "different from the target of the fit."
        )


class DriftMonitor:
    """A sequential test that may be looked at after every image.

    Two things are tested, each at half of the stated probability of a false warning, a half of
    which covers that the images of the fit are finitely many:

    - *anomalies*: at most as many images as at the fit score above its median, in its highest
      tenth, and in its highest fiftieth;
    - *domain*: at least seven tenths of the images are as at the fit, whatever the others are. So
      every region of scores and directions holds seven tenths of what it held, at least.

    A domain that moves makes images odd as well: then both warn, and the domain is what counts.

    Attributes:
        false_warnings: the stated probability of any warning.
        n_features: numbers of each image.
    """

    def __init__(
        self,
        reference: Array,
        *,
        false_warnings: float = DEFAULT_FALSE_WARNINGS,
        allowed: float = ALLOWED,
    ) -> None:
        """Before the first image.

        Args:
            reference: float64 (n, f), n >= 20: the numbers of independent images of the target
                when it was fitted; the first is the score, out of sample.
            false_warnings: probability of any warning, ever, on such images, in (0, 1).
            allowed: see :data:`ALLOWED`, in [0, 1).

        Raises:
            NotEnoughImagesError: fewer than 20 images.
            ConfigError: a number is out of its range.
        """
        if not 0 < false_warnings < 1:
            raise ConfigError("the probability of a false warning must lie between 0 and 1")
        if reference.ndim != 2 or not np.isfinite(reference).all():
            raise ConfigError("drift compares finite numbers, one row an image")
        self.false_warnings, self.n_features = false_warnings, reference.shape[1]
        self._allowed = allowed
        self._each = false_warnings / 4
        self._tests: dict[DriftKind, _Test] = {
            "anomalies": _Test(reference[:, :1], 0.0, self._each, upper_only=True),
            "domain": _Test(reference, allowed, self._each),
        }
        self._recent = np.empty((0, self.n_features))

    def update(self, values: Array) -> Drift:
        """Take more images into account, in the order in which they came.

        Args:
            values: float64 (t, f), finite; t may be 0.

        Raises:
            ConfigError: they are not numbers as those of the reference.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.shape[1:] != (self.n_features,) or not np.isfinite(values).all():
            raise ConfigError(f"drift needs {self.n_features} finite numbers of each image")
        self._recent = np.concatenate([self._recent, values])[-_HISTORY:]
        for test in self._tests.values():
            test.update(values, self._each)
        return self.current()

    def current(self) -> Drift:
        """What is known by now."""
        seen = self._tests["domain"].wealth.seen
        warnings = {
            kind: Warned(test.warned_at, self._change(test))
            for kind, test in self._tests.items()
            if test.warned_at is not None
        }
        kind: DriftKind = "anomalies" if "anomalies" in warnings else "none"
        kind = "domain" if "domain" in warnings else kind
        return Drift(
            seen,
            kind,
            warnings,
            {kind: float(np.exp(-max(test.most, 0.0))) for kind, test in self._tests.items()},
            self.false_warnings,
        )

    def recent(self) -> Array:
        """The numbers of the images seen last, at most 5,000, float64 (t, f)."""
        return self._recent.copy()

    def evidence(self) -> dict[DriftKind, Array]:
        """Logarithm to base 10 of what speaks for a change after each recent image, float64 (t,).

        A warning comes when it reaches that of 4 / ``false_warnings``.
        """
        return {kind: test.course / np.log(10.0) for kind, test in self._tests.items()}

    def document(self) -> bytes | None:
        """All that it knows, as JSON of at most some megabytes; None before the first image.

        :meth:`from_document` goes on with it as if nothing had come between, to the last bit.
        """
        seen = self._tests["domain"].wealth.seen
        if not seen:
            return None
        return MonitorDocument(
            format="twofold drift 1",
            reference=numbers_digest(self._tests["domain"].reference),
            false_warnings=self.false_warnings,
            allowed=self._allowed,
            seen=seen,
            recent=_rows(self._recent),
            anomalies=self._tests["anomalies"].document(),
            domain=self._tests["domain"].document(),
        ).text()

    @classmethod
    def from_document(cls, reference: Array, document: bytes, name: str = "the document") -> Self:
        """Go on where :meth:`document` ended.

        Args:
            reference: the same as of the monitor that wrote it.
            document: of :meth:`document`; anything else is an error.
            name: of the document, for errors.

        Raises:
            ConfigError: it is none, or is about another fit.
            NotEnoughImagesError: as for a new monitor.
        """
        found = MonitorDocument.parsed(document, name)
        if found.reference != numbers_digest(reference):
            raise ConfigError(f"{name}: is about images that another model has seen; begin anew")
        monitor = cls(reference, false_warnings=found.false_warnings, allowed=found.allowed)
        monitor._recent = np.array(found.recent)
        if monitor._recent.shape[1:] != (monitor.n_features,):
            raise ConfigError(f"{name}: holds other numbers of images than the model")
        monitor._tests["anomalies"].restore(found.anomalies, found.seen, name)
        monitor._tests["domain"].restore(found.domain, found.seen, name)
        return monitor

    def _change(self, test: _Test) -> PaceOfChange:
        """Since when, by the region that says most."""
        found = pace_of_change(test.moved(self._recent))
        return replace(found, since=found.since + test.wealth.seen - len(self._recent))


class _Test:
    """One of the two tests: its regions, and how the bets on them go."""

    def __init__(
        self, reference: Array, allowed: float, error: float, *, upper_only: bool = False
    ) -> None:
        self.reference = reference
        self.regions = fit_regions(reference, allowed=allowed, error=error, upper_only=upper_only)
        self.wealth = Wealth.at_start(len(self.regions))
        self.most = 0.0
        self.warned_at: int | None = None
        self.course: Array = np.empty(0)

    def update(self, values: Array, probability: float) -> None:
        """Bet on more images; ``probability`` is that of a false warning."""
        before, regions = self.wealth.seen, self.regions
        inside = regions.inside(values)
        self.wealth, logs = self.wealth.after(inside, regions.least, regions.parts())
        self.course = np.concatenate([self.course, logs])[-_HISTORY:]
        self.most = max(self.most, float(logs.max(initial=-np.inf)))
        over = np.flatnonzero(logs >= -np.log(probability))
        if self.warned_at is None and len(over):
            self.warned_at = before + int(over[0]) + 1

    def document(self) -> BetsDocument:
        """What it knows."""
        return BetsDocument(
            log_bets=_rows(self.wealth.log_bets),
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

    def moved(self, values: Array) -> Array:
        """How far images lie from those of the fit in what changed most, float64 (t,).

        In spreads of the fit, 0 on average before a change.
        """
        region = int((self.wealth.by_region() + np.log(self.regions.parts())).argmax())
        feature = self.regions.feature[region]
        known, new = self.reference[:, feature], values[:, feature]
        centre = float(np.median(known))
        spread = float(np.median(np.abs(known - centre))) or 1.0
        known, new = (np.clip((one - centre) / spread, -_FAR, _FAR) for one in (known, new))
        if np.isfinite(self.regions.low[region]) and np.isfinite(self.regions.high[region]):
            known, new = np.abs(known), np.abs(new)
        return np.asarray(new - known.mean())


def _rows(array: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, array.tolist()))
