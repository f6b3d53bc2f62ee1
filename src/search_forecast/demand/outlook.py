"""What people ask without registering anything: a term's forecast beside its past, and how the candidates compare."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.known_days import counted_on
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.demand.term_series import closures
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import ALL, DAILY_TERM_COUNTS, DAILY_TOTALS, OTHER, TERM_FORECASTS, TOTAL
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.parameters import ForecastParameters

Table = tuple[list[str], list[tuple[Any, ...]]]
_LATEST = """select max(made_on_date) as made_on,
    max_by(model_version, struct(made_on_date, scored_at, model_version)) as version from {term_forecasts}"""
_FORECAST = """select term, target_date, max(forecast) as forecast,
    max(case when interval_level = 0.8e0 then lower end) as lower_80,
    max(case when interval_level = 0.8e0 then upper end) as upper_80,
    max(case when interval_level = 0.95e0 then lower end) as lower_95,
    max(case when interval_level = 0.95e0 then upper end) as upper_95,
    max(mean_forecast) as mean_forecast, max(candidate) as candidate, max(events) as events,
    max(made_on_date) as made_on_date, max(model_version) as model_version
    from {term_forecasts}"""
_MEASURES = ("wape", "mase", "rmsse", "bias", "interval_coverage", "weight_ratio", "window_count", "verdict", "reason")


def forecast(lakehouse: Lakehouse, terms: Sequence[str]) -> Table:
    """The latest forecast of some terms, as `score` wrote it.

    Args:
        lakehouse: where gold is.
        terms: normalised.

    Returns:
        Columns and rows, one per (term, target_date): term, target_date, forecast, lower_80, upper_80, lower_95,
        upper_95, mean_forecast, candidate (what it is made of), events (that it counts on), made_on_date,
        model_version.

    Raises:
        DataError: nothing was forecast yet.
        UsageError: a term has no forecast of its own.
    """
    latest = lakehouse.ask(_LATEST, TERM_FORECASTS)[0] if lakehouse.exists(TERM_FORECASTS) else {"version": None}
    if latest["version"] is None:
        raise DataError(f"forecast: {TERM_FORECASTS.full_name} holds nothing yet: run demand_forecast first")
    where = f"made_on_date = date'{latest['made_on']}' and model_version = {latest['version']} and {_is_of(terms)}"
    rows = lakehouse.ask(f"{_FORECAST} where {where} group by term, target_date order by 1, 2", TERM_FORECASTS)
    unknown = [term for term in terms if term not in {row["term"] for row in rows}]
    if unknown:
        raise UsageError(
            f"forecast: {unknown[0]!r} has no forecast of its own (misspelt, too rare, or new since training); the "
            f"rare terms together are (other)"
        )
    return list(rows[0]), [tuple(row.values()) for row in rows]


def _is_of(terms: Sequence[str]) -> str:
    return f"term in ({literals(terms)})".replace("{", "{{").replace("}", "}}")


def past(
    lakehouse: Lakehouse, terms: Sequence[str], made_on: date, *, is_weekly: bool, periods: int = 42
) -> dict[str, list[tuple[date, float | None]]]:
    """What was counted before a forecast was made.

    Args:
        lakehouse: where gold is.
        terms: normalised, or `(total)`; of `(other)` nothing is known apart from the terms of its version.
        made_on: of the forecast: its last day, or the Monday of its last week.
        is_weekly: whether it is one of weeks.
        periods: how many days or weeks.

    Returns:
        By term, a count for each period up to the last; None where nothing was delivered.
    """
    frequency = FREQUENCIES["week" if is_weekly else "day"]
    last = made_on + timedelta(days=frequency.days - 1)
    until = f"event_date <= date'{last}'"
    totals = f"select event_date, search_count from {{daily_totals}} where is_complete_day and {until}"  # noqa: S608
    complete = sorted((row["event_date"], row["search_count"]) for row in lakehouse.ask(totals, DAILY_TOTALS))
    known, _, _ = counted_on(complete, closures(lakehouse))
    days_of: dict[date, list[int | None]] = {}
    for day, count in known:
        days_of.setdefault(frequency.start(day), []).append(count)
    starts = sorted(start for start, days in days_of.items() if len(days) == frequency.days)[-periods:]
    since = f"event_date >= date'{starts[0] if starts else last}'"
    of_terms = f"select term, event_date, search_count from {{daily_term_counts}} where {since} and {until}"  # noqa: S608
    counts: dict[tuple[str, date], int] = {}
    for row in lakehouse.ask(f"{of_terms} and {_is_of(terms)}", DAILY_TERM_COUNTS):
        key = row["term"], frequency.start(row["event_date"])
        counts[key] = counts.get(key, 0) + row["search_count"]
    for start in starts:
        counts[TOTAL, start] = sum(count or 0 for count in days_of[start])
    return {
        term: [(start, None if None in days_of[start] else counts.get((term, start), 0)) for start in starts]
        for term in terms
        if term != OTHER
    }


def backtest(
    lakehouse: Lakehouse,
    parameters: ForecastParameters,
    *,
    terms: Sequence[str] = (ALL,),
    as_of: date | None = None,
) -> Table:
    """How the candidates do on past windows; nothing is registered or written.

    Args:
        lakehouse: where gold is.
        parameters: of the backtest.
        terms: which to show; `(all)` is all together.
        as_of: last day to know of.

    Returns:
        Columns and rows, one per (term, candidate), least WAPE first: term, candidate, wape, mase, rmsse, bias,
        interval_coverage, weight_ratio, window_count, verdict, reason.

    Raises:
        UsageError: a term has no series of its own.
    """
    from search_forecast.demand import training  # noqa: PLC0415 - seconds that who asks for a forecast need not wait
    from search_forecast.demand.forecasting.backtest_metrics import backtest_metrics  # noqa: PLC0415

    with scratch(lakehouse.staging) as directory:
        run = training.assess(lakehouse, parameters, directory, as_of=as_of)
        rows = backtest_metrics(run.rows, 0).where(F.col("term").isin(list(terms)))
        table = _table(rows.select("term", "candidate", *_MEASURES).orderBy("term", F.asc_nulls_last("wape")))
    unknown = [term for term in terms if term not in {row[0] for row in table[1]}]
    if unknown:
        raise UsageError(f"backtest: {unknown[0]!r} has no series of its own; the rare terms together are (other)")
    return table


def _table(rows: DataFrame) -> Table:
    return rows.columns, [tuple(row) for row in rows.collect()]
