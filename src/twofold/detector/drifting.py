"""Whether new images still come from the target that a detector was fitted to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from twofold.defaults import DEFAULT_FALSE_WARNINGS
from twofold.deferred import deferred
from twofold.detector.portions import Portion
from twofold.detector.scores import Scores, warn_of
from twofold.detector.scoring import Scoring
from twofold.errors import UsageError
from twofold.images import ImageInput, ImageSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twofold import densities, drift
    from twofold.drift import Drift, DriftMonitor, DriftReference
else:
    densities = deferred("twofold.densities")
    drift = deferred("twofold.drift")

__all__ = ["Drifting"]


class Drifting(Scoring):
    """Looks whether the domain has moved since the fit.

    Attributes:
        drift_reference_: what the target was like; None of a fit without a target, and of models
            that were saved by an earlier version.
    """

    drift_reference_: DriftReference | None = None

    def drift(
        self,
        images: ImageInput,
        *,
        monitor: DriftMonitor | None = None,
        false_warnings: float | None = None,
    ) -> Drift:
        """Whether these images, in this order, still look like the target of the fit.

        Args:
            images: in the order in which they came. Unusable ones are left out.
            monitor: goes on with what it has seen (:meth:`drift_monitor`), and may be asked after
                any number of images; None begins anew.
            false_warnings: probability of any warning, ever, on images like those of the fit; None
                is 1%. Not together with ``monitor``.

        Returns:
            What has changed, since when, and what to do about it.

        Raises:
            NotFittedError: before ``fit``.
            UsageError: the model does not know what its target was like, or both options are given.
            NotEnoughImagesError: the target had fewer than 20 independent images.
            ConfigError: the probability is not strictly between 0 and 1.
            ImageSourceError: there are no images, or one is unusable and ``strict`` is set.
        """
        if monitor is not None and false_warnings is not None:
            raise UsageError("give monitor or false_warnings, not both: a monitor has its own")
        self._drift_reference()
        watching = self.drift_monitor(false_warnings) if monitor is None else monitor
        seen: list[NDArray[np.float64]] = []
        warn_of(self.examine(images, self._numbers_into(seen), with_maps=False))
        return watching.update(np.concatenate(seen))

    def follow(self, images: ImageInput) -> tuple[Scores, NDArray[np.float64]]:
        """Scores of images of a stream, and what :meth:`drift_monitor` looks at in each.

        As :meth:`score` at the detector's own rate. Such images are seldom scored twice: with
        ``cached`` False nothing of them is kept.

        Args:
            images: in the order in which they came.

        Returns:
            The scores; and float64 (n, f), the numbers of each image that
            :meth:`twofold.drift.DriftMonitor.update` takes, NaN where the image is unusable. f is
            0 for a model that does not know what its target was like.

        Raises:
            NotFittedError: before ``fit``.
            ImageSourceError: there are no images, or one is unusable and ``strict`` is set.
        """
        self._require_fitted()
        reference = self.drift_reference_
        seen: list[NDArray[np.float64]] = []
        look = _leave if reference is None else self._numbers_into(seen)
        result = self.examine(images, look, with_maps=False)
        width = 0 if reference is None else reference.values.shape[1]
        numbers = np.full((len(result.names), width), np.nan)
        if seen:
            numbers[result.usable] = np.concatenate(seen)
        return result, numbers

    def drift_monitor(
        self,
        false_warnings: float | None = None,
        *,
        document: bytes | None = None,
        name: str = "the document",
    ) -> DriftMonitor:
        """A test that :meth:`drift` goes on with; see :class:`twofold.drift.DriftMonitor`.

        Args:
            false_warnings: probability of any warning, ever; None is 1%, or the document's.
            document: what an earlier monitor of this model knew
                (:meth:`twofold.drift.DriftMonitor.document`); None begins anew.
            name: of the document, for errors.

        Raises:
            NotFittedError: before ``fit``.
            UsageError: the model does not know what its target was like, or the document states
                another probability.
            ConfigError: the document is none, or is about another model.
            NotEnoughImagesError: the target had fewer than 20 independent images.
        """
        reference = self._drift_reference()
        if document is None:
            rate = DEFAULT_FALSE_WARNINGS if false_warnings is None else false_warnings
            return drift.DriftMonitor(reference.values, false_warnings=rate)
        monitor = drift.DriftMonitor.from_document(reference.values, document, name)
        if false_warnings not in (None, monitor.false_warnings):
            raise UsageError(
                f"{name}: states {monitor.false_warnings:g} as the probability of false warnings, "
                "which cannot change while a stream is watched; leave it out, or begin anew"
            )
        return monitor

    def drift_numbers(self, portion: Portion) -> NDArray[np.float64]:
        """What a monitor of :meth:`drift_monitor` takes of images, float64 (m, f), in their order.

        For who examines images for another reason, too (:meth:`examine`).

        Args:
            portion: of images that are examined.

        Raises:
            UsageError: the model does not know what its target was like.
        """
        vectors = densities.power_normalise(portion.encoded["pooled"])
        return self._drift_reference().numbers(portion.scores, vectors)

    def _numbers_into(self, seen: list[NDArray[np.float64]]) -> Callable[[ImageSet, Portion], None]:
        """What gathers the numbers that drift looks at, a portion of images at a time."""

        def look(found: ImageSet, portion: Portion) -> None:
            del found
            seen.append(self.drift_numbers(portion))

        return look

    def _drift_reference(self) -> DriftReference:
        self._require_fitted()
        if self.drift_reference_ is None:
            raise UsageError(
                "this model does not know what its target was like: fit it again with this "
                "version, with target images"
            )
        return self.drift_reference_


def _leave(found: ImageSet, portion: Portion) -> None:
    """Look at nothing."""
    del found, portion
