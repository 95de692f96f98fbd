"""A detector that is fitted again: with marks, or to a target that has changed."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.detector.drifting import Drifting
from twofold.detector.kept_drift import drift_reference
from twofold.detector.reading import read_fit
from twofold.detector.scoring import with_threshold
from twofold.encoders.encode import EncodedImages
from twofold.errors import UsageError
from twofold.images import ImageInput, ImageSet, MaskInput, find_images
from twofold.thresholds import Rule

if TYPE_CHECKING:
    from twofold import marks as marks_of
    from twofold.detector import inputs, refitting
    from twofold.detector.refitting import Changes, Refitted
else:
    marks_of = deferred("twofold.marks")
    inputs = deferred("twofold.detector.inputs")
    refitting = deferred("twofold.detector.refitting")

__all__ = ["FittedOn", "Learning"]

Array = NDArray[np.float64]
# What a method may ask for and still be fitted again to source and target alone.
_PLAIN = frozenset({"target_pool", "source_reference"})


@dataclass(frozen=True)
class FittedOn:
    """Where the images of a fit lay, for a later one.

    Attributes:
        source: a folder, glob, file or manifest; None of images that were given otherwise.
        target: likewise.
    """

    source: str | None = None
    target: str | None = None

    @classmethod
    def of(cls, source: ImageInput, target: ImageInput | None) -> FittedOn:
        """Whole paths of what was given as one."""
        return cls(_place(source), _place(target))


def _place(images: Any) -> str | None:
    if isinstance(images, str) and "://" in images:
        return images
    return os.path.abspath(images) if isinstance(images, str | Path) else None  # noqa: PTH100


class Learning(Drifting):
    """Makes another detector of this one.

    Attributes:
        fitted_on_: where the images of the fit lay.
        changes_: of a detector that :meth:`refit` made: what the marks changed.
    """

    mask: MaskInput | None
    calibration: Rule
    random_state_: int
    fitted_on_: FittedOn
    changes_: Changes

    def refit(
        self,
        images: ImageInput,
        marks: NDArray[np.floating],
        *,
        source: ImageInput | None = None,
        target: ImageInput | None = None,
        strata: NDArray[np.integer] | None = None,
    ) -> Self:
        """A detector that has learned from marks of some images; this one stays as it is.

        The method is fitted again to the source and to all unlabelled images, the reviewed ones
        among them, without those that are confirmed as anomalous. What these have in common, as
        whole images, corrects the scores as far as the marks bear it out
        (:func:`twofold.marks.fit_correction`). The threshold is read off the corrected scores.

        What the fit settled about source and target (``evidence_.choices``) stays. So ``source``
        and ``target`` are for images of the fit that have moved, and for more of the same two
        domains: a detector for another target is another :meth:`fit`.

        Args:
            images: that were reviewed, marked or not.
            marks: float (n,), one for each of them as given: 1 anomalous, 0 normal, NaN not marked
                or unsure.
            source: normal images; None takes those of the fit, from where they lay.
            target: unlabelled images beside the reviewed ones; None takes those of the fit, from
                where they lay, or none where that is not known.
            strata: int (n,), of the sampling design (:class:`twofold.marks.Design`) by which the
                images were marked; then ``changes_`` has the rates of all of them before and
                after. None where they were marked otherwise.

        Raises:
            NotFittedError: before ``fit``.
            UsageError: the source is not known, the method needs other images besides, there is
                not one mark for each image, or copies of an image are marked differently.
            TwofoldError: the images cannot be used.
        """
        self._require_fitted()
        reviewed = find_images(images)
        values = _checked(marks, reviewed)
        drawn = None if strata is None else marks_of.checked_strata(strata, len(reviewed))
        known, pool = self._fit_sets(source, target, reviewed)
        method = type(self.method_)(self.method_.encoder, self.method_.config)
        given = inputs.find_fit_images(known, pool, bit_depth=self.bit_depth_, mask=self.mask)
        _, encoded, data = read_fit(self._reader(method, "pooled"), given, method, None)
        assert encoded is not None
        n_others = len(pool) - len(reviewed)
        whole = np.append(np.full(n_others, np.nan), values)
        rows, marked = _distinct(encoded, whole[encoded.kept])
        distinct = encoded.subset(rows)
        refitted = refitting.refit_encoded(
            method,
            data,
            distinct,
            marked,
            settled=self.evidence_.choices,
            false_alarm_rate=self.false_alarm_rate,
            random_state=self.random_state_,
            rule=self.calibration,
            studied=True,
        )
        # The place of each content among the reviewed images.
        mine = {
            digest: int(row) - n_others
            for digest, row in zip(encoded.digests, encoded.kept, strict=True)
            if row >= n_others
        }
        seen = np.array([digest in mine for digest in distinct.digests], dtype=bool)
        if drawn is not None:
            drawn = drawn[[mine[digest] for digest in distinct.digests if digest in mine]]
        other = self._learned(refitted, distinct, marked, seen, drawn)
        other.drift_reference_ = drift_reference(data.source, distinct, refitted.scores)
        return other

    def refit_to(self, target: ImageInput, *, source: ImageInput | None = None) -> Self:
        """A detector for the target as it is now; this one stays as it is.

        The same method with the same options, encoder, rate and random state is fitted to the
        source of this fit and to the new target, which takes the place of the old one. All that a
        fit settles is settled anew. A correction that marks taught (:meth:`refit`) is about the old
        target and is left behind.

        Args:
            target: unlabelled images of the target as it is now.
            source: normal images; None takes those of the fit, from where they lay.

        Raises:
            NotFittedError: before ``fit``.
            UsageError: the source is not known, or the method needs other images besides.
            TwofoldError: the images cannot be used.
        """
        self._require_fitted()
        known = self._known_source(source)
        other = type(self)(**self.get_params())  # type: ignore[attr-defined]
        other._loaded = self._loaded  # type: ignore[attr-defined]
        other.fit(known, target)  # type: ignore[attr-defined]
        return other

    def _fit_sets(
        self, source: ImageInput | None, target: ImageInput | None, reviewed: ImageSet
    ) -> tuple[ImageInput, ImageSet]:
        """The source, and the pool: the target of the fit and then the reviewed images."""
        known = self._known_source(source)
        far = self.fitted_on_.target if target is None else target
        return known, reviewed if far is None else find_images(far).joined(reviewed)

    def _known_source(self, source: ImageInput | None) -> ImageInput:
        """The images given, or those of the fit.

        Raises:
            UsageError: they are not known, or the method needs others besides.
        """
        more = self.method_.config.wanted(self.method_.needs) - _PLAIN
        if more or self.method_.config.selection_encoder() is not None:
            needed = min(more) if more else "a second encoder"
            raise UsageError(
                f"method {self.method_.id} with these options needs {needed}, so it cannot be "
                "fitted again from a model: use auto"
            )
        known = self.fitted_on_.source if source is None else source
        if known is None:
            raise UsageError("the source of the fit is not known: give source")
        return known

    def _learned(
        self,
        refitted: Refitted,
        pool: EncodedImages,
        marks: Array,
        seen: NDArray[np.bool_],
        strata: NDArray[np.int64] | None,
    ) -> Self:
        """A detector with what was found.

        Args:
            refitted: the fit.
            pool: distinct images of it.
            marks: of these.
            seen: bool, which of these were reviewed.
            strata: of those that were; None: not known.
        """
        other = type(self)(**self.get_params())  # type: ignore[attr-defined]
        n_odd, n_normal = int((marks == 1).sum()), int((marks == 0).sum())
        fitted = refitted.fitted
        evidence = with_threshold(fitted.evidence, fitted.threshold, refitted.threshold)
        note = f"fitted again with {n_odd + n_normal} marks, {n_odd} of them anomalous"
        other._take(
            fitted.model,
            refitted.threshold,
            replace(evidence, notes=(*evidence.notes, note)),
            refitted.calibration,
            self.sight_,
            refitted.correction,
        )
        other.random_state_, other.fitted_on_ = self.random_state_, self.fitted_on_
        other.references_ = fitted.references
        other._keep_seen(refitted.scores[seen])
        other.changes_ = refitting.changes_of(
            (self.score_encoded(pool.subset(seen)).scores, self.threshold_.value),
            (refitted.scores[seen], refitted.threshold.value),
            marks[seen],
            pool.subset(seen).names,
            strata,
        )
        return other


def _checked(marks: NDArray[np.floating], images: ImageSet) -> Array:
    values = marks_of.checked_marks(marks, len(images))
    if np.isnan(values).all():
        raise UsageError("no image is marked: there is nothing to learn from")
    return values


def _distinct(images: EncodedImages, marks: Array) -> tuple[NDArray[np.int64], Array]:
    """The first row of each content, int64 (m,), and the mark of each, float64 (m,).

    Raises:
        UsageError: copies are marked differently.
    """
    rows: dict[str, int] = {}
    said: dict[str, float] = {}
    for row, (digest, mark) in enumerate(zip(images.digests, marks.tolist(), strict=True)):
        rows.setdefault(digest, row)
        if np.isnan(mark):
            continue
        if said.setdefault(digest, mark) != mark:
            raise UsageError(f"{images.names[row]}: a copy of this file is marked differently")
    found = [said.get(digest, np.nan) for digest in rows]
    return np.array(list(rows.values()), dtype=np.int64), np.array(found)
