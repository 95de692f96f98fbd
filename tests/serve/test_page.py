"""The page of the service in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.support.browser import PHONE, Watched, new_page, serious_violations
from tests.support.review import HOSTILE
from tests.support.serve import TOKEN, Served, loader, serving

from twofold import Detector
from twofold.serve.page import page_policy, render

pytestmark = pytest.mark.slow


def files(pngs: list[bytes], *names: str) -> list[Any]:
    return [
        {"name": name, "mimeType": "image/png", "buffer": content}
        for name, content in zip(names, pngs, strict=False)
    ]


def test_images_are_judged_shown_and_explained(
    page: Watched, served: Served, pngs: list[bytes], detector: Detector
) -> None:
    page.page.goto(f"http://127.0.0.1:{served.client.port}/")
    expect(page.page.locator("#about-model")).to_contain_text("Model default judges")
    expect(page.page.locator("#images")).to_be_hidden()
    names = [*HOSTILE, *(f"{n}.png" for n in range(len(HOSTILE), 11))]
    given = files(pngs, *names)
    given.append({"name": "broken.png", "mimeType": "image/png", "buffer": b"no image"})
    page.page.locator("#files").set_input_files(given)
    expect(page.page.locator("#done")).to_have_text("12 of 12 images judged")
    page.page.locator("[data-filter=all]").click()
    expect(page.page.locator("#cards .card")).to_have_count(11)
    expect(page.page.locator("#cards .card .frame img").first).to_be_visible()
    expect(page.page.locator("#alarms")).to_contain_text("of 11 images are flagged")
    expect(page.page.locator("[data-filter=unreadable] span")).to_have_text("1")
    page.page.locator("#cards .card").first.click()
    viewer = page.page.locator("#viewer")
    expect(viewer).to_contain_text("score")
    expect(viewer.locator("canvas")).to_be_visible()
    expect(viewer).to_contain_text("p-value")
    page.page.keyboard.press("Escape")
    page.page.locator("#slider").fill("0")
    expect(page.page.locator("#alarms")).to_contain_text(
        re.compile(r"1[01] of 11 images are flagged")
    )
    assert page.errors == []
    assert page.dialogs == []
    assert all(one.startswith(f"http://127.0.0.1:{served.client.port}/") for one in page.network)


def test_a_token_is_asked_for(
    page: Watched, detector: Detector, pngs: list[bytes], token_file: Path
) -> None:
    both = {"default": detector, "line-b": detector}
    with serving(loader(both), names=list(both), token_file=token_file) as served:
        page.page.goto(f"http://127.0.0.1:{served.client.port}/")
        token = page.page.locator("#token")
        token.fill("of another service")
        token.press("Enter")
        expect(page.page.locator("#failure")).to_contain_text("none of the service's tokens")
        token.fill(TOKEN)
        token.press("Enter")
        expect(page.page.locator("#drop")).to_be_visible()
        page.page.locator("#files").set_input_files(files(pngs, "a.png"))
        expect(page.page.locator("#done")).to_have_text("1 of 1 images judged")
        page.page.locator("#models").select_option("line-b")
        expect(page.page.locator("#about-model")).to_contain_text("Model line-b")
        page.page.locator("#files").set_input_files(files(pngs, "a.png"))
        expect(page.page.locator("#done")).to_have_text("1 of 1 images judged")
        text = served.client.get("/metrics").body.decode()
        assert 'twofold_batch_images_sum{model="line-b"} 1.0' in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(
    browser: Browser, served: Served, pngs: list[bytes], scheme: Any
) -> None:
    with new_page(browser, size=PHONE, scheme=scheme) as page:
        page.page.goto(f"http://127.0.0.1:{served.client.port}/")
        expect(page.page.locator("#drop")).to_be_visible()
        page.page.locator("#files").set_input_files(files(pngs, *"abcdefgh"))
        expect(page.page.locator("#done")).to_have_text("8 of 8 images judged")
        assert serious_violations(page.page) == []
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.page.evaluate(wide) <= 0
        assert page.errors == []


def test_the_page_is_one_file_and_asks_nobody_else() -> None:
    text = render()
    assert "src=" not in text.replace("src: pictureOf", "")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert " style=" not in text
    assert "unsafe" not in page_policy()
