"""Rows of the reader that answers queries, as the page holds them."""

from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any

from search_forecast.errors import DataError
from search_forecast.queries import catalogue
from search_forecast.queries.answers import Answer, Engine, answer, filled_by

Facts = dict[str, Any]
Rows = list[Facts]
NEEDED = ("search_gold.daily_totals", "search_gold.daily_term_counts", "search_gold.term_summary")


def known_days(engine: Engine, command: str) -> tuple[Rows, Rows]:
    """All days of the range (daily_totals), and those that are complete; all of them where none is.

    Raises:
        DataError: gold has no searches yet.
    """
    for table in NEEDED:
        if not engine.has(table):
            raise DataError(f"{command}: no {table} yet; run {filled_by(table)} first")
    days = query(engine, "daily_activity")
    if not days:
        raise DataError(f"{command}: no searches in {NEEDED[0]}; run ingest, clean and aggregate first")
    return days, [day for day in days if day["is_complete_day"]] or days


def left_out(days: Rows, whole: Rows) -> list[date]:
    """The days that are not among the complete ones; one record of long ago makes them ten thousand."""
    known = {day["event_date"] for day in whole}
    return [day["event_date"] for day in days if day["event_date"] not in known]


def is_there(engine: Engine, name: str) -> bool:
    """Whether a table has rows."""
    return engine.has(name) and bool(engine.run(f"select 1 as one from {name} limit 1", {}, [name]).rows)  # noqa: S608


def query(engine: Engine, name: str, **values: str) -> Rows:
    """The rows of a query of the catalogue."""
    return rows(answer(engine, catalogue.load(name), values))


def rows(answered: Answer) -> Rows:
    """Each row by the names of its columns."""
    return [dict(zip(answered.columns, row, strict=True)) for row in answered.rows]


def plain(value: object) -> object:
    """A value as JSON has it: days and times as ISO text, no number that is none."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='seconds')}Z"
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not isfinite(value) else value
