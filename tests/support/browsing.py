"""A real browser, and what the tests of the pages ask of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from search_forecast.pages.explore import LOOPBACK, application
from search_forecast.queries.remembering import RememberingEngine

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = {"width": 360, "height": 740}
expect.set_options(timeout=30_000)  # on a machine that does much else
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no browser: sudo apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def served(lake: Path) -> Iterator[str]:
    """What `explore` answers of a lakehouse: its address."""
    server = make_server(LOOPBACK, 0, lambda *_: [], threaded=True)
    hosts = frozenset({f"{LOOPBACK}:{server.port}"})
    server.app = application(RememberingEngine(lake, lambda: pytest.fail("needs Spark")), hosts)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://{LOOPBACK}:{server.port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def visited(browser: Browser, address: str, **settings: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page, far from UTC, once all is drawn, and what it asked for; it may complain of nothing."""
    wide: dict[str, Any] = {"locale": "en-GB", "timezone_id": "America/Los_Angeles"}
    context = browser.new_context(**wide | settings)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    drawn(page)
    yield page, asked
    assert said == []
    context.close()


def drawn(page: Page) -> None:
    expect(page.locator(".figure:not([data-drawn])")).to_have_count(0)


def rows(page: Page, section: str) -> list[list[str]]:
    """The cells of the first table of a section."""
    cells = "rows => [...rows].map(row => [...row.cells].map(cell => cell.innerText))"
    return page.evaluate(f"id => ({cells})(document.querySelector(`${{id}} tbody`).rows)", section)


def seriously_wrong(page: Page) -> list[tuple[str, str]]:
    """What axe finds that keeps somebody from using the page."""
    found = Axe().run(page).response["violations"]
    return [(fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] != "minor"]
