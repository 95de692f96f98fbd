"""Every registered method keeps the contract."""

from __future__ import annotations

import pytest
from tests.methods.contract import CHECKS
from tests.support.each_method import each_method

from twofold.defaults import DEFAULT_METHOD
from twofold.method_table import METHODS


@pytest.mark.parametrize("check", CHECKS)
@each_method
def test_contract(name: str, check: str) -> None:
    method = METHODS.load(name)
    assert method.id == name
    CHECKS[check](method)


def test_the_default_is_registered() -> None:
    assert DEFAULT_METHOD in METHODS.ids()
