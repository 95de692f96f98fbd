"""Pages are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_merge_is_left_half_done(page: Path) -> None:
    marks = ("<<<<<<< ", ">>>>>>> ", "=======\n")
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    assert [line for line in lines if line.startswith(marks)] == []
