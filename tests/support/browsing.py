"""A real browser, and what the tests of the pages ask of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from werkzeug.serving import make_server

from search_forecast.pages.explore import LOOPBACK, application
from search_forecast.queries.remembering import RememberingEngine

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE: ViewportSize = {"width": 360, "height": 740}
SCREEN: ViewportSize = {"width": 1280, "height": 720}
expect.set_options(timeout=30_000)  # on a machine that does much else
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no browser: sudo apt-get install chromium")


_windows: dict[str, Page] = {}  # by what can't be changed later


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        _windows.clear()
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


def _window(browser: Browser, locale: str, *, has_touch: bool) -> Page:
    """An empty page, far from UTC. It was another test's before: a page in a new process takes three times as long."""
    name = f"{locale} {has_touch}"
    if name not in _windows:
        context = browser.new_context(locale=locale, has_touch=has_touch, timezone_id="America/Los_Angeles")
        _windows[name] = context.new_page()
    page = _windows[name]
    page.goto("about:blank")
    page.unroute_all()
    page.mouse.move(0, 0)
    return page


@contextmanager
def visited(
    browser: Browser,
    address: str,
    *,
    locale: str = "en-GB",
    has_touch: bool = False,
    viewport: ViewportSize = SCREEN,
    color_scheme: Literal["light", "dark"] = "light",
) -> Iterator[tuple[Page, list[str]]]:
    """A page, once all is drawn, and what it asked for; it may complain of nothing."""
    page = _window(browser, locale, has_touch=has_touch)
    page.set_viewport_size(viewport)
    page.emulate_media(media="null", color_scheme=color_scheme)
    asked: list[str] = []
    said: list[str] = []
    listeners: dict[Any, Any] = {
        "request": lambda request: asked.append(request.url),
        "console": lambda message: said.append(message.text),
        "pageerror": lambda error: said.append(str(error)),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    try:
        page.goto(address)
        drawn(page)
        yield page, asked
        assert said == []
    finally:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)


def drawn(page: Page) -> None:
    page.locator(".figure:not([data-drawn])").first.wait_for(state="detached")  # looks more often than expect


def rows(page: Page, section: str) -> list[list[str]]:
    """The cells of the first table of a section."""
    cells = "rows => [...rows].map(row => [...row.cells].map(cell => cell.innerText))"
    return page.evaluate(f"id => ({cells})(document.querySelector(`${{id}} tbody`).rows)", section)


def seriously_wrong(page: Page) -> list[tuple[str, str]]:
    """What axe finds that keeps somebody from using the page."""
    found = Axe().run(page, context={"exclude": ["datalist"]}).response["violations"]  # whose options are never shown
    return [(fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] != "minor"]
