"""Gold's counts as series, read from exact versions of its tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting import series as s
from search_forecast.demand.forecasting.events import Calendar
from search_forecast.demand.known_days import known_days
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import CALENDAR_EVENTS, DAILY_TERM_COUNTS, DAILY_TOTALS
from search_forecast.lakehouse.scratch import save_rows
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.parameters import ForecastParameters


@dataclass(frozen=True)
class TermSeries:
    """Series read from exact versions of gold.

    Attributes:
        packed: of `series.packed`, dealt out to tasks.
        count: number of series.
        first_date: of the first period.
        last_date: of the last period.
        last_day: last day of the last period.
        delta_versions: of each table they were read from.
        left_out: what days are left out of them, and why, by kind.
        calendar: what is known of past and coming days.
    """

    packed: DataFrame
    count: int
    first_date: date
    last_date: date
    last_day: date
    delta_versions: Mapping[str, int]
    left_out: Mapping[str, str]
    calendar: Calendar


def read(
    lakehouse: Lakehouse,
    parameters: ForecastParameters,
    directory: Path,
    *,
    delta_versions: Mapping[str, int] | None = None,
    terms: DataFrame | None = None,
    as_of: date | None = None,
) -> TermSeries:
    """Make series from gold.

    Args:
        lakehouse: where gold is.
        parameters: frequency, floor, how far back.
        directory: for rows that are needed more than once.
        delta_versions: of the tables to read, the latest where None.
        terms: the terms with a series of their own; those above the floor where None.
        as_of: last day to know of.

    Raises:
        DataError: there is no complete period.
    """
    # The totals first: what `aggregate` adds meanwhile is then beyond the days that are read, not missing from them.
    names = (DAILY_TOTALS, DAILY_TERM_COUNTS)
    there = (*names, CALENDAR_EVENTS) if lakehouse.exists(CALENDAR_EVENTS) else names
    versions = dict(delta_versions or {table.full_name: lakehouse.version(table) for table in there})
    totals, counts = (lakehouse.read(table, versions[table.full_name]) for table in names)
    calendar = _calendar(lakehouse, versions.get(CALENDAR_EVENTS.full_name))
    frequency = FREQUENCIES[parameters.frequency]
    known = known_days(totals, as_of, calendar.closures())
    latest = s.periods(known.rows, frequency, parameters.history_periods)
    periods = save_rows(latest, directory / "periods")
    start = F.col("period_start_date")
    ends = periods.agg(F.min(start).alias("first"), F.max(start).alias("last")).collect()[0]
    if ends["last"] is None:
        until = "" if as_of is None else f" up to {as_of}"
        raise DataError(
            f"{DAILY_TOTALS.full_name} has no complete {frequency.name}{until}: nothing to forecast from; run ingest, "
            f"clean and aggregate first"
        )
    if terms is None:
        terms = s.known_terms(counts, periods, frequency, parameters.floor_count)
    packed = save_rows(s.packed(s.series(counts, periods, terms, frequency)), directory / "series")
    count = packed.count()
    last_day = ends["last"] + timedelta(days=frequency.days - 1)
    left_out = known.left_out(ends["first"])
    return TermSeries(
        s.dealt_out(packed, count), count, ends["first"], ends["last"], last_day, versions, left_out, calendar
    )


def _calendar(lakehouse: Lakehouse, version: int | None) -> Calendar:
    if version is None:
        return Calendar()
    rows = lakehouse.read(CALENDAR_EVENTS, version).select("event_date", "event", "kind", "term")
    return Calendar.of_rows(tuple(row) for row in rows.collect())


def closures(lakehouse: Lakehouse) -> frozenset[date]:
    """The days on which the shop was closed, as far as the calendar says now."""
    if not lakehouse.exists(CALENDAR_EVENTS):
        return frozenset()
    rows = lakehouse.ask("select event_date, event, kind, term from {calendar_events}", CALENDAR_EVENTS)
    return Calendar.of_rows((row["event_date"], row["event"], row["kind"], row["term"]) for row in rows).closures()
