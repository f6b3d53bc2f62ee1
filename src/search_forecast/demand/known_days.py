"""Which days can be counted on: a day on which nothing was delivered is no day of zero demand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.periods import runs
from search_forecast.errors import counted

Counts = NDArray[np.int64]
GAP_P_VALUE = 1e-5  # below it a run of days without any search in the whole shop is no chance
NEAREST = 42  # days to either side that tell how quiet it can be, or as many as the run has
WEEK = 7
HARDLY_EVER = 0.1  # share of days
LEAST_HISTORY = 14  # days; fewer of them before a gap that is longer are strays, such as misdated records


@dataclass(frozen=True)
class KnownDays:
    """The days from the first to the last that can be counted on.

    Attributes:
        rows: one row per event_date, every day of the range: search_count, null in a gap.
        last: the last day; None where there is none.
        gaps: first and last day of every run of days on which nothing was delivered.
        strays: days with searches that lie before the range.
    """

    rows: DataFrame
    last: date | None
    gaps: tuple[tuple[date, date], ...]
    strays: tuple[date, ...]

    def left_out(self, since: date) -> dict[str, str]:
        """What is not counted on from a day on, for people, by kind."""
        gaps = [(first, last) for first, last in self.gaps if last >= since]
        said = {}
        if gaps:
            number = sum((last - first).days + 1 for first, last in gaps)
            said["days_without_delivery"] = f"{counted(number, 'day')}: {', '.join(_span(*gap) for gap in gaps)}"
        if self.strays:
            said["days_before_history"] = f"{counted(len(self.strays), 'day')}: {', '.join(map(str, self.strays))}"
        return said


def _span(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"


def known_days(totals: DataFrame, as_of: date | None = None, closures: frozenset[date] = frozenset()) -> KnownDays:
    """The complete days, up to one, without those on which nothing was delivered.

    Args:
        totals: search_gold.daily_totals.
        as_of: last day to know of, all where None.
        closures: days on which the shop was closed: without a search they are known.
    """
    complete = totals.where("is_complete_day").select("event_date", "search_count")
    complete = complete if as_of is None else complete.where(F.col("event_date") <= F.lit(as_of))
    found = sorted(tuple(row) for row in complete.collect())  # a row per day of history: a few thousand
    rows, gaps, strays = counted_on(found, closures)
    return KnownDays(
        totals.sparkSession.createDataFrame(rows, "event_date date, search_count bigint"),
        rows[-1][0] if rows else None,
        gaps,
        strays,
    )


def counted_on(
    found: Sequence[tuple[date, int]], closures: frozenset[date] = frozenset()
) -> tuple[list[tuple[date, int | None]], tuple[tuple[date, date], ...], tuple[date, ...]]:
    """The days to count on of complete ones, with their searches in order; the gaps, and the strays before them all."""
    counts = np.array([count for _, count in found], dtype=np.int64)
    is_closed = np.array([day in closures for day, _ in found], dtype=bool)
    is_gap, first, end = undelivered(counts, is_closed)
    rows = [(day, None if is_gap[place] else count) for place, (day, count) in enumerate(found)][first:end]
    gaps = tuple((found[start][0], found[stop - 1][0]) for start, stop in runs(is_gap) if first <= start)
    return rows, gaps, tuple(day for day, count in found[:first] if count)


def undelivered(counts: Counts, is_closed: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.bool_], int, int]:
    """Find the days on which nothing was delivered.

    A run of days without any search is one where chance does not make it, each of its days being as likely to be silent
    as the nearest days of its weekday say. So a quiet shop may be quiet for long, a shop that is closed on Sundays or
    out of season stays so, and a busy one is not silent for a day. What lies before a gap is a stray where it is less
    than two weeks and shorter than the gap. Days of silence at either end tell nothing.

    Args:
        counts: searches of the whole shop, day by day.
        is_closed: the days on which it was closed, which tell nothing.

    Returns:
        Which days are gaps; where the days that can be counted on begin; and the place after their end.
    """
    is_gap = np.zeros(len(counts), dtype=bool)
    searched = np.flatnonzero(counts)
    if not len(searched):
        return is_gap, 0, 0
    first, end = int(searched[0]), int(searched[-1]) + 1
    is_closed = np.zeros(len(counts), dtype=bool) if is_closed is None else is_closed
    inner = [run for run in runs((counts == 0) & ~is_closed) if first < run[0] and run[1] < end]
    for run in sorted(inner, key=lambda run: run[0] - run[1]):  # the longest first
        # Where a shop is hardly ever silent otherwise, other long runs are no evidence of how quiet it is.
        is_long = is_gap | is_closed
        for start, stop in inner:
            is_long[start:stop] |= stop - start >= max((run[1] - run[0]) / 2, WEEK)
        chance, share = _chance_of_silence(counts, np.flatnonzero(~is_long), run)
        if share > HARDLY_EVER:
            chance, _ = _chance_of_silence(counts, np.flatnonzero(~is_gap & ~is_closed), run)
        is_gap[slice(*run)] = chance < GAP_P_VALUE
    for start, stop in runs(is_gap):
        known = int((~is_gap[first:start]).sum())
        if known < min(LEAST_HISTORY, stop - start):
            first = stop
    return is_gap, first, end


def _chance_of_silence(counts: Counts, places: NDArray[np.int64], run: tuple[int, int]) -> tuple[float, float]:
    """How likely a run of days without a search is, by the days around it and by the quieter side of it.

    Args:
        counts: of all days.
        places: of the days to go by, in order.
        run: first place and place after the last.

    Returns:
        The chance, and the share of silent days that it is from.
    """
    half = max(NEAREST, run[1] - run[0])
    before, after = places[places < run[0]][-half:], places[places >= run[1]][:half]
    sides = [np.concatenate([before, after]), *(side for side in (before, after) if len(side) >= LEAST_HISTORY)]
    return max(_chance_beside(counts, near, np.arange(*run)) for near in sides)


def _chance_beside(counts: Counts, near: NDArray[np.int64], silent: NDArray[np.int64]) -> tuple[float, float]:
    """How likely silent days are, as others are so often silent; weekdays on which most are count for nothing.

    Source: Laplace's rule of succession, the predictive distribution of a share that nothing is known of before.
    """
    weekdays = near % WEEK
    days_seen, days_silent = (
        np.bincount(weekdays, minlength=WEEK),
        np.bincount(weekdays[counts[near] == 0], minlength=WEEK),
    )
    is_open = 2 * days_silent <= days_seen
    values, days = counts[near[is_open[weekdays]]], int(is_open[silent % WEEK].sum())
    zeros = int((values == 0).sum())
    chance = math.prod((zeros + 1 + more) / (len(values) + 2 + more) for more in range(days))
    if not zeros and len(values) >= LEAST_HISTORY:
        chance = min(chance, _chance_of_zero(values) ** days)
    return chance, zeros / max(len(values), 1)


def _chance_of_zero(near: Counts) -> float:
    """The chance of a zero among counts that are none, by the power law through their lowest and their median.

    A gamma distribution of rates falls off so towards zero. It is never less than what chance alone gives (Poisson).
    """
    lowest, middle, share = float(near.min()), float(np.median(near)), 1 / (len(near) + 1)
    steepness = math.log(0.5 / share) / math.log(middle / lowest) if middle > lowest else math.inf
    return max(share * math.pow(2 * lowest, -steepness), math.exp(-middle))
