"""Which days are no demand of zero but days without a delivery: plain numbers, no Spark."""

from datetime import date, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from search_forecast.demand.known_days import KnownDays, undelivered

Counts = NDArray[np.int64]
YEAR = np.arange(365)
WEEKDAYS = np.array([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8])


def poisson(level: float | NDArray[np.float64], seed: int = 1) -> Counts:
    return np.random.default_rng(seed).poisson(level * WEEKDAYS[YEAR % 7]).astype(np.int64)


def silent(counts: Counts, *runs: tuple[int, int]) -> Counts:
    """The counts with so many days from a place on without any search."""
    changed = counts.copy()
    for start, days in runs:
        changed[start : start + days] = 0
    return changed


def closed(counts: Counts, *weekdays: int) -> Counts:
    return np.where(np.isin(YEAR % 7, weekdays), 0, counts)


def gaps(counts: Counts) -> list[tuple[int, int]]:
    """First place and number of days of every gap."""
    places = np.flatnonzero(undelivered(counts)[0])
    starts = [place for place in places if place - 1 not in places]
    return [(int(start), int(next(n for n in range(1, 366) if start + n not in places))) for start in starts]


@pytest.mark.parametrize(
    "runs",
    [
        [(100, 21)],
        [(100, 1)],
        [(30, 1), (31 + 60, 2), (200, 1), (300, 5)],
        [(20, 60), (90, 3), (120, 21), (150, 21)],
        [(20, 7), (357, 7)],
    ],
)
def test_a_busy_shop_is_not_silent_for_a_day(runs: list[tuple[int, int]]) -> None:
    assert gaps(silent(poisson(200), *runs)) == runs


@pytest.mark.parametrize(
    ("weekdays", "runs"), [((6,), [(100, 21)]), ((6,), [(98, 6)]), ((5, 6), [(102, 12)]), ((0, 3, 6), [(100, 9)])]
)
def test_a_shop_that_is_closed_on_some_weekdays_has_gaps_only_where_it_is_open(
    weekdays: tuple[int, ...], runs: list[tuple[int, int]]
) -> None:
    assert gaps(closed(poisson(100), *weekdays)) == []

    (found,) = gaps(closed(silent(poisson(100), *runs), *weekdays))
    start, days = runs[0]
    assert found[0] <= start
    assert found[0] + found[1] >= start + days


def test_closing_on_sundays_from_some_day_on_costs_one_sunday_at_most() -> None:
    counts = np.where((YEAR % 7 == 6) & (YEAR > 180), 0, poisson(100))

    assert sum(days for _, days in gaps(counts)) <= 1


@pytest.mark.parametrize("level", [0.05, 0.2, 1.0, 3.0])
def test_a_quiet_shop_may_be_quiet_for_long(level: float) -> None:
    assert [gaps(poisson(level, seed)) for seed in range(8)] == [[]] * 8


def test_a_shop_may_be_quiet_out_of_season_and_while_it_is_new() -> None:
    season = 20 * np.maximum(np.sin(2 * np.pi * YEAR / 365), 0.002)
    growing = np.exp(np.linspace(-3, 5, 365))

    for seed in range(5):
        assert gaps(poisson(season, seed)) == []
        assert gaps(poisson(growing, seed)) == []


def test_three_weeks_out_of_a_quiet_shop_are_found_where_it_is_searched_daily() -> None:
    assert gaps(silent(poisson(4), (100, 21))) == [(100, 21)]


@pytest.mark.parametrize(
    ("before", "gap", "first"),
    [
        ([3], 300, 301),  # one misdated record
        ([3, 0, 0, 1], 300, 304),
        ([2, *[0] * 200, 5], 400, 602),  # two of them
        ([300] * 13, 40, 53),
        ([300] * 13, 12, 0),  # nearly two weeks, and a gap that is shorter
        ([300] * 100, 120, 0),  # a season, then a long one without a delivery: all of it is known
    ],
)
def test_what_lies_before_a_longer_gap_is_a_stray_where_it_is_less_than_two_weeks(
    before: list[int], gap: int, first: int
) -> None:
    counts = np.array([*before, *[0] * gap, *poisson(300)[:120]], dtype=np.int64)

    assert undelivered(counts)[1:] == (first, len(counts))


def test_silence_at_either_end_tells_nothing() -> None:
    is_gap, first, end = undelivered(np.array([0, 0, *[9] * 40, 0, 0, 0], dtype=np.int64))

    assert (int(is_gap.sum()), first, end) == (0, 2, 42)
    assert undelivered(np.zeros(5, dtype=np.int64))[1:] == (0, 0)
    assert undelivered(np.array([], dtype=np.int64))[1:] == (0, 0)


def test_what_is_left_out_is_listed_from_the_first_day_on_that_is_asked_for() -> None:
    def day(number: int) -> date:
        return date(2025, 1, 1) + timedelta(days=number)

    known = KnownDays(None, day(90), ((day(9), day(9)), (day(30), day(50))), (day(-400),))  # type: ignore[arg-type]

    assert known.left_out(day(0)) == {
        "days_without_delivery": "22 days: 2025-01-10, 2025-01-31 to 2025-02-20",
        "days_before_history": "1 day: 2023-11-28",
    }
    assert known.left_out(day(20))["days_without_delivery"] == "21 days: 2025-01-31 to 2025-02-20"
