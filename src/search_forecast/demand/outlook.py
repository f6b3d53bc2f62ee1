"""What people ask without registering anything: a term's forecast beside its past, and how the candidates compare."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand import training
from search_forecast.demand.forecasting import series as s
from search_forecast.demand.forecasting.backtest_metrics import backtest_metrics
from search_forecast.demand.known_days import known_days
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.demand.term_series import closures
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import ALL, DAILY_TERM_COUNTS, DAILY_TOTALS, OTHER, TERM_FORECASTS
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.parameters import ForecastParameters

Table = tuple[list[str], list[tuple[Any, ...]]]
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
    rows = lakehouse.read(TERM_FORECASTS) if lakehouse.exists(TERM_FORECASTS) else None
    order = F.struct("made_on_date", "scored_at", "model_version")
    latest = None if rows is None else rows.agg(F.max(order).alias("at")).first()
    if rows is None or latest is None or latest["at"] is None:
        raise DataError(f"forecast: {TERM_FORECASTS.full_name} holds nothing yet: run demand_forecast first")
    made_on, _, version = latest["at"]
    current = rows.where((F.col("made_on_date") == made_on) & (F.col("model_version") == version))
    asked = current.where(F.col("term").isin(list(terms)))
    keys = ("term", "target_date")
    ends = [
        F.max(F.when(F.abs(F.col("interval_level") - level) < 1e-9, F.col(side))).alias(f"{side}_{level * 100:.0f}")
        for level in (0.8, 0.95)
        for side in ("lower", "upper")
    ]
    others = [
        F.max(name).alias(name) for name in ("mean_forecast", "candidate", "events", "made_on_date", "model_version")
    ]
    table = _table(asked.groupBy(*keys).agg(F.max("forecast").alias("forecast"), *ends, *others).orderBy(*keys))
    unknown = [term for term in terms if term not in {row[0] for row in table[1]}]
    if unknown:
        raise UsageError(
            f"forecast: {unknown[0]!r} has no forecast of its own (misspelt, too rare, or new since training); the "
            f"rare terms together are (other)"
        )
    return table


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
    known = known_days(lakehouse.read(DAILY_TOTALS), last, closures(lakehouse))
    latest = s.periods(known.rows, frequency, periods)
    named = latest.sparkSession.createDataFrame([(term,) for term in terms], "term string")
    rows = s.series(lakehouse.read(DAILY_TERM_COUNTS), latest, named, frequency).collect()
    counts = {(row["term"], row["period_start_date"]): row["search_count"] for row in rows}
    starts = sorted(row["period_start_date"] for row in latest.select("period_start_date").collect())
    unknown = {row["period_start_date"] for row in latest.where("search_count is null").collect()}
    return {
        term: [(start, None if start in unknown else counts.get((term, start), 0)) for start in starts]
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
