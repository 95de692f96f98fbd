"""Criteria without target labels, by which settings of a trained method can be compared.

None of them is used by a method. They serve to choose defaults without labels, and to see how far
such a choice can be trusted: docs/reproduction.md compares them with the true AUROC.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, softmax
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from twofold.densities import unit_rows
from twofold.errors import NotEnoughImagesError

__all__ = [
    "effective_rank",
    "neighbourhood_density",
    "proxy_distance",
    "stability",
]

Array = NDArray[np.floating]

# Saito et al.'s; small, so that a row's density is that of its nearest neighbours.
_TEMPERATURE = 0.05
_FOLDS = 5


def neighbourhood_density(features: Array, temperature: float = _TEMPERATURE) -> float:
    """Soft neighbourhood density (Saito et al. 2021, "Tune it the right way", eq. 2 to 4).

    The mean entropy of each row's softmax over its cosines with all other rows. It is large where
    target images lie in dense neighbourhoods. The authors take class probabilities for features;
    a one-class detector has none, so here they are the network's features.

    Args:
        features: (n, d) of target images, n >= 2.
        temperature: > 0.

    Returns:
        In [0, log(n - 1)]. Cost O(n^2 d).

    Raises:
        NotEnoughImagesError: fewer than two rows.
    """
    if len(features) < 2:
        raise NotEnoughImagesError(f"a density needs at least 2 images, got {len(features)}")
    rows = unit_rows(features)
    logits = rows @ rows.T / temperature
    np.fill_diagonal(logits, -np.inf)
    return float(entr(softmax(logits, axis=1)).sum(axis=1).mean())


def effective_rank(features: Array) -> float:
    """Exponential of the entropy of the singular values (Roy & Vetterli 2007).

    RankMe (Garrido et al. 2023) ranks representations by it without labels. Rows are L2-normalised
    first and not centred.

    Args:
        features: (n, d), n >= 1.

    Returns:
        In [1, min(n, d)], 1 for a collapsed representation. Cost O(n d min(n, d)).
    """
    values = np.linalg.svd(unit_rows(features), compute_uv=False)
    return float(np.exp(entr(values / values.sum()).sum()))


def proxy_distance(source: Array, target: Array) -> float:
    """Proxy A-distance of two domains (Ben-David et al. 2007): 2 (1 - 2 error).

    The error is that of a linear classifier (logistic regression on standardised features), equal
    parts of both domains, on rows that it has not seen.

    Args:
        source: (n, d), n >= 5.
        target: (m, d), m >= 5.

    Returns:
        At most 2, where a line tells the domains apart; 0 where it guesses.

    Raises:
        NotEnoughImagesError: fewer than five rows of a domain.
    """
    least = min(len(source), len(target))
    if least < _FOLDS:
        raise NotEnoughImagesError(
            f"a proxy distance needs at least {_FOLDS} images of each domain, got {least}"
        )
    rows = np.concatenate([source, target])
    truth = np.arange(len(rows)) >= len(source)
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    wrong = cross_val_predict(model, rows, truth, cv=folds) != truth
    error = (wrong[truth].mean() + wrong[~truth].mean()) / 2
    return float(2 * (1 - 2 * error))


def stability(one: Array, other: Array) -> float:
    """Rank correlation (Spearman) of the scores that two random states give the same images.

    Args:
        one: (n,) scores, n >= 2.
        other: (n,) scores of the same images.

    Returns:
        In [-1, 1]; 0 where all scores of one of them are equal.
    """
    return float(spearmanr(one, other).statistic) if np.ptp(one) and np.ptp(other) else 0.0
