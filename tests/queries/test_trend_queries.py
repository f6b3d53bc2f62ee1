"""The queries on trends and breakouts, by DuckDB, against plain Python."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from search_forecast.errors import DataError
from search_forecast.queries import catalogue
from search_forecast.queries.answers import answer
from search_forecast.queries.local import LocalEngine
from support.delta import write, write_counts

MONDAY = date(2023, 1, 2)
EARLIER, LATER = MONDAY + timedelta(days=357), MONDAY + timedelta(days=364)


def trend(term: str, status: str, **values: Any) -> dict[str, Any]:
    return {
        "grain": "week",
        "period_start_date": LATER,
        "term": term,
        "search_count": 20,
        "previous_count": 10,
        "share_ratio": 0.25,
        "rank": 2,
        "previous_rank": 5,
        "growth_ratio": 1.0,
        "index_0_100": 100,
        "p_value": 0.01,
        "status": status,
        "is_partial_period": False,
        **values,
    }


def engine(root: Path) -> LocalEngine:
    return LocalEngine(root, lambda: pytest.fail("needs Spark"))


@pytest.fixture(scope="module")
def trends(tmp_path_factory: pytest.TempPathFactory) -> LocalEngine:
    gone = {"search_count": 0, "share_ratio": 0.0, "rank": None, "growth_ratio": -1.0}
    none = {"previous_count": 0, "previous_rank": None, "growth_ratio": None}
    rows = [
        trend("tv", "rising"),
        trend("tv", "stable", period_start_date=EARLIER),
        trend("tv", "stable", period_start_date=MONDAY, share_ratio=0.2, search_count=8),
        trend("pen", "rising", growth_ratio=2.0),
        trend("back", "rising", **none),
        trend("old", "rising", period_start_date=EARLIER),
        trend("half a week", "rising", period_start_date=LATER + timedelta(days=7), is_partial_period=True),
        trend("monthly", "rising", grain="month", period_start_date=date(2024, 1, 1)),
        trend("monthly", "stable", grain="month", period_start_date=date(2023, 1, 1), share_ratio=0.5),
        trend("ink", "falling", growth_ratio=-0.5),
        trend("fax", "falling", growth_ratio=-0.8),
        trend("disk", "lost", **gone),
        trend("tape", "lost", **gone | {"previous_count": 99}),
        trend("drone", "new", **none),
        trend("robot", "new", **none | {"search_count": 30}),
    ]
    profile = [("tv", 1, 6), ("tv", 7, 2), ("pen", 1, 2), ("pen", 3, 6)]
    profiles = [
        {"term": t, "profile": "weekday", "value": v, "search_count": n, "share_ratio": n / 8} for t, v, n in profile
    ]
    summary = [
        {
            "term": t,
            "search_count": 8,
            "share_ratio": 0.5,
            "rank": 1,
            "first_seen_date": MONDAY,
            "last_seen_date": LATER,
        }
        | {"active_day_count": 1}
        for t in ("tv", "pen", "monthly")
    ]
    tables = {"term_trends": rows, "term_profile": profiles, "term_summary": summary}
    return engine(write(tmp_path_factory.mktemp("trends"), tables))


def asked(lake: LocalEngine, name: str, **values: str) -> list[tuple[Any, ...]]:
    return answer(lake, catalogue.load(name), values).rows


@pytest.mark.parametrize(
    ("values", "terms"),
    [
        ({}, ["back", "pen", "tv"]),
        ({"limit": "1"}, ["back"]),
        ({"period": EARLIER.isoformat()}, ["old"]),
        ({"period": (LATER + timedelta(days=7)).isoformat()}, ["half a week"]),
        ({"grain": "month"}, ["monthly"]),
        ({"status": "falling"}, ["fax", "ink"]),
        ({"status": "lost"}, ["tape", "disk"]),
        ({"status": "new"}, ["robot", "drone"]),
    ],
)
def test_the_terms_of_a_status_in_the_last_whole_period_or_another(
    trends: LocalEngine, values: dict[str, str], terms: list[str]
) -> None:
    assert [row[0] for row in asked(trends, "trending_terms", **values)] == terms


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"period": "2023-01-03"}, "no week begins on 2023-01-03; the first on 2023-01-02, the last on 2024-01-08"),
        (
            {"grain": "month", "period": "2024-02-01"},
            "no month begins on 2024-02-01; the first on 2023-01-01, the last on 2024-01-01",
        ),
    ],
)
def test_a_period_of_which_there_is_none_is_said(trends: LocalEngine, values: dict[str, str], said: str) -> None:
    with pytest.raises(DataError) as raised:
        asked(trends, "trending_terms", **values)
    assert str(raised.value) == f"query trending_terms: {said}"


def test_the_trend_of_a_term_has_the_same_period_a_year_before(trends: LocalEngine) -> None:
    weeks = [(row[0], *row[6:10]) for row in asked(trends, "trend_of_term", term="TV")]
    assert weeks == [
        (MONDAY, 3, 1.0, None, None),
        (EARLIER, 3, 1.0, None, None),
        (LATER, 3, 1.0, 8, pytest.approx(0.25)),
    ]
    months = asked(trends, "trend_of_term", term="monthly", grain="month")
    assert [row[9] for row in months] == [None, -0.5]


def test_the_profile_of_a_term_stands_beside_that_of_all(trends: LocalEngine) -> None:
    assert asked(trends, "profile_of_term", term="tv") == [(1, 6, 0.75, 0.5), (3, 0, 0.0, 0.375), (7, 2, 0.25, 0.125)]


def test_a_term_breaks_out_where_its_same_weekdays_say_far_less(tmp_path: Path) -> None:
    weeks, bulk = 7, 1000
    saturday = [2, 2, 2, 2, 2, 60, 2]
    counts = {
        "all else": [bulk] * 7 * weeks,
        "spark": [3] * 7 * weeks,
        "from nothing": [0] * 7 * weeks,
        "weekend": saturday * weeks,
        "bursts": [9, 9, 70, 9, 9, 9, 9] * (weeks - 1) + [9] * 7,
        "twice": [20] * 7 * weeks,
        "few": [0] * 7 * weeks,
    }
    last = 7 * weeks - 2  # a Saturday, of which half has come
    for term, count in {
        "all else": bulk // 2,
        "spark": 25,
        "from nothing": 12,
        "weekend": 35,
        "twice": 21,
        "few": 9,
    }.items():
        counts[term][last] = count
    counts["bursts"][last], counts["bursts"][last - 14] = 50, 45
    lake = engine(write_counts(tmp_path, MONDAY, {term: line[: last + 1] for term, line in counts.items()}))

    found = asked(lake, "breakouts")

    assert [row[0] for row in found] == ["spark", "from nothing"]
    sums = [sum(line[day] for line in counts.values()) for day in range(last + 1)]
    scaled = [3 * sums[last] / sums[day] for day in range(5, last, 7)]
    assert found[0][1:] == (25, round(sum(scaled) / 6, 2), round(max(scaled), 2), 6)
    assert asked(lake, "breakouts", minimum="13") == found[:1]
    assert asked(lake, "breakouts", day=(MONDAY + timedelta(days=20)).isoformat()) == []  # too few weekdays before
    with pytest.raises(DataError, match="no data on 2030-01-01; the data runs from 2023-01-02 to 2023-02-18"):
        asked(lake, "breakouts", day="2030-01-01")
