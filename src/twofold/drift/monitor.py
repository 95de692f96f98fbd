"""Watches a stream of images for a domain that moves, and for more anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from twofold.defaults import DEFAULT_FALSE_WARNINGS
from twofold.drift.document import MonitorDocument, numbers_digest, rows
from twofold.drift.pace import PaceOfChange, pace_of_change
from twofold.drift.sequential import HISTORY, AnomalyTest, DomainTest, SequentialTest
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
# The stated probability falls into as many equal parts: for each kind of change, and for the fit.
_PARTS = 3


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

    Two things are tested, each at a third of the stated probability of a false warning:

    - *anomalies*: no more images than at the fit, and than before in the stream, are in the highest
      half of the scores, in their highest tenth, and in their highest fiftieth;
    - *domain*: at least seven tenths of the images are as at the fit, whatever the others are. So
      every region of scores and directions holds seven tenths of what it held, at least.

    The last third covers that the images of the fit are finitely many.

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
        each = false_warnings / _PARTS
        self._anomalies = AnomalyTest(reference, each, error=each / 2)
        self._domain = DomainTest(reference, each, allowed, error=each / 2)
        self._tests: dict[DriftKind, SequentialTest] = {
            "anomalies": self._anomalies,
            "domain": self._domain,
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
        self._recent = np.concatenate([self._recent, values])[-HISTORY:]
        for test in self._tests.values():
            test.update(values)
        return self.current()

    def current(self) -> Drift:
        """What is known by now."""
        seen = self._domain.wealth.seen
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

        A warning comes when it reaches :attr:`warns_at`.
        """
        return {kind: test.course / np.log(10.0) for kind, test in self._tests.items()}

    @property
    def warns_at(self) -> float:
        """Logarithm to base 10 of what must speak for a change before a warning comes."""
        return float(np.log10(_PARTS / self.false_warnings))

    def document(self) -> bytes | None:
        """All that it knows, as JSON of at most some megabytes; None before the first image.

        :meth:`from_document` goes on with it as if nothing had come between, to the last bit.
        """
        seen = self._domain.wealth.seen
        if not seen:
            return None
        return MonitorDocument(
            format="twofold drift 2",
            reference=numbers_digest(self._domain.reference),
            false_warnings=self.false_warnings,
            allowed=self._allowed,
            seen=seen,
            recent=rows(self._recent),
            anomalies=self._anomalies.document(),
            domain=self._domain.document(),
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
        monitor._anomalies.restore(found.anomalies, found.seen, name)
        monitor._domain.restore(found.domain, found.seen, name)
        return monitor

    def _change(self, test: SequentialTest) -> PaceOfChange:
        """Since when, by the region that says most."""
        found = pace_of_change(test.moved(self._recent))
        return replace(found, since=found.since + test.wealth.seen - len(self._recent))
