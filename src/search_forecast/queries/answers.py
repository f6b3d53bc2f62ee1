"""Answers to the queries of the catalogue, with what must be said beside them: unknown terms, days without data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Protocol

from search_forecast.errors import DataError
from search_forecast.queries.catalogue import Query

# The command that fills a table; of those that are not here it is aggregate.
_FILLED_BY = {
    "deliveries": "ingest",
    "raw_search_terms": "ingest",
    "search_events": "clean",
    "rejected_records": "clean",
    "corrections": "correct",
    "calendar_events": "load-calendar",
    "infant_growth": "load-measurements",
    "model_scores": "score-model",
    "batches": "reconcile",
    "accepted_spellings": "load-spellings",
    "term_trends": "trends",
    "term_profile": "trends",
    "backtest_metrics": "run demand_forecast",
    "term_forecasts": "run demand_forecast",
    "forecast_accuracy": "run monitoring",
    "demand_drift": "run monitoring",
}
_COMMON_TERMS = "select term from term_summary order by search_count desc, term limit 5000"
# Parameters that must be a value of a column.
_COLUMNS = {"version": ("backtest_metrics", "model_version"), "window": ("forecast_accuracy", "window")}
_NO_TERMS = ("(total)", "(other)")  # what forecasts hold in the place of a term


@dataclass(frozen=True)
class Answer:
    """Column names, rows of Python's values as Spark gives them, and what a person should know about them."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    note: str | None = None


class Engine(Protocol):
    """What runs SQL on the tables of one lakehouse."""

    def has(self, table: str) -> bool:
        """Whether a table is there."""

    def version(self, table: str) -> int:
        """The version of a table that is there."""

    def run(self, sql: str, values: Mapping[str, object], inputs: Sequence[str]) -> Answer:
        """The rows of a query, with values for its markers; an input that isn't there is read as empty."""


def filled_by(table: str) -> str:
    """The command that fills a table, by its name or full name."""
    return _FILLED_BY.get(table.rpartition(".")[2].lower(), "aggregate")


def answer(engine: Engine, query: Query, values: Mapping[str, str]) -> Answer:
    """Answer a query.

    Args:
        engine: what runs it.
        query: of the catalogue.
        values: of its parameters, as a person writes them.

    Raises:
        DataError: a table it reads has not been written yet, a term was never searched, there are no such days, or no
            row has the value of a parameter that must be one of a column.
        UsageError: the values are not its parameters'.
    """
    bound = query.arguments(values)
    for table in query.inputs:
        if table not in query.optional_inputs and not engine.has(table):
            raise DataError(f"query {query.name}: no {table} yet; run {filled_by(table)} first")
    for parameter in query.parameters:
        if parameter.type == "TERM":
            _check_term(engine, query, str(bound[parameter.name]))
    _check_start(engine, query, bound)
    for name in _COLUMNS.keys() & bound.keys():
        _check_value(engine, query, name, bound[name])
    notes = [_check_period(engine, query, bound)]
    rows = engine.run(query.sql, bound, query.inputs)
    notes += [rows.note, None if rows.rows else query.no_rows]
    return replace(rows, note="; ".join(filter(None, notes)) or None)


def _check_term(engine: Engine, query: Query, term: str) -> None:
    if "term_forecasts" in query.inputs and term in _NO_TERMS:
        return
    if not engine.run("select term from term_summary where term = :term", {"term": term}, ["term_summary"]).rows:
        merged = "select term from accepted_spellings where variant = :term"
        if engine.has("accepted_spellings"):
            for (own_term,) in engine.run(merged, {"term": term}, ["accepted_spellings"]).rows:
                raise DataError(f'query {query.name}: "{term}" is an accepted spelling of "{own_term}"; ask for that')
        terms = [str(row[0]) for row in engine.run(_COMMON_TERMS, {}, ["term_summary"]).rows]
        nearest = get_close_matches(term, terms, cutoff=0.4)
        known = f"the nearest: {', '.join(nearest)}" if nearest else f"most often: {', '.join(terms[:3]) or 'nothing'}"
        raise DataError(f'query {query.name}: "{term}" was never searched; {known}')


def _check_period(engine: Engine, query: Query, bound: Mapping[str, object]) -> str | None:
    """Raise where no day of the data lies in the period asked for; else say if it reaches beyond the data."""
    days = (bound.get("from", bound.get("day")), bound.get("to", bound.get("day")))
    if days == (None, None):
        return None
    range_of_data = "select min(event_date) as first_day, max(event_date) as last_day from daily_totals"
    [(first, last)] = engine.run(range_of_data, {}, ["daily_totals"]).rows
    if first is None:
        return None
    begin, end = (days[0] or first, days[1] or last)
    if begin > last or end < first:
        raise DataError(f"query {query.name}: no data {_period(*days)}; the data runs from {first} to {last}")
    return f"the data runs from {first} to {last}" if begin < first or end > last else None


def _period(first: object, last: object) -> str:
    """A period in words, as it was asked for: with two ends, or one."""
    if first is None:
        return f"up to {last}"
    if last is None:
        return f"from {first} on"
    return f"on {first}" if first == last else f"from {first} to {last}"


def _check_start(engine: Engine, query: Query, bound: Mapping[str, object]) -> None:
    """Raise where no week or month of the data begins on the day asked for."""
    if bound.get("period") is None:
        return
    starts = (
        "select min(period_start_date), max(period_start_date), count_if(period_start_date = :period) from term_trends"
    )
    values = {name: bound[name] for name in ("grain", "period")}
    [(first, last, count)] = engine.run(f"{starts} where grain = :grain", values, ["term_trends"]).rows
    if not count and first is not None:
        grain, period = values["grain"], values["period"]
        raise DataError(f"query {query.name}: no {grain} begins on {period}; the first on {first}, the last on {last}")


def _check_value(engine: Engine, query: Query, parameter: str, value: object) -> None:
    """Raise where no row of a column has the value asked for; 0 stands for the version that the query chooses."""
    table, column = _COLUMNS[parameter]
    listed = engine.run(f"select distinct {column} from {table} order by 1", {}, [table]).rows  # noqa: S608 - above
    known = [row[0] for row in listed]
    if known and value not in (0, *known):
        there = ", ".join(map(str, known[-20:]))
        raise DataError(f"query {query.name}: no {parameter} {value}; there are {there}")
