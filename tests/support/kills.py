"""Commands that are killed at a commit, or at another step that cannot be taken back, and run again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from search_forecast.lakehouse import purge as purging
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import batches, erase
from support.flow import KilledError

Point = tuple[str, str]  # a table that is written, `seal` or `purge`; whether it dies `before` or `after` that
GOLD = ("daily_term_counts", "daily_totals", "term_summary", "term_variants")
DECIDED: Point = ("deliveries", "after")
FOLLOWING: tuple[Point, ...] = tuple(
    (name, "after") for name in ("search_events", "rejected_records", *GOLD, "corrections", "batches")
)
# What each command does, in order: its commits and steps of staging, before or after which it is killed.
POINTS: dict[str, tuple[Point, ...]] = {
    "ingest": (("seal", "before"), ("seal", "after"), ("raw_search_terms", "after"), ("deliveries", "after")),
    "clean": (("search_events", "after"), ("rejected_records", "after")),
    "aggregate": tuple((name, "after") for name in GOLD),
    "reconcile": (("batches", "after"),),
    "correct": (DECIDED, *FOLLOWING),
    "correct --by": (
        ("seal", "after"),
        ("raw_search_terms", "before"),
        ("raw_search_terms", "after"),
        DECIDED,
        *FOLLOWING,
    ),
    "erase": (("term_forecasts", "after"), DECIDED, ("raw_search_terms", "after"), *FOLLOWING, ("purge", "after")),
}


def sampled(seed: int) -> dict[str, tuple[Point, ...]]:
    """One point of each command."""
    chance = random.Random(seed)
    return {command: (chance.choice(points),) for command, points in POINTS.items()}


def _killing(work: Callable[..., Any], name_of: Callable[..., str], point: Point) -> Callable[..., Any]:
    def killed(*args: Any, **options: Any) -> Any:
        is_there = name_of(*args) == point[0]
        if is_there and point[1] == "before":
            raise KilledError
        result = work(*args, **options)
        if is_there:
            raise KilledError
        return result

    return killed


def kill(run: Callable[..., Any], words: Sequence[str], point: Point) -> bool:
    """Run a command that dies at a point; whether it came to it."""
    with pytest.MonkeyPatch.context() as patch:
        for method in ("write", "add"):
            work = getattr(Lakehouse, method)
            patch.setattr(Lakehouse, method, _killing(work, lambda _house, _rows, table, *_: str(table.name), point))
        patch.setattr(batches, "seal", _killing(batches.seal, lambda *_: "seal", point))
        patch.setattr(erase, "purge", _killing(purging.purge, lambda *_: "purge", point))
        try:
            run(*words)
        except KilledError:
            return True
    return False


def killed_at(run: Callable[..., Any], words: Sequence[str], points: Sequence[Point]) -> int:
    """Kill a command at one point after the other, each run going on from what the one before left; how often it was.

    What was committed right before a kill need not be committed again: that point is passed.
    """
    return sum(kill(run, words, point) for point in points)
