"""What a fit of `auto` keeps of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.support import toy

from twofold.errors import ConfigError
from twofold.methods import parse_config
from twofold.methods.auto.kept import kept_local_weight, kept_role, kept_weights
from twofold.methods.auto.method import Auto
from twofold.methods.views.source_role import SourceRole


def fitted(settled: Mapping[str, float], **options: Any) -> Any:
    """The fit of a world, told what an earlier one settled; ``Any``, as tests look inside."""
    method = Auto(toy.encoder(), parse_config(Auto, {"effort": "fast", **options}))
    return method.fit(replace(toy.fit_data(Auto, toy.encoded_world()), settled=settled))


def test_what_is_known_of_an_earlier_fit() -> None:
    assert all(kept({}) is None for kept in (kept_weights, kept_role, kept_local_weight))
    assert kept_weights({"global_source_weight": 1.0}) == (1.0,)
    assert kept_weights({"global_source_weight": 0.0}) == (1.0, 0.0)
    assert kept_local_weight({"local_weight": 0.0}) == 0.0
    both = {"source_weight": 0.3, "starts_like_source": 1.0}
    assert kept_role(both) == SourceRole(0.3, starts=True)
    assert kept_role(both | {"starts_like_source": 0.0}) == SourceRole(0.3)
    # One without the other is a choice of which nobody knows all.
    assert all(kept_role({name: value}) is None for name, value in both.items())


@pytest.mark.parametrize("name", ["global_source_weight", "source_weight", "local_weight"])
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_what_is_no_weight_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{name} must lie in \[0, 1\]"):
        fitted({"starts_like_source": 0.0, name: value})


@pytest.mark.parametrize("best", [0.0, 0.1, 0.3])
def test_whole_images_are_seen_with_the_weights_of_the_earlier_fit(best: float) -> None:
    """The geometric mean of the distances with a source in full, and with the kept weight."""
    test = toy.encoded_world().test
    found = fitted({"global_source_weight": best}, locality="global")
    assert found.diagnostics.choices["global_source_weight"] == best
    full, less = (
        fitted({}, locality="global", source_weight=weight).model.score(test)
        for weight in (1.0, best)
    )
    np.testing.assert_allclose(found.model.score(test), np.sqrt(full * less), rtol=1e-9)


def test_in_full_there_is_one_weight() -> None:
    test = toy.encoded_world().test
    found = fitted({"global_source_weight": 1.0}, locality="global")
    given = fitted({}, locality="global", source_weight=1.0)
    assert np.array_equal(found.model.score(test), given.model.score(test))


def test_every_choice_is_kept_and_what_a_user_gives_goes_first() -> None:
    settled = {
        "global_source_weight": 0.3,
        "source_weight": 0.0,
        "starts_like_source": 0.0,
        "local_weight": 0.125,
    }
    plain = fitted({}).diagnostics.choices
    assert all(plain[name] != value for name, value in settled.items() if value)
    found = fitted(settled)
    assert {name: found.diagnostics.choices[name] for name in settled} == settled
    assert found.model.way_.views.local_weight == 0.125
    given = fitted(settled, source_weight=0.5, local_weight=0.75).diagnostics.choices
    weights = [given[name] for name in ("global_source_weight", "source_weight", "local_weight")]
    assert weights == [0.5, 0.5, 0.75]
    # One view has the whole score.
    assert fitted(settled, locality="local").diagnostics.choices["local_weight"] == 1.0


def test_the_trial_of_made_up_flaws_keeps_them_too() -> None:
    """Otherwise the smallest visible flaw would be that of another model."""
    whole: dict[str, Any] = {"locality": "global", "effort": "balanced"}
    kept, given, chosen = (
        fitted(settled, **whole, **more).diagnostics.made_up_flaws.scores
        for settled, more in (
            ({"global_source_weight": 1.0}, {}),
            ({}, {"source_weight": 1.0}),
            ({}, {}),
        )
    )
    assert np.array_equal(kept, given)
    assert not np.array_equal(kept, chosen)
