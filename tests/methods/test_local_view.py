"""The local view: which start its fit takes."""

from __future__ import annotations

import numpy as np
import pytest
from tests.methods import patch_cases

from twofold.methods import _views
from twofold.methods._views import LocalData, fit_local
from twofold.patches import SourceWeight, fit_trimmed_patches, most_like_source


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_source_that_counts_in_full_says_whom_to_start_from(
    weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = patch_cases.patches(60, 1)
    pool[-18:, :, 1, 1] += np.float32(1)
    data = LocalData.of(patch_cases.patches(100), pool)
    assert data.source is not None
    chosen = SourceWeight(weight, {weight: 0.0})
    monkeypatch.setattr(_views, "choose_source_weight", lambda *_, **__: chosen)
    view = fit_local(data, trim=0.25, source_weight=None, random_state=0)
    # Both starts are equally likely here, so the first counts: one that believes the source.
    _, start = fit_trimmed_patches(data.source, data.places, trim=0.25, source_weight=1.0)
    guided = most_like_source(data.source, data.places, trim=0.25)
    assert not np.array_equal(start, guided)
    _, expected = fit_trimmed_patches(
        data.source,
        data.places,
        trim=0.25,
        source_weight=weight,
        start=guided if weight == 1 else start,
    )
    assert np.array_equal(view.kept, expected)


@pytest.mark.parametrize("copies", [1, 5])
def test_a_source_that_never_varies_says_nothing(
    copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = patch_cases.patches(30, 1)
    data = LocalData.of(np.repeat(patch_cases.patches(1), copies, axis=0), pool)
    chosen = SourceWeight(1.0, {1.0: 0.0})
    monkeypatch.setattr(_views, "choose_source_weight", lambda *_, **__: chosen)
    view = fit_local(data, trim=0.25, source_weight=None, random_state=0)
    assert view.kept.sum() == 23
