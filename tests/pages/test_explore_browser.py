"""`explore` in a real browser: what a person types, clicks, sees and hears."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from support import shop
from support.browsing import PHONE, drawn, needs_browser, rows, seriously_wrong, served, visited
from support.places import PROJECT
from support.shop import day

pytestmark = needs_browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(shop.lakehouse(tmp_path_factory.mktemp("shop"))) as address:
        yield address


@contextmanager
def opened(browser: Browser, address: str, *terms: str, **settings: Any) -> Iterator[Page]:
    """The page with some terms; it asks nobody but its own server."""
    chosen = "#" + urlencode([("term", term) for term in terms]) if terms else ""
    with visited(browser, address + chosen, **settings) as (page, asked):
        expect(page.locator(".figure")).to_be_visible()
        expect(page.locator("#lists-section")).to_be_visible()
        drawn(page)
        yield page
    assert {url for url in asked if not url.startswith(address)} == set()


def typed(page: Page, text: str) -> None:
    page.locator("#term").fill(text)


def test_a_term_is_found_as_one_types_and_several_are_compared(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        expect(page.locator("#comparison-title")).to_contain_text("All searches: ")
        typed(page, "LAP")
        page.locator("#found button", has_text="gaming laptop").click()
        count = shop.total(day(56), day(139), "gaming laptop")
        expect(page.locator("#comparison-title")).to_contain_text(
            f"“gaming laptop”\u2069: {count:,} searches in 84 days"
        )
        drawn(page)
        assert page.locator("#history svg .mark-area path").count() == 2
        typed(page, "camping")
        page.keyboard.press("Enter")
        expect(page.locator("#comparison-title")).to_have_text("2 terms over 84 days")
        drawn(page)
        assert page.locator("#comparison svg .mark-line path").count() == 4  # counts and forecasts
        assert page.locator("#comparison svg .mark-area path").count() == 2
        [laptop, tent] = rows(page, "#comparison-figure")
        share = shop.total(day(56), day(139), "camping tent") / shop.total(day(56), day(139))
        assert tent[:5] == [
            "camping tent",
            f"{shop.total(day(56), day(139), 'camping tent'):,}",
            f"{share:.1%}",
            "rising",
            "+55%",
        ]
        assert laptop[3] == "stable"
        page.get_by_role("button", name="By week").click()
        expect(page.locator("#comparison-title")).to_have_text("2 terms over 20 weeks")
        page.locator("#from").fill(day(14).isoformat())
        page.locator("#to").fill(day(34).isoformat())
        expect(page.locator("#comparison-title")).to_have_text("2 terms over 3 weeks")
        page.reload()  # what is chosen stands in the address
        expect(page.locator("#comparison-title")).to_have_text("2 terms over 3 weeks")
        page.get_by_role("button", name="Remove").first.click()
        expect(page.locator("#comparison-title")).to_contain_text("camping tent")
        typed(page, "never searched")
        expect(page.get_by_role("status")).to_have_text("No term holds “never searched”")
        words = page.evaluate("document.body.innerText")
        assert re.findall(r"\b[a-z]+_[a-z]+\b|undefined|NaN|\[object", words) == []


def test_of_three_days_each_stands_once_on_the_axis(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.route("**/api/comparison*", lambda route: route.fulfill(body="no answer"))
        page.locator("#from").fill(day(60).isoformat())
        expect(page.get_by_role("status")).to_contain_text("SyntaxError")
        page.unroute_all()
        page.locator("#to").fill(day(62).isoformat())
        expect(page.locator("#comparison-title")).to_contain_text("in 3 days")
        expect(page.get_by_role("status")).to_have_text("")
        drawn(page)
        texts = "[...document.querySelectorAll('#history .role-axis-label text')]"
        shown = page.evaluate(f"{texts}.filter(each => each.getAttribute('opacity') != 0).map(each => each.innerHTML)")

    assert [text for text in shown if " " in text] == [f"{day(n):%-d %b}" for n in (60, 61, 62)]


def test_days_that_change_together_are_asked_for_once(browser: Browser, address: str) -> None:
    change = """dates => Object.entries(dates).forEach(([id, value]) => {
        document.getElementById(id).value = value;
        document.getElementById(id).dispatchEvent(new Event("change"));
    })"""
    asked: list[str] = []
    with opened(browser, address) as page:
        page.on("request", listener := lambda request: asked.append(request.url))
        page.evaluate(change, {"from": day(60).isoformat(), "to": day(62).isoformat()})
        expect(page.locator("#comparison-title")).to_contain_text("in 3 days")
        drawn(page)
        page.remove_listener("request", listener)

    assert [url.partition("?")[0].removeprefix(address) for url in asked] == ["api/comparison", "api/list"]


def test_a_bookmark_is_followed_where_the_page_is_open_already(browser: Browser, address: str) -> None:
    with opened(browser, address, "gaming laptop") as page:
        expect(page.locator("#comparison-title")).to_contain_text("gaming laptop")
        page.goto(f"{address}#term=camping+tent")
        expect(page.locator("#comparison-title")).to_contain_text("camping tent")
        drawn(page)


def test_lists_lead_on_and_what_is_shown_is_downloaded(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.get_by_role("button", name="Rising", exact=True).click()
        expect(page.locator("#lists-title")).to_have_text("Rising, the week of 13 Jul 2026")
        assert [row[:3] for row in rows(page, "#lists-section")] == [
            ["camping tent", "180", "120"],
            [shop.HOSTILE[0], "62", "40"],
        ]
        page.locator("#lists-section").get_by_role("button", name="camping tent").click()
        expect(page.locator("#comparison-title")).to_contain_text("camping tent")
        with page.expect_download() as download:
            page.locator("#comparison-figure .download").click()
        lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
        assert lines[1] == f"{day(56)},camping tent,{shop.total(day(56), day(56), 'camping tent')},,,,,"
        assert len(lines) == 1 + 84 + 14
        page.get_by_role("button", name="Breaking out").click()
        expect(page.locator("#lists-title")).to_have_text("Breaking out, 20 Jul 2026")
        assert rows(page, "#lists-section")[0][:2] == [shop.BREAKOUT, "70"]


def test_a_hostile_term_is_text(browser: Browser, address: str) -> None:
    with opened(browser, address, *shop.HOSTILE[:3]) as page:
        for term in shop.HOSTILE[3:6]:
            typed(page, term)
            expect(page.locator("#found button").first).to_contain_text(term)
            page.keyboard.press("Enter")
            expect(page.locator("#chosen")).to_contain_text(term)
        expect(page.locator("#comparison-title")).to_have_text("6 terms over 84 days")
        drawn(page)
        typed(page, "constructor")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("6 terms are the most")
        assert [row[0] for row in rows(page, "#comparison-figure")] == list(shop.HOSTILE[:6])
        assert page.locator("img, main script, #hint dd *").count() == 0
        assert page.title() == "Search demand"


def test_a_phone_shows_it_whole_and_axe_finds_nothing_serious_by_day_and_by_night(
    browser: Browser, address: str
) -> None:
    terms = ("gaming laptop", "camping tent", shop.HOSTILE[-1])
    with opened(browser, address, *terms, viewport=PHONE, locale="es-MX") as page:
        expect(page.locator("h1")).to_have_text("Demanda de búsqueda")
        typed(page, "w")
        expect(page.locator("#found button").first).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        trends = page.locator("#comparison-figure > .scroll")  # of at most six terms, however long
        assert trends.evaluate("each => each.scrollHeight - each.clientHeight") == 0
        for end in ("from", "to"):  # in one line with its field
            tops = [page.locator(each).bounding_box() for each in (f"label[for={end}]", f"#{end}")]
            assert tops[0]["y"] < tops[1]["y"] + tops[1]["height"]
            assert tops[1]["y"] < tops[0]["y"] + tops[0]["height"]
        assert seriously_wrong(page) == []
        page.emulate_media(color_scheme="dark")
        assert seriously_wrong(page) == []
        page.get_by_role("button", name="English").click()
        assert rows(page, "#lists-section")[-1] == ["rare thing 0003", "2", "<0.1%"]
        expect(page.locator("#comparison-title")).to_have_text("3 terms over 84 days")
        drawn(page)


@pytest.mark.skipif("SCREENSHOT" not in os.environ, reason="SCREENSHOT=LAKEHOUSE writes docs/explore.png from it")
def test_the_picture_of_the_documentation(browser: Browser) -> None:
    picture = PROJECT / "docs" / "explore.png"
    terms = ("gaming laptop", "laptop", "tablet wifi")

    with (
        served(Path(os.environ["SCREENSHOT"])) as address,
        opened(browser, address, *terms, viewport={"width": 1120, "height": 900}) as page,
    ):
        typed(page, "inch")
        expect(page.locator("#found button").first).to_be_visible()
        page.screenshot(path=picture)

    assert picture.stat().st_size < 200_000
