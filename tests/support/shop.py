"""A small shop's lakehouse, written without Spark: twenty weeks of searches, forecasts, trends, rejects."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from support.delta import Rows, write

FIRST = date(2026, 3, 2)  # a Monday; that day is complete
DAY_COUNT = 141  # the last day is incomplete
LAST_COMPLETE = FIRST + timedelta(days=DAY_COUNT - 2)
WEEKDAY = (1.0, 0.9, 0.95, 1.0, 1.15, 1.4, 1.3)
BASE = {"gaming laptop": 60, "running shoes": 45, "usb-c cable": 34, "camping tent": 20, "coffee machine": 26}
DAILY_GROWTH = {"camping tent": 1.012, "coffee machine": 0.994}
HOSTILE = (
    "</script><script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "<!--<script>",
    "שלום abc 123",
    "@searches",
    "$main",
    "{count} $& %s",
    "constructor",
    "__proto__",
    "=1+1",
    "ポータブル電源",
    "w" * 256,
)
BREAKOUT = "fan heater"  # on the last day, never before
RARE_COUNT = 1100  # more terms than the page holds
FORECAST = tuple(BASE)
HORIZON = 14


@cache
def counts() -> dict[tuple[date, str], int]:
    """Searches by day and term."""
    random = Random(7)
    made: dict[tuple[date, str], int] = {}
    for number in range(DAY_COUNT):
        when = day(number)
        part = 0.3 if number == DAY_COUNT - 1 else 1.0
        for term, base in BASE.items():
            mean = base * WEEKDAY[when.weekday()] * DAILY_GROWTH.get(term, 1) ** number
            made[when, term] = max(1, round(part * random.gauss(mean, mean**0.5)))
        for place in range(number, RARE_COUNT, DAY_COUNT - 1):
            made[when, f"rare thing {place:04}"] = 1 + place % 2
    for place, term in enumerate(HOSTILE):
        made[day(80 + place), term] = 40 - place
    made[day(DAY_COUNT - 1), BREAKOUT] = 70
    return made


@cache
def total(first: date, last: date, term: str | None = None) -> int:
    """Searches from one day to another, of a term or of all."""
    return sum(n for (day, of), n in counts().items() if first <= day <= last and term in (None, of))


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def days() -> Iterator[date]:
    return map(day, range(DAY_COUNT))


def ranking(first: date, last: date) -> list[tuple[str, int]]:
    """Terms of some days, most searched first."""
    found: Counter[str] = Counter()
    for (day, term), count in counts().items():
        if first <= day <= last:
            found[term] += count
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def forecast(term: str, step: int) -> float:
    """A forecast whose fraction tells which day it is for."""
    last = total(LAST_COMPLETE - timedelta(days=27), LAST_COMPLETE, None if term[0] == "(" else term)
    return last // 28 + step / 100


def lakehouse(root: Path) -> Path:
    """Write all tables that the page reads."""
    return write(root, {**gold(), **forecasts(), **layers_below(), "term_trends": trends()})


def gold() -> dict[str, Rows]:
    rows = [{"event_date": day, "term": term, "search_count": n} for (day, term), n in counts().items()]
    totals = [
        {
            "event_date": day,
            "search_count": total(day, day),
            "distinct_term_count": len(ranking(day, day)),
            "is_complete_day": day <= LAST_COMPLETE,
        }
        for day in days()
    ]
    everything = total(FIRST, FIRST + timedelta(days=DAY_COUNT))
    seen = defaultdict(list)
    for day, term in sorted(counts()):
        seen[term].append(day)
    summary = []
    for rank, (term, count) in enumerate(ranking(FIRST, FIRST + timedelta(days=DAY_COUNT)), start=1):
        days_of = seen[term]
        ends = {"first_seen_date": days_of[0], "last_seen_date": days_of[-1], "active_day_count": len(days_of)}
        summary.append({"term": term, "search_count": count, "share_ratio": count / everything, "rank": rank, **ends})
    return {"daily_term_counts": rows, "daily_totals": totals, "term_summary": summary}


def forecasts() -> dict[str, Rows]:
    """What versions 1 and 2 of the model forecast and how they did; version 2 scored last."""
    ahead = [
        {
            "term": term,
            "target_date": LAST_COMPLETE + timedelta(days=step),
            "model_version": 2,
            "interval_level": level,
            "made_on_date": LAST_COMPLETE,
            "horizon_days": step,
            "forecast": forecast(term, step),
            "lower": forecast(term, step) - half,
            "upper": forecast(term, step) + half,
            "mean_forecast": 5.0,
            "candidate": "ets 62 %, theta 38 %",
            "model_name": "search_demand",
            "scored_at": datetime(2026, 3, 2, 9, tzinfo=timezone.utc),
        }
        for term in ("(total)", "(other)", *FORECAST)
        for step in range(1, HORIZON + 1)
        for level, half in ((0.8, 4.0), (0.95, 6.0))
    ]
    # From the same counts, before somebody went back to version 2.
    ahead.append(ahead[0] | {"model_version": 3, "scored_at": datetime(2026, 3, 2, 8, tzinfo=timezone.utc)})
    errors = {"selection": 0.11, "ets": 0.12, "historic_mean": 0.16, "seasonal_naive": 0.2, "naive": 0.3}
    verdicts = {"gaming laptop": "no better than the mean"}
    measured: list[dict[str, Any]] = [
        {
            "model_version": version,
            "candidate": candidate,
            "term": term,
            "wape": wape + (2 - version) / 50,
            "mase": wape * 5,
            "interval_coverage": 0.94 if candidate == "selection" else None,
            "poisson_floor_wape": 0.1,
            "window_count": 6,
            "is_champion": candidate == "selection" and term != "(all)",
            "verdict": verdicts.get(term, "forecastable") if candidate == "selection" and term != "(all)" else None,
        }
        for version in (1, 2)
        for term in ("(all)", "(total)", *FORECAST)
        for candidate, wape in errors.items()
    ]
    accuracy = [
        {
            "model_version": 2,
            "made_on_date": LAST_COMPLETE - timedelta(days=7 * weeks),
            "window": "1-7",
            "first_target_date": LAST_COMPLETE - timedelta(days=7 * weeks - 1),
            "last_target_date": LAST_COMPLETE - timedelta(days=7 * weeks - 7),
            "term_count": len(FORECAST),
            "actual_count": 1500,
            "wape": 0.12 + 0.01 * (weeks % 3),
            "mean_wape": 0.17,
            "mase": 0.8,
            "interval_coverage": 0.95,
            "skill_ratio": 0.2,
        }
        for weeks in range(1, 7)
    ]
    return {"term_forecasts": ahead, "backtest_metrics": measured, "forecast_accuracy": accuracy}


def trends() -> Rows:
    """The last whole week and month, and the ones that have just begun."""
    moves = {
        "camping tent": (90, 60, 0.55, 0.001, "rising"),
        HOSTILE[0]: (31, 20, 0.4, 0.04, "rising"),
        "coffee machine": (20, 40, -0.45, 0.002, "falling"),
        "gaming laptop": (80, 81, -0.01, 0.9, "stable"),
        "usb-c cable": (40, 40, 0.01, 1.0, "stable"),
        "constructor": (33, 0, None, None, "new"),
        "w" * 256: (0, 29, -1.0, 0.03, "lost"),
    }
    return [
        {
            "grain": grain,
            "period_start_date": start,
            "term": term,
            "search_count": count * factor,
            "previous_count": previous * factor,
            "share_ratio": 0.1,
            "rank": 1 if count else None,
            "previous_rank": 1 if previous else None,
            "growth_ratio": growth,
            "index_0_100": 50,
            "p_value": p_value,
            "status": status,
            "is_partial_period": is_partial,
        }
        for grain, start, factor, is_partial in (
            ("week", date(2026, 7, 6), 1, False),
            ("week", date(2026, 7, 13), 2, False),
            ("week", date(2026, 7, 20), 3, True),
            ("month", date(2026, 6, 1), 8, False),
            ("month", date(2026, 7, 1), 9, True),
        )
        for term, (count, previous, growth, p_value, status) in moves.items()
    ]


def layers_below() -> dict[str, Rows]:
    """Two batches that agree in all layers, and what was rejected of them."""
    received = datetime(2026, 7, 21, 6)
    batch = {
        "delivered_count": 3000,
        "raw_count": 3000,
        "event_count": 2991,
        "rejected_count": 9,
        "search_count": 3100,
        "aggregated_count": 2991,
        "reconciled": True,
    }
    batches = [
        {"batch_id": f"batch-00000{n}", "started_at": received, "finished_at": received, **batch} for n in (1, 2)
    ]
    delivery = {"bytes": 9, "batch_id": "batch-000001", "received_at": received}
    deliveries = [
        {"source_file": "/secret/place/a.csv", "record_count": 3000, "status": "ingested", **delivery},
        {"source_file": "/secret/place/b.csv", "record_count": 3000, "status": "ingested", **delivery},
        {"source_file": "/secret/place/c.csv", "status": "rejected", "reason": "not text", **delivery},
    ]
    reasons = [["empty_term"]] * 9 + [["impossible_date", "term_too_long"]] * 6 + [["malformed_record"]] * 3
    record = {"searchterm": "secret", "delivery_id": "d", "source_file": "a.csv", "batch_id": "batch-000001"}
    rejected = [{"reject_reasons": of, **record} for of in reasons]
    return {"batches": batches, "deliveries": deliveries, "rejected_records": rejected}
