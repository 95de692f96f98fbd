"""The design's file: read back as written, refused where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twofold.errors import UsageError
from twofold.marks import DesignDocument, design_path, draw_design

SCORES = np.random.default_rng(0).normal(size=30)


def document(**changed: Any) -> DesignDocument:
    usual: dict[str, Any] = {
        "paths": [f"line_b/{number}.png" for number in range(30)],
        "scores": SCORES,
        "digests": [f"{number:064x}" for number in range(30)],
        "model": "a" * 64,
        "threshold": 0.9,
        "false_alarm_rate": 0.05,
        "random_state": 7,
    }
    return DesignDocument.of(draw_design(SCORES, 0.9, 7), **(usual | changed))


def test_a_design_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.design.json"
    document().write(path)
    found = DesignDocument.read(path)
    assert found == document()
    design = draw_design(SCORES, 0.9, 7)
    np.testing.assert_array_equal(found.design.strata, design.strata)
    np.testing.assert_array_equal(found.design.order, design.order)
    np.testing.assert_array_equal(found.scores, SCORES)
    assert found.design.names == design.names


def test_it_lies_beside_the_marks() -> None:
    assert design_path(Path("a/marks.csv")) == Path("a/marks.design.json")
    assert design_path(Path("a/marks.2.csv")) == Path("a/marks.2.design.json")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scores": np.where(SCORES > 1, np.inf, SCORES)}, "score: Input should be a finite"),
        ({"model": "A" * 64}, "model: String should match"),
        ({"digests": ["0"] * 30}, "sha256: String should match"),
        ({"paths": ["same.png"] * 30}, "two images have the same path"),
        ({"paths": [""] * 30}, "path: String should have at least 1"),
        ({"false_alarm_rate": 1.0}, "false_alarm_rate"),
    ],
)
def test_what_cannot_be_a_design(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        document(**changed)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("order", list(range(29)), "order is no permutation of the 30 images"),
        ("order", [0] * 30, "order is no permutation"),
        ("strata", ["one"], "an image is in a stratum that has no name"),
        ("schema_version", 2, "schema_version"),
        ("threshold", "0.9", "threshold: Input should be a valid number"),
        ("more", 1, "more: Extra inputs are not permitted"),
        ("images", [], "images: List should have at least 1"),
    ],
)
def test_a_damaged_design_is_refused_in_one_line(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    path = tmp_path / "a.design.json"
    path.write_text(json.dumps(document().model_dump() | {key: value}))
    with pytest.raises(UsageError, match=message) as raised:
        DesignDocument.read(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b'{"a": 1e999999}', b"\xff\xfe\0", b"null"]
)
def test_a_file_that_is_no_design_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.design.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.design\.json"):
        DesignDocument.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: no such file"):
        DesignDocument.read(tmp_path / "none.json")
