"""The page in a real browser."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.review.conftest import Served
from tests.support.browser import PHONE, Watched, new_page, serious_violations
from tests.support.review import HOSTILE, Client, serving

from twofold.marks import MarksFile
from twofold.review.session import Session

pytestmark = pytest.mark.slow


def wait_until_shown(page: Page) -> None:
    """Until the image is there and can be marked."""
    expect(page.locator("#mark-normal")).to_have_attribute("aria-disabled", "false")


def opened(page: Page, served: Served) -> None:
    page.goto(served.server.access.address)
    wait_until_shown(page)


def press(page: Page, key: str, done: int) -> None:
    """A mark by keyboard, once the image shows; until the page counts it."""
    wait_until_shown(page)
    page.keyboard.press(key)
    expect(page.locator("#position")).to_contain_text(f"{done} of ")


def test_twenty_images_by_keyboard(page: Watched, served: Served) -> None:
    opened(page.page, served)
    keys = "nanuannnannunnnnnnan"
    for done, key in enumerate(keys, start=1):
        press(page.page, key, done)
    expect(page.page.locator("#results")).to_be_visible()  # the plan is done
    stands = MarksFile(served.out).standing()
    said = {"n": "normal", "a": "anomalous", "u": "unsure"}
    paths = [served.sample.document.images[n].path for n in served.sample.document.order[:20]]
    assert stands.marks == dict(zip(paths, (said[key] for key in keys), strict=True))
    assert all(line.seconds is not None for line in MarksFile(served.out).lines())
    expect(page.page.locator("#reviewers tr")).to_contain_text(["14 normal, 4 anomalous, 2 unsure"])
    page.page.keyboard.press("r")  # and one may go on
    press(page.page, "n", 21)
    assert page.errors == []
    assert page.dialogs == []
    assert all(address.startswith(f"{served.client.origin}/") for address in page.network)


def test_undo_brings_the_image_back(page: Watched, served: Served) -> None:
    opened(page.page, served)
    press(page.page, "n", 1)
    press(page.page, "a", 2)
    press(page.page, "z", 1)
    wait_until_shown(page.page)
    assert served.session.state()["current"] == served.sample.document.order[1]
    expect(page.page.locator("#last")).to_contain_text("taken back")
    press(page.page, "n", 2)
    assert Counter(MarksFile(served.out).standing().marks.values()) == {"normal": 2}
    assert page.errors == []


def test_a_reload_goes_on_where_one_was(page: Watched, served: Served) -> None:
    opened(page.page, served)
    for done in (1, 2, 3):
        press(page.page, "n", done)
    page.page.reload()
    wait_until_shown(page.page)
    expect(page.page.locator("#position")).to_have_text("3 of 20 marked")
    press(page.page, "a", 4)
    assert len(MarksFile(served.out).lines()) == 4


def test_what_would_sway_one_is_hidden_until_it_is_asked_for(page: Watched, served: Served) -> None:
    opened(page.page, served)
    first = served.sample.document.images[served.sample.document.order[0]]
    name = first.path.rpartition("/")[2]
    assert name not in page.page.locator("body").inner_text()
    assert not [address for address in page.requests if address.endswith("/facts")]
    page.page.keyboard.press("s")
    expect(page.page.locator("#facts")).to_contain_text(name)
    expect(page.page.locator("#facts")).to_contain_text("flagged")
    press(page.page, "n", 1)
    expect(page.page.locator("#facts")).to_be_hidden()  # of the next one
    expect(page.page.locator("#last")).to_contain_text(name)


def test_zoom_and_drag(page: Watched, served: Served) -> None:
    opened(page.page, served)
    box = page.page.locator("#image")
    whole = box.bounding_box()
    page.page.keyboard.press("+")
    page.page.keyboard.press("+")
    larger = box.bounding_box()
    assert whole is not None
    assert larger is not None
    assert larger["width"] == pytest.approx(whole["width"] * 1.25**2, rel=0.01)
    stage = page.page.locator("#stage").bounding_box()
    assert stage is not None
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 40, y + 30)
    page.page.mouse.up()
    moved = box.bounding_box()
    assert moved is not None
    assert (moved["x"] - larger["x"], moved["y"] - larger["y"]) == pytest.approx((40, 30), abs=1)
    page.page.keyboard.press("1")
    expect(page.page.locator("#zoom")).to_have_text("100%")
    pixels = box.bounding_box()
    assert pixels is not None
    assert (pixels["width"], pixels["height"]) == pytest.approx((32, 24))
    page.page.mouse.dblclick(x, y)
    again = box.bounding_box()
    assert again is not None
    assert again["width"] == pytest.approx(whole["width"], rel=0.01)
    page.page.mouse.wheel(0, -100)
    expect(page.page.locator("#stage")).to_have_class("zoomed")
    assert len(MarksFile(served.out).lines()) == 0


def test_hostile_names_are_text(page: Watched, served: Served) -> None:
    for number in range(len(HOSTILE)):
        served.client.mark(number, "normal")
    other = Session(served.out, served.sample.document, "<b>eve</b>")
    for number in range(len(HOSTILE)):
        other.mark(number, "anomalous", 1.0)
    opened(page.page, served)
    page.page.keyboard.press("r")
    rows = page.page.locator("#disagreements tbody tr")
    expect(rows).to_have_count(len(HOSTILE))
    text = page.page.locator("#disagreements").inner_text()
    assert "<img src=x onerror=alert(1)>.png" in text
    assert "<b>eve</b>: anomalous" in text
    assert page.page.locator("#results b, #results script, #results img[src='x']").count() == 0
    assert page.dialogs == []
    assert page.errors == []


def test_two_reviewers_at_once_and_their_disagreements(
    browser: Browser, page: Watched, served: Served
) -> None:
    session = Session(served.out, served.sample.document, "grace", planned=5)
    opened(page.page, served)
    with (
        serving(session, served.sample.gallery) as (server, _),
        new_page(browser) as second,
    ):
        second.page.goto(server.access.address)
        for done in range(1, 6):
            press(page.page, "n", done)
            press(second.page, "a" if done > 3 else "n", done)
        assert second.errors == []
    stands = MarksFile(served.out).standing()
    assert len(MarksFile(served.out).lines()) == 10
    assert [found.marks for found in stands.disagreements] == [
        {"ada": "normal", "grace": "anomalous"}
    ] * 2
    page.page.keyboard.press("r")
    expect(page.page.locator("#disagreements tbody tr")).to_have_count(2)
    expect(page.page.locator("#reviewers tr")).to_have_count(2)
    page.page.locator("#disagreements button").first.click()  # ada looks again, and agrees
    wait_until_shown(page.page)
    page.page.keyboard.press("a")
    expect(page.page.locator("#last")).to_contain_text("Marked anomalous")
    assert len(MarksFile(served.out).standing().disagreements) == 1
    assert page.errors == []


def test_two_tabs_of_one_reviewer(page: Watched, served: Served) -> None:
    opened(page.page, served)
    tab = page.page.context.new_page()
    tab.goto(f"{served.client.origin}/")
    wait_until_shown(tab)
    press(page.page, "n", 1)
    press(page.page, "n", 2)
    wait_until_shown(tab)
    tab.keyboard.press("a")  # of the image that the first tab has marked: the last word counts
    expect(tab.locator("#position")).to_contain_text("2 of ")
    assert list(MarksFile(served.out).standing().marks.values()) == ["anomalous", "normal"]


def test_a_server_that_has_gone_is_said(page: Watched, served: Served) -> None:
    opened(page.page, served)
    press(page.page, "n", 1)
    wait_until_shown(page.page)
    served.server.stop()
    page.page.wait_for_timeout(500)
    page.page.keyboard.press("a")
    expect(page.page.locator("#failure")).to_contain_text("Start the same command again")
    assert len(MarksFile(served.out).lines()) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, served: Served, scheme: str) -> None:
    for size in ((1280, 900), PHONE):
        with new_page(browser, size=size, scheme=scheme, still=True) as watched:  # type: ignore[arg-type]
            opened(watched.page, served)
            assert serious_violations(watched.page) == []
            wait_until_shown(watched.page)
            watched.page.keyboard.press("n")
            watched.page.keyboard.press("s")
            watched.page.wait_for_timeout(300)
            assert serious_violations(watched.page) == []
            watched.page.keyboard.press("?")
            assert serious_violations(watched.page) == []
            watched.page.keyboard.press("Escape")
            watched.page.keyboard.press("r")
            expect(watched.page.locator("#results")).to_be_visible()
            assert serious_violations(watched.page) == []
            width = watched.page.evaluate("document.documentElement.scrollWidth")
            assert width <= size[0]  # nothing to scroll sideways
            assert watched.errors == []


def test_by_keyboard_alone_with_single_keys_off(page: Watched, served: Served) -> None:
    opened(page.page, served)
    page.page.keyboard.press("?")
    page.page.locator("#keys").uncheck()
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("n")
    page.page.wait_for_timeout(300)
    assert len(MarksFile(served.out).lines()) == 0
    for _ in range(30):
        page.page.keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.id") == "mark-anomalous":
            break
    page.page.keyboard.press("Enter")
    expect(page.page.locator("#position")).to_contain_text("1 of ")
    assert page.page.evaluate("document.activeElement.id") == "mark-anomalous"  # for the next one
    (line,) = MarksFile(served.out).lines()
    assert line.mark == "anomalous"
    expect(page.page.locator("#live")).to_contain_text("Marked anomalous")


def test_another_page_cannot_reach_it(page: Watched, served: Served) -> None:
    """From a page of another port, in the browser that has the cookie."""
    opened(page.page, served)
    other = Session(served.out, served.sample.document, "other")
    with serving(other, served.sample.gallery) as (server, _):
        page.page.goto(f"http://127.0.0.1:{server.access.port}/nothing")
        found = page.page.evaluate(
            """async (address) => {
                const body = JSON.stringify({ image: 1, mark: "normal", seconds: 1 });
                const ways = [
                    { method: "POST", body, credentials: "include" },
                    { method: "POST", body, mode: "no-cors", credentials: "include" },
                    { method: "POST", body, headers: { "X-Twofold-Review": "1" } },
                ];
                return Promise.all(ways.map((way) => fetch(address, way).then(
                    (answer) => answer.type, () => "refused")));
            }""",
            f"{served.client.origin}/api/mark",
        )
    assert set(found) <= {"refused", "opaque"}
    assert MarksFile(served.out).lines() == ()
    assert Client(served.client.port).get("/api/state").status == 401
