"""How high each score stands among all before it: what tells of more anomalies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["UPPER_SHARES", "Ranks"]

Array = NDArray[np.float64]

UPPER_SHARES = (0.5, 0.1, 0.02)
"""Highest parts of the scores that anomalies fill: a half, a tenth, and a fiftieth. The smaller the
part, the more a single image in it says; the larger, the weaker the anomalies that it notices."""
# Images that are compared with each other at once; an (images, images) array of bool.
_AT_A_TIME = 256


@dataclass(frozen=True, eq=False)
class Ranks:
    """Counts of scores between those of the fit.

    As long as images come as they did at the fit, in whatever order, each score is as likely to
    stand at any place among those of the fit and of the stream so far, its own among them. So the
    share of them that are as high is a p-value, independent of those before it, of however few
    images (conformal prediction; Vovk et al. 2003), and nothing need be allowed for the fit's
    images being finitely many. Scores that no score of the fit separates count as equal, which
    makes a share larger, never smaller; so a million images need no more room than the fit's.

    Attributes:
        edges: float64 (m,), the scores of the fit, rising, each once.
        counts: int64 (m + 1,), of all scores so far below the first edge, from each edge to before
            the next, and from the last one on.
    """

    edges: Array
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Array) -> Ranks:
        """Before the first image.

        Args:
            scores: float64 (n,), finite, of the fit.
        """
        edges = np.unique(scores)
        return cls(edges, _counted(_places(edges, scores), len(edges) + 1))

    def after(self, scores: Array) -> tuple[Ranks, Array]:
        """What is known after more images, and which share of all by then scored as high as each.

        Args:
            scores: float64 (t,), finite, in the order in which they came.

        Returns:
            The new counts; float64 (t,) in (0, 1]. Cost O(t (m / 256 + 256)).
        """
        ranks, shares = self, [np.empty(0)]
        for start in range(0, len(scores), _AT_A_TIME):
            ranks, found = ranks._after(scores[start : start + _AT_A_TIME])
            shares.append(found)
        return ranks, np.concatenate(shares)

    def _after(self, scores: Array) -> tuple[Ranks, Array]:
        place = _places(self.edges, scores)
        before = np.cumsum(self.counts[::-1])[::-1][place]
        # Of those that came together, the ones before and itself.
        among = np.tril(place[None, :] >= place[:, None]).sum(axis=1)
        shares = (before + among) / (self.counts.sum() + np.arange(1, len(scores) + 1))
        return Ranks(self.edges, self.counts + _counted(place, len(self.counts))), shares


def _places(edges: Array, scores: Array) -> NDArray[np.intp]:
    """Between which edges each score lies, 0 to m."""
    return np.searchsorted(edges, scores, side="right")


def _counted(places: NDArray[np.intp], n: int) -> NDArray[np.int64]:
    return np.bincount(places, minlength=n).astype(np.int64)
