"""Both pages by keyboard: who presses a button stays on it, though it is drawn anew; Enter adds what was found."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from search_forecast.pages.report import write_report
from search_forecast.queries.local import LocalEngine
from support import shop
from support.browsing import drawn, needs_browser, served, visited

pytestmark = needs_browser


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.lakehouse(tmp_path_factory.mktemp("shop"))


def press(page: Page, group: str, text: str) -> None:
    page.locator(group).get_by_role("button", name=text, exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"{group} [aria-pressed=true]")).to_have_text(text)
    drawn(page)
    expect(page.locator(":focus")).to_have_text(text)


def test_in_the_report(browser: Browser, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(LocalEngine(lake), path, datetime(2026, 11, 26, tzinfo=timezone.utc))

    with visited(browser, path.as_uri()) as (page, _):
        press(page, "#spans", "By week, 20 weeks")
        press(page, "#rising_and_falling-section [role=group]", "By month")


def test_in_explore(browser: Browser, lake: Path) -> None:
    with served(lake) as address, visited(browser, address) as (page, _):
        press(page, "#grains", "By week")
        press(page, "#spans", "All days")
        press(page, "#lists-section [role=group]", "Rising")
        page.locator("#term").fill("laptop")
        page.locator("#found button").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#term")).to_be_focused()


def test_enter_adds_nothing_that_was_found_for_another_text(browser: Browser, lake: Path) -> None:
    with served(lake) as address, visited(browser, address) as (page, _):
        page.locator("#term").fill("laptop")
        expect(page.locator("#found button")).to_have_count(1)
        page.route("**/api/terms*", lambda route: route.fulfill(body="no answer"))
        page.locator("#term").fill("camping")
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_contain_text("SyntaxError")
        expect(page.locator("#chosen")).to_have_text("All searches")


def test_nothing_comes_for_a_text_that_is_gone(browser: Browser, lake: Path) -> None:
    with served(lake) as address, visited(browser, address) as (page, _):
        page.route("**/api/terms*", lambda _: None)  # an answer that takes its time, as a warehouse's does
        with page.expect_request("**/api/terms*"):
            page.locator("#term").fill("laptop")
        with page.expect_event("requestfailed"):
            page.locator("#term").fill("")
