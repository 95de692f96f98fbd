"""What a method may be fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages

__all__ = ["FitData"]


@dataclass(frozen=True)
class FitData:
    """Everything a method can be fitted on; what it did not declare must stay None.

    Attributes:
        source: normal images of the source.
        target_pool: unlabelled images of the target.
        target_shots: a few target images known to be normal.
        source_anomalies: source images known to be anomalous.
        target_labels: int (n_pool,), 1 = anomalous, for the rows of ``target_pool``.
        source_reference: one source normal kept for test time.
        target_selection: the rows of ``target_pool`` as the encoder sees them that
            :meth:`MethodConfig.selection_encoder` names.
        known_normal: digests of images of ``target_pool`` that a person has confirmed as normal:
            methods that leave a part of the pool out keep these.
        settled: what an earlier fit of the same method to the same two domains settled by itself,
            its :attr:`twofold.methods.Diagnostics.choices`: a method keeps of it what more
            knowledge of single images is no reason to change. Where it is empty, or says nothing
            about something, that is settled anew.
    """

    source: EncodedImages
    target_pool: EncodedImages | None = None
    target_shots: EncodedImages | None = None
    source_anomalies: EncodedImages | None = None
    target_labels: NDArray[np.int64] | None = None
    source_reference: EncodedImages | None = None
    target_selection: EncodedImages | None = None
    known_normal: frozenset[str] = frozenset()
    settled: Mapping[str, float] = field(default_factory=dict)

    @property
    def pool(self) -> EncodedImages:
        """The target's images, for a method that has declared that it needs them."""
        assert self.target_pool is not None
        return self.target_pool

    def known_rows(self) -> NDArray[np.bool_] | None:
        """Rows of the pool that are known to be normal, bool (n_pool,); None where none is."""
        if self.target_pool is None or not self.known_normal:
            return None
        return np.array([digest in self.known_normal for digest in self.target_pool.digests])

    def distinct(self) -> FitData:
        """The same data with each image of source and pool once, by its content.

        A copy tells nothing new, and would pass for another image wherever images are counted.
        """
        source, pool = self.source, self.target_pool
        first = _first_of_each(source)
        data = self if len(first) == len(source) else replace(self, source=source.subset(first))
        if pool is None:
            return data
        first = _first_of_each(pool)
        if len(first) == len(pool):
            return data
        labels, selection = self.target_labels, self.target_selection
        return replace(
            data,
            target_pool=pool.subset(first),
            target_labels=None if labels is None else labels[first],
            target_selection=None if selection is None else selection.subset(first),
        )


def _first_of_each(images: EncodedImages) -> NDArray[np.intp]:
    """Rows of the first image of each content, ascending."""
    _, first = np.unique(np.array(images.digests, dtype=np.str_), return_index=True)
    return np.sort(first)
