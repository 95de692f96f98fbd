"""The certificate: what it holds, what it refuses, and that a change to it shows."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from twofold.errors import ConfigError, NotEnoughImagesError, UsageError
from twofold.marks import (
    Certificate,
    DesignDocument,
    MarksFile,
    certify,
    check_against,
    draw_design,
)

SCORES = np.linspace(0.0, 1.0, 240)
THRESHOLD = 0.7


def marked(path: Path, n: int, *, odd_from: float = 0.71) -> MarksFile:
    """The first images of a design, anomalous where they score above ``odd_from``."""
    design = draw_design(SCORES, THRESHOLD, 0)
    names = [f"{number}.png" for number in range(len(SCORES))]
    document = DesignDocument.of(
        design,
        names,
        SCORES,
        [f"{number:064x}" for number in range(len(SCORES))],
        model="a" * 64,
        threshold=THRESHOLD,
        false_alarm_rate=0.05,
        random_state=0,
    )
    marks = MarksFile.start(path / "marks.csv", document)
    for row in design.order[:n]:
        said = "anomalous" if SCORES[row] > odd_from else "normal"
        marks.append(names[row], said, reviewer="Ann")  # type: ignore[arg-type]
    return marks


def made_of(
    marks: MarksFile, *, max_missed: float | None = None, confidence: float = 0.95
) -> Certificate:
    return certify(
        marks,
        created="2026-01-02T03:04:05Z",
        version="0",
        max_missed=max_missed,
        confidence=confidence,
    )


@pytest.fixture
def marks(tmp_path: Path) -> MarksFile:
    return marked(tmp_path, 60)


def test_it_holds_the_rates_and_what_they_rest_on(marks: MarksFile, tmp_path: Path) -> None:
    made = made_of(marks)
    made.write(tmp_path / "c.json")
    found = Certificate.read(tmp_path / "c.json")
    assert found == made
    estimates = marks.estimate()
    assert found.rates["detection_rate"].low == estimates.detection_rate.low
    assert found.rates["auroc"].value == estimates.auroc.value
    assert (found.images, found.unsure, found.disagreements) == (240, 0, 0)
    assert found.reviewers == ["Ann"]
    assert sum(s.normal + s.anomalous for s in found.strata) == 60
    assert sum(s.images for s in found.strata) == 240
    assert found.marks_sha256 == hashlib.sha256(marks.path.read_bytes()).hexdigest()
    assert found.bound is None
    check_against(found, marks)


def test_a_change_to_it_shows(marks: MarksFile, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    made_of(marks).write(path)
    content = json.loads(path.read_text())
    content["rates"]["detection_rate"]["low"] = 0.999
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"c\.json: was changed since it was made"):
        Certificate.read(path)
    content["rates"]["detection_rate"]["low"] = 2
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"not a certificate: rates\.detection_rate\.low"):
        Certificate.read(path)
    for damaged in (b"", b"{", b"[]", b"\xff"):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"c\.json: "):
            Certificate.read(path)


def test_the_layout_of_the_file_does_not_matter(marks: MarksFile, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    made = made_of(marks)
    content = json.loads(made.model_dump_json())
    path.write_text(json.dumps(dict(reversed(content.items()))))
    assert Certificate.read(path) == made


def test_other_marks_than_those_certified_are_told(marks: MarksFile, tmp_path: Path) -> None:
    made = made_of(marks)
    marks.undo("Ann")
    with pytest.raises(UsageError, match="not what was certified: marks_sha256, strata"):
        check_against(made, marks)


def test_a_claim_that_holds_is_in_it(marks: MarksFile) -> None:
    lowest = marks.estimate(level=0.9).detection_rate.low
    made = made_of(marks, max_missed=1 - lowest + 1e-6)
    assert made.bound is not None
    assert made.bound.max_missed == 1 - lowest + 1e-6
    with pytest.raises(
        NotEnoughImagesError, match=r"mark more; to claim at most 0\.02 .* you need 149 marked"
    ):
        made_of(marks, max_missed=0.02)
    with pytest.raises(NotEnoughImagesError, match="0 of them missed, so up to"):
        made_of(marks, max_missed=1 - lowest - 1e-6)


def test_with_all_images_marked_every_true_claim_holds(tmp_path: Path) -> None:
    made = made_of(marked(tmp_path, len(SCORES)), max_missed=0.001)
    assert made.rates["detection_rate"].low == 1.0


def test_too_few_marks_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    few = marked(tmp_path / "a", 20, odd_from=2.0)
    with pytest.raises(NotEnoughImagesError, match="0 anomalies and 20 normal images are marked"):
        made_of(few)
    none = marked(tmp_path, 0)
    with pytest.raises(NotEnoughImagesError, match="you need 29 marked anomalies"):
        made_of(none)


def test_impossible_arguments(marks: MarksFile, tmp_path: Path) -> None:
    for confidence in (0.5, 1.0, 0.0):
        with pytest.raises(ConfigError, match="confidence must"):
            made_of(marks, confidence=confidence)
    with pytest.raises(ConfigError, match="max_missed must"):
        made_of(marks, max_missed=0.0)
    plain = tmp_path / "plain.csv"
    plain.write_text("image,mark\na.png,normal\n")
    with pytest.raises(UsageError, match="no design beside it"):
        made_of(MarksFile(plain))
