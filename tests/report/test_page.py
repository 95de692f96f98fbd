"""The page in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.report.conftest import Written
from tests.support.browser import PHONE, WIDE, Watched, new_page, serious_violations

from twofold import Detector

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CARDS = "#cards .card"


def opened(watched: Watched, written: Written) -> Page:
    watched.page.goto(written.address)
    watched.page.wait_for_selector(f"{CARDS} img")
    return watched.page


def quiet(watched: Watched) -> None:
    """No script failed, no dialog came up, nothing left the machine."""
    assert watched.errors == []
    assert watched.dialogs == []
    assert watched.network == []


def choose(page: Page, name: str) -> None:
    page.click(f'[data-filter="{name}"]')


def shown_scores(page: Page) -> list[float]:
    texts = page.locator(f"{CARDS} .score").all_text_contents()  # those out of sight, too
    return [float(text.removeprefix("score ")) for text in texts]


@pytest.mark.slow
def test_it_opens_with_the_flagged_images_from_the_top(
    page: Watched, written: Written, scores: Any
) -> None:
    opened(page, written)
    assert f"{written.file.n_flagged} images of 60 flagged" in page.page.inner_text("h1")
    assert page.page.locator(CARDS).count() == written.file.n_flagged
    found = shown_scores(page.page)
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(np.nanmax(scores), rel=1e-3)
    quiet(page)


@pytest.mark.slow
def test_filters_search_and_order(page: Watched, written: Written, scores: Any) -> None:
    tab = opened(page, written)
    choose(tab, "unreadable")
    assert tab.locator(CARDS).count() == 2
    # Not inner_text: cards out of sight, or not yet painted, have none (`content-visibility`).
    assert "broken<b>.png" in (tab.locator("#cards").text_content() or "")
    choose(tab, "all")
    assert tab.locator(CARDS).count() == 60
    tab.select_option("#sort", "rising")
    assert shown_scores(tab) == sorted(shown_scores(tab))
    tab.fill("#search", "04")
    assert tab.locator(CARDS).count() == 10  # 040.png to 049.png
    assert tab.inner_text("#count") == "10 images"
    tab.fill("#search", "no such name")
    assert tab.locator(CARDS).count() == 0
    assert "clear the search" in tab.inner_text("#count")
    quiet(page)


@pytest.mark.slow
def test_hostile_names_stay_text(page: Watched, written: Written) -> None:
    tab = opened(page, written)
    choose(tab, "all")
    for text in ("onerror=alert(1)", "onmouseover", "<script>", "javascript:", "{{ 7 * 7 }}"):
        tab.fill("#search", text)
        assert tab.locator(CARDS).count() >= 1, text
        tab.locator(CARDS).first.click()
        assert text in tab.inner_text("#viewer-title")
        tab.hover("#viewer-title")
        tab.keyboard.press("Escape")
        tab.locator("#viewer").wait_for(state="hidden")
    assert tab.locator("img:not([src^='data:image/webp;base64,'])").count() == 0
    quiet(page)


@pytest.mark.slow
def test_the_threshold_moves_flags_counts_and_map(
    page: Watched, written: Written, scores: Any, detector: Detector
) -> None:
    tab = opened(page, written)
    known = scores[~np.isnan(scores)]
    assert f"{written.file.n_flagged} of 60 images are flagged" in tab.inner_text("#alarms")
    tab.locator("#marks button").last.click()  # the largest rate: 20%
    found = re.search(r"Threshold (\S+): (\d+) of 60", tab.inner_text("#alarms"))
    assert found
    from twofold.thresholds import fit_threshold

    loose = fit_threshold(detector.calibration_, 0.2)
    assert float(found[1]) == pytest.approx(loose.value, rel=1e-3)
    assert int(found[2]) == int((known > loose.value).sum()) > written.file.n_flagged - 1
    assert "at most 20% would be" in tab.inner_text("#alarms")
    assert tab.locator(CARDS).count() == int(found[2])
    slider = tab.locator("#slider")
    slider.focus()
    tab.keyboard.press("End")
    tab.locator(CARDS).nth(1).wait_for(state="detached")
    assert re.search(r": [01] of 60", tab.inner_text("#alarms"))
    flagged = tab.locator("#groups tbody tr").last.locator("td").first.inner_text()
    assert flagged in ("0", "1")
    tab.locator("#marks button").first.click()
    assert tab.locator(CARDS).count() == written.file.n_flagged
    quiet(page)


@pytest.mark.slow
def test_everything_by_keyboard(page: Watched, written: Written) -> None:
    tab = opened(page, written)
    tab.keyboard.press("?")
    assert tab.locator("#help").is_visible()
    tab.keyboard.press("Escape")
    tab.locator("#help").wait_for(state="hidden")
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search"
    choose(tab, "all")
    tab.mouse.move(1, 1)  # not where a scroll brings a card below it, whose map it would show
    cards = tab.locator(CARDS)
    cards.first.focus()
    tab.keyboard.press("ArrowRight")
    row = "document.activeElement.dataset.row"
    assert tab.evaluate(row) == cards.nth(1).get_attribute("data-row")
    tab.keyboard.press("ArrowDown")
    assert tab.evaluate(row) != cards.nth(2).get_attribute("data-row")  # down, not one further
    tab.keyboard.press("ArrowUp")
    assert tab.evaluate(row) == cards.nth(1).get_attribute("data-row")
    tab.keyboard.press("Space")
    assert cards.nth(1).locator("canvas").is_visible()
    assert not tab.locator("#viewer").is_visible()
    tab.keyboard.press("Space")
    assert not cards.nth(1).locator("canvas").is_visible()
    tab.keyboard.press("Enter")
    assert tab.locator("#viewer").is_visible()
    title = tab.inner_text("#viewer-title")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#viewer-title") != title
    assert tab.locator("#viewer canvas").is_visible()
    tab.keyboard.press("Space")
    assert not tab.locator("#viewer canvas").is_visible()
    tab.keyboard.press("Escape")
    tab.locator("#viewer").wait_for(state="hidden")
    place = cards.nth(2).get_attribute("data-row")
    tab.locator(f"{CARDS}[data-row='{place}']:focus").wait_for()  # where the viewer was
    quiet(page)


@pytest.mark.slow
def test_a_flagged_image_stands_beside_normal_ones(page: Watched, written: Written) -> None:
    tab = opened(page, written)
    tab.locator(CARDS).first.click()
    heads = tab.locator("#viewer h3").all_inner_texts()
    assert heads == ["Nearest presumed normals of the target", "Nearest normals of the source"]
    assert tab.locator("#viewer .alike img").count() == 6
    wide = tab.evaluate(
        "[...document.querySelectorAll('#viewer .alike img')].every((i) => i.naturalWidth > 8)"
    )
    assert wide
    assert tab.locator("#viewer .boxes rect").count() >= 2
    link = tab.locator("#viewer a").get_attribute("href")
    assert link is not None
    assert link.startswith("./images/")
    quiet(page)


def test_maps_show_under_the_pointer(page: Watched, written: Written) -> None:
    tab = opened(page, written)
    first = tab.locator(CARDS).first
    assert first.locator("canvas").count() == 0
    first.locator(".frame").hover()
    assert first.locator("canvas").is_visible()
    tab.hover("h1")
    assert not first.locator("canvas").is_visible()
    tab.click("#heat")
    # Pictures come when their cards are near the window, and their maps with them.
    tab.locator(f"{CARDS} canvas").nth(written.file.n_flagged - 1).wait_for(state="attached")
    assert tab.locator(f"{CARDS} canvas[hidden]").count() == 0
    quiet(page)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", WIDE), ("dark", PHONE)])
def test_axe_finds_nothing_serious(
    browser: Browser, written: Written, scheme: Any, size: tuple[int, int]
) -> None:
    with new_page(browser, scheme=scheme, size=size) as watched:
        tab = opened(watched, written)
        for details in tab.locator("details").all():
            details.locator("summary").click()
        choose(tab, "all")
        assert serious_violations(tab) == []
        tab.locator(CARDS).first.click()
        assert serious_violations(tab) == []
        quiet(watched)


@pytest.mark.slow
def test_dark_is_dark(browser: Browser, written: Written) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        with new_page(browser, scheme=scheme, still=True) as watched:
            tab = opened(watched, written)
            colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
            grounds.append(sum(map(int, re.findall(r"\d+", colour)[:3])))
            assert (
                tab.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
            )
    assert grounds[0] > 700 > 100 > grounds[1]


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, written: Written) -> None:
    with new_page(browser, size=PHONE, touch=True) as watched:
        tab = opened(watched, written)
        choose(tab, "all")
        too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert tab.evaluate(too_wide) == 0
        tab.locator(CARDS).first.tap()
        assert tab.locator("#viewer").is_visible()
        assert tab.evaluate("document.querySelector('#viewer').scrollWidth") <= PHONE[0]
        assert tab.evaluate(too_wide) == 0
        small = tab.evaluate(
            "[...document.querySelectorAll('button')].filter((b) => b.offsetParent)"
            ".filter((b) => b.getBoundingClientRect().height < 24).length"
        )
        assert small == 0  # WCAG 2.2: targets of 24 pixels or more
        quiet(watched)
