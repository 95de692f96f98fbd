"""The local view: which start its fit takes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.methods.patch_methods import patch_cases

from twofold.eyes import SourceWeight, fit_trimmed_patches, most_like_source
from twofold.methods.views import source_role
from twofold.methods.views.local_view import LocalData, fit_local
from twofold.methods.views.source_role import SourceRole


@pytest.mark.parametrize(
    ("weight", "full", "says"),
    [(0.0, -1.0, False), (0.3, 0.7, False), (0.3, 0.9, True), (1.0, 1.0, True)],
)
def test_a_source_that_counts_in_full_says_whom_to_start_from(
    weight: float, full: float, says: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = patch_cases.patches(60, 1)
    pool[-18:, :, 1, 1] += np.float32(1)
    data = LocalData.of(patch_cases.patches(100), pool)
    assert data.source is not None
    chosen = SourceWeight(weight, {0.0: 0.0, 0.3: 1.0 if weight else -1.0, 1.0: full})
    monkeypatch.setattr(source_role, "choose_source_weight", lambda *_, **__: chosen)
    view = fit_local(data, trim=0.25, source_weight=None, random_state=0)
    _, start = fit_trimmed_patches(None, data.places, trim=0.25)
    guided = most_like_source(data.source, data.places, trim=0.25)
    assert not np.array_equal(start, guided)
    _, expected = fit_trimmed_patches(
        data.source,
        data.places,
        trim=0.25,
        source_weight=weight,
        start=guided if says else start,
    )
    assert np.array_equal(view.kept, expected)


@pytest.mark.parametrize("role", [SourceRole(0.0), SourceRole(0.3), SourceRole(1.0, starts=True)])
def test_what_an_earlier_fit_settled_is_not_chosen_again(
    role: SourceRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = patch_cases.patches(60, 1)
    pool[-18:, :, 1, 1] += np.float32(1)
    data = LocalData.of(patch_cases.patches(100), pool)

    def asked(*_: object, **__: object) -> SourceWeight:
        raise AssertionError("the weight is settled")

    monkeypatch.setattr(source_role, "choose_source_weight", asked)
    view = fit_local(data, trim=0.25, source_weight=None, random_state=0, settled=role)
    assert view.source == role
    _, start = fit_trimmed_patches(None, data.places, trim=0.25)
    if role.starts:
        start = most_like_source(data.source, data.places, trim=0.25)
    model, expected = fit_trimmed_patches(
        data.source, data.places, trim=0.25, source_weight=role.weight, start=start
    )
    assert np.array_equal(view.kept, expected)
    test = patch_cases.patches(5, 7)
    assert np.array_equal(view.model.squared_distances(test), model.squared_distances(test))
    # What a user gives goes first.
    given = fit_local(data, trim=0.25, source_weight=0.1, random_state=0, settled=role)
    assert given.source == SourceRole(0.1)


@pytest.mark.parametrize("copies", [1, 5])
def test_a_source_that_never_varies_says_nothing(
    copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = patch_cases.patches(30, 1)
    data = LocalData.of(np.repeat(patch_cases.patches(1), copies, axis=0), pool)
    chosen = SourceWeight(1.0, {0.0: 0.0, 1.0: 1.0})
    monkeypatch.setattr(source_role, "choose_source_weight", lambda *_, **__: chosen)
    view = fit_local(data, trim=0.25, source_weight=None, random_state=0)
    assert view.kept.sum() == 23


@pytest.mark.parametrize("n", [40, 80])
def test_a_source_that_varies_otherwise_does_not_say_who_is_normal(n: int) -> None:
    """A tenth of the pool varies as the source does, the rest in its own way."""
    odd = n // 10
    strange, usual = patch_cases.patches(odd, 11, ways=7), patch_cases.patches(n - odd, 21, ways=8)
    source, pool = patch_cases.patches(60, 31, ways=7), np.concatenate([strange, usual])
    fit = patch_cases.fitting("auto", source, pool, locality="local")
    assert fit.diagnostics.choices["source_weight"] == 0.0
    test = [patch_cases.patches(50, seed, ways=ways) for seed, ways in ((4, 7), (5, 8))]
    scores = fit.model.score(patch_cases.images(np.concatenate(test)))
    assert roc_auc_score(np.arange(100) < 50, scores) > 0.9


def test_a_few_anomalies_that_are_alike_do_not_pass_for_a_part_of_the_spread() -> None:
    """Eight flawed pictures of one thing among 80."""
    source, pool = patch_cases.patches(50, 3, shift=2.0), patch_cases.with_twins(80)
    fit = patch_cases.fitting("auto", source, pool, locality="local")
    assert not fit.diagnostics.presumed_normal["local"][:8].any()
