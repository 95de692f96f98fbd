"""The page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.browser import PHONE, WIDE, new_page, serious_violations

from twofold.certificates import write_certificate
from twofold.marks import Certificate

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", WIDE), ("light", PHONE)])
def test_it_is_readable_by_everyone_and_runs_nothing(
    browser: Browser,
    plain: Certificate,
    hostile: Certificate,
    tmp_path: Path,
    scheme: Any,
    size: tuple[int, int],
) -> None:
    for number, made in enumerate((plain, hostile)):
        path = tmp_path / f"{number}.html"
        write_certificate(made, path)
        with new_page(browser, scheme=scheme, size=size) as watched:
            watched.page.goto(path.as_uri())
            assert watched.page.inner_text("h1") == "Certificate of a detector"
            assert serious_violations(watched.page) == []
            wide = watched.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0]  # nothing is to be scrolled to sideways
            assert (watched.dialogs, watched.errors, watched.network) == ([], [], [])
