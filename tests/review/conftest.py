"""A review of sixty images with hostile names, served; and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.review import Client, make_sample, serving

from twofold.review.sample import Sample
from twofold.review.server import ReviewServer
from twofold.review.session import Session


@dataclass(frozen=True)
class Served:
    """A review that is being served."""

    sample: Sample
    session: Session
    server: ReviewServer
    client: Client  # that has the cookie
    out: Path
    told: list[str]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "images")


@pytest.fixture
def served(sample: Sample, tmp_path: Path) -> Iterator[Served]:
    out = tmp_path / "marks.csv"
    session = Session(out, sample.document, "ada", planned=20)
    with serving(session, sample.gallery) as (server, told):
        client = Client(server.access.port)
        client.enter(server.access.address)
        yield Served(sample, session, server, client, out, told)
