"""`make torture`: what takes too long for every day. Each test notes what it did in the table of docs/torture.md."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from support.places import PROJECT

PAGE = PROJECT / "docs" / "torture.md"
HEAD = "| what | done | came of it | lost or counted twice | when, where |\n|---|---|---|---|---|\n"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=1)
    parser.addoption(
        "--kills", type=int, default=8, help="processes killed, dealt out among 19 commands in an order by the seed"
    )
    parser.addoption("--days", type=int, default=60, help="daily deliveries in a row")
    parser.addoption("--minutes", type=float, default=2, help="no further daily delivery after this long, but ten")
    parser.addoption("--files", type=int, default=10_000, help="files in one delivery")
    parser.addoption("--inputs", type=int, default=50_000, help="inputs, spread over the readers that are fuzzed")


def machine() -> str:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{date.today()}, {len(os.sched_getaffinity(0))} cores, {gigabytes:.0f} GiB"


def noted_in(page: Path, what: str, done: str, outcome: str, losses: int) -> None:
    """Put a line into the page's table, in the place of the one that said so before."""
    before, _, after = page.read_text(encoding="utf-8").partition(HEAD)
    lines = after.splitlines(keepends=True)
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    rows = {line.split(" | ")[0]: line for line in lines[:end]}
    rows[f"| {what}"] = f"| {what} | {done} | {outcome} | {losses} | {machine()} |\n"
    page.write_text(before + HEAD + "".join(rows.values()) + "".join(lines[end:]), encoding="utf-8")


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str, str], None]]:
    """Says what was done, how much of it, what came of it; written once the test has passed: nothing was lost."""
    said: list[tuple[str, str, str]] = []
    yield lambda *words: said.append(words)
    if not request.node.stash[FAILED]:
        for words in said:
            noted_in(PAGE, *words, losses=0)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report
