"""How long a person waits after a mark."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import pytest
from tests.support.review import Client, scores_of, serving

from twofold.images import ImageSet
from twofold.marks import DesignDocument, draw_design
from twofold.review.gallery import Gallery
from twofold.review.session import Session

N_IMAGES, N_BEFORE, N_TIMED = 5000, 160, 25


@pytest.mark.slow
def test_a_mark_is_answered_within_a_tenth_of_a_second(tmp_path: Path) -> None:
    """Written to disk and answered with the next image, and then the estimates, of 5,000 images."""
    scores = scores_of(N_IMAGES)
    paths = [f"line_b/new/part_{number:05d}.png" for number in range(N_IMAGES)]
    digests = [f"{number:064x}" for number in range(N_IMAGES)]
    document = DesignDocument.of(
        draw_design(scores, 2.0, 0),
        paths,
        scores,
        digests,
        model="0" * 64,
        threshold=2.0,
        false_alarm_rate=0.05,
        random_state=0,
    )
    session = Session(tmp_path / "marks.csv", document, "ada", planned=200)
    for number in document.order[:N_BEFORE]:
        session.mark(number, "anomalous" if scores[number] > 2.2 else "normal", 2.0)
    with serving(session, Gallery(ImageSet.from_paths(paths), digests)) as (server, _):
        client = Client(server.access.port)
        client.enter(server.access.address)
        marks, estimates = [], []
        for number in document.order[N_BEFORE : N_BEFORE + N_TIMED]:
            began = time.perf_counter()
            answer = client.mark(number)
            marks.append(time.perf_counter() - began)
            assert answer.status == 200
            began = time.perf_counter()
            found = client.get("/api/estimates").json
            estimates.append(time.perf_counter() - began)
        assert found["n_marked"] == N_BEFORE + N_TIMED
    print(f"mark {1000 * median(marks):.0f} ms, estimates {1000 * median(estimates):.0f} ms")  # noqa: T201
    assert median(marks) < 0.1
