"""The OpenAPI document, by a program that asks whatever it allows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.serve import Served, loader, serving

from twofold import Detector

schemathesis = pytest.importorskip("schemathesis")

CASES = int(os.environ.get("TWOFOLD_SCHEMATHESIS_CASES", "12"))
"""Requests for each address; more take longer."""


def ask_everything(served: Served) -> int:
    """Requests that the document allows, and others; none may end in an error of the service."""
    from hypothesis import HealthCheck, Phase, given, settings

    origin = f"http://127.0.0.1:{served.client.port}"
    token = {"Authorization": f"Bearer {served.client.token}"} if served.client.token else {}
    document = served.client.get("/openapi.json").json
    schema = schemathesis.openapi.from_dict(document)
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: object) -> None:
            nonlocal asked
            asked += 1
            answer = case.call(base_url=origin, headers=token, timeout=30)  # type: ignore[attr-defined]
            assert answer.status_code < 500, (case, answer.text)

        ask()
    return asked


@pytest.mark.slow
def test_no_request_that_the_document_allows_ends_in_an_error(
    detector: Detector, token_file: Path
) -> None:
    with serving(loader({"default": detector}), folder=token_file.parent) as served:
        assert ask_everything(served) > CASES
        assert served.lines("failed") == []
