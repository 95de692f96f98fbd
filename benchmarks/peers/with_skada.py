"""Source vectors aligned to the target's by skada, then a one-class SVM on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skada import CORALAdapter, SubspaceAlignmentAdapter
from sklearn.svm import OneClassSVM

from peers.cells import Images
from peers.embeddings import Embedder
from peers.systems import Array, Score


def fit(model: str, fitted_on: str, images: Images, run: int) -> Score:
    """See :data:`peers.systems.Fit`. Aligned with the pool; the SVM sees the source alone."""
    del fitted_on
    embed = Embedder()
    source, pool = embed(images.source), embed(images.pool)
    adapters = {
        "coral": CORALAdapter,
        # Its default asks for more components than either set alone has: all that both have.
        "subspace": lambda: SubspaceAlignmentAdapter(
            n_components=min(*source.shape, len(pool)), random_state=run
        ),
    }
    adapter = adapters[model]()
    # Domains have a number each, those of targets below 0.
    domains = np.repeat([1, -2], [len(source), len(pool)])
    aligned = adapter.fit_transform(np.concatenate([source, pool]), sample_domain=domains)
    detector = OneClassSVM().fit(aligned[domains > 0])

    def score(paths: Sequence[str]) -> Array:
        vectors = embed(paths)
        moved = adapter.transform(vectors, sample_domain=np.full(len(vectors), -2))
        return -np.asarray(detector.score_samples(moved), dtype=np.float64)

    return score
