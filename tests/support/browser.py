"""A real browser for the tests of pages: Chromium, driven by Playwright.

`tests/conftest.py` offers its fixtures to all tests: Playwright's loop can run once a process, so
there must be one browser. Tests are skipped where there is no Chromium; on Debian and Ubuntu it is
the package `chromium`. ``TWOFOLD_CHROMIUM`` names another executable.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["Watched", "browser", "new_page", "page", "serious_violations"]

# Nothing but the page: no sandbox (tests may run as root), no GPU, no calls home.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDE, PHONE = (1280, 900), (390, 844)
"""Sizes of a window, width and height in CSS pixels."""


class Watched:
    """A page, and all that it has asked for and said since it was made.

    Attributes:
        page: of Playwright.
        requests: addresses asked for, the page's own and `data:` ones too.
        dialogs: texts of alerts and other dialogs, which are dismissed.
        errors: errors of scripts, and what the console has as an error.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", self._dismiss)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._listen)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _listen(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    @property
    def network(self) -> list[str]:
        """Requests that would leave the machine."""
        near = ("file:", "data:", "blob:")
        return [address for address in self.requests if not address.startswith(near)]


def executable() -> str | None:
    """Where Chromium is, or None."""
    named = os.environ.get("TWOFOLD_CHROMIUM")
    known = ("chromium", "chromium-browser", "google-chrome")
    return named or next(filter(None, map(shutil.which, known)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once a process."""
    path = executable()
    if path is None:
        pytest.skip("no Chromium on this machine (on Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Watched]:
    """A fresh page in a wide window, without cookies or storage of others."""
    with new_page(browser) as watched:
        yield watched


@contextmanager
def new_page(
    browser: Browser,
    *,
    size: tuple[int, int] = WIDE,
    scheme: Literal["light", "dark"] = "light",
    still: bool = False,
    touch: bool = False,
) -> Iterator[Watched]:
    """A fresh page.

    Where a page's content security policy forbids `eval`, wait for elements
    (``locator(...).wait_for``): ``wait_for_function`` needs it.

    Args:
        browser: started.
        size: of the window.
        scheme: colours that the reader prefers.
        still: whether the reader prefers reduced motion.
        touch: whether the screen is touched.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        reduced_motion="reduce" if still else "no-preference",
        has_touch=touch,
    )
    context.set_default_timeout(10_000)
    try:
        yield Watched(context.new_page())
    finally:
        context.close()


def serious_violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical in a page as it is: rule, and where, a line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
