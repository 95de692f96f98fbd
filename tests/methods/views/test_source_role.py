"""What the source does in a fit to patches."""

from __future__ import annotations

import numpy as np
import pytest
from tests.methods.patch_methods import patch_cases

from twofold.eyes import SourceWeight, as_places, choose_source_weight, patch_moments
from twofold.methods.views import source_role
from twofold.methods.views.source_role import SourceRole, choose_role


def chosen(source: patch_cases.Patches, pool: patch_cases.Patches) -> SourceRole:
    kept = np.ones(len(pool), dtype=bool)
    moments = patch_moments(as_places(source))
    return choose_role(moments, as_places(pool), kept, shared=False, random_state=0)


@pytest.mark.parametrize(
    ("likelihoods", "expected"),
    [
        # Of a gain of 1 a weight of 1 keeps nine tenths, seven tenths, or all.
        ({0.0: 2.0, 0.3: 3.0, 1.0: 2.9}, SourceRole(0.3, starts=True)),
        ({0.0: 2.0, 0.3: 3.0, 1.0: 2.7}, SourceRole(0.3)),
        ({0.0: 2.0, 0.3: 2.5, 1.0: 3.0}, SourceRole(1.0, starts=True)),
        ({0.0: 2.0, 0.3: 1.0, 1.0: 0.0}, SourceRole(0.0)),
    ],
)
def test_the_fit_starts_from_the_source_where_it_is_as_good_as_the_target(
    likelihoods: dict[float, float], expected: SourceRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SourceWeight(expected.weight, likelihoods)
    monkeypatch.setattr(source_role, "choose_source_weight", lambda *_, **__: found)
    assert chosen(patch_cases.patches(5), patch_cases.patches(5, 1)) == expected


def test_too_few_to_hold_any_out_need_the_source_and_do_not_start_from_it() -> None:
    assert chosen(patch_cases.patches(30), patch_cases.patches(2, 1)) == SourceRole(1.0)


def test_the_weight_is_the_likeliest() -> None:
    source, pool = patch_cases.patches(60, ways=7), patch_cases.patches(60, 1, ways=8)
    kept = np.ones(60, dtype=bool)
    moments, places = patch_moments(as_places(source)), as_places(pool)
    found = choose_source_weight(moments, places, kept, random_state=0).log_likelihoods
    assert chosen(source, pool) == SourceRole(0.0)
    assert max(found, key=lambda weight: found[weight]) == 0.0
    alike = chosen(patch_cases.patches(60), pool=patch_cases.patches(12, 1))
    assert alike.weight > 0
    assert alike.starts
