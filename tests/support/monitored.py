"""A shop's counts and forecasts as monitoring reads them."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import numpy as np

from search_forecast.demand.monitoring.drift import Drift, drifts, ordinary_variation, reference, window_mixes
from search_forecast.lakehouse import contracts
from search_forecast.parameters import MonitorParameters

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


MONDAY = date(2026, 1, 5)
SCORED_AT = datetime(2026, 1, 5, tzinfo=timezone.utc)
PARAMETERS = MonitorParameters()
Counts = dict[str, list[int]]  # of each term, from MONDAY on
Point = tuple[int, str, int, int, float, float, float, float]  # version, term, made, ahead, forecast, ends, mean


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def counts_of(spark: SparkSession, counts: Counts) -> DataFrame:
    rows = [(day(i), term, n) for term, values in counts.items() for i, n in enumerate(values) if n]
    return spark.createDataFrame(rows, contracts.DAILY_TERM_COUNTS.schema)


def totals_of(spark: SparkSession, counts: Counts, incomplete: tuple[int, ...] = ()) -> DataFrame:
    columns = list(zip(*counts.values(), strict=True))
    rows = [(day(i), sum(c), sum(n > 0 for n in c), i not in incomplete) for i, c in enumerate(columns)]
    return spark.createDataFrame(rows, contracts.DAILY_TOTALS.schema)


def forecasts_of(spark: SparkSession, points: list[Point], levels: tuple[float, ...] = (0.8, 0.95)) -> DataFrame:
    rows = []
    for version, term, made, ahead, forecast, lower, upper, mean in points:
        for level in levels:
            ends = (lower, upper) if level == 0.95 else (forecast, forecast)
            dates = (day(made + ahead), version, level, day(made), ahead)
            rows.append((term, *dates, forecast, *ends, mean, "theta", "search_demand", None, SCORED_AT))
    return spark.createDataFrame(rows, contracts.TERM_FORECASTS.schema)


def made(
    term: str, made_on: int, horizon: int, *, version: int = 1, step: int = 1, forecast: float = 5.0
) -> list[Point]:
    """Forecasts that differ by day, so that a mix-up of days shows."""
    return [
        (version, term, made_on, ahead, forecast + ahead / 8, forecast - 2, forecast + 3, forecast - ahead / 4)
        for ahead in range(step, horizon + 1, step)
    ]


def poisson(mean: float, days: int, seed: int) -> list[int]:
    return [int(n) for n in np.random.default_rng(seed).poisson(mean, days)]


def drift_of(spark: SparkSession, counts: Counts, training_days: int, as_of: int, first: int = 0) -> list[Drift]:
    return drift_of_rows(counts_of(spark, counts), training_days, as_of, first)


def drift_of_rows(rows: DataFrame, training_days: int, as_of: int, first: int = 0) -> list[Drift]:
    first_date, last_date = reference(day(first), day(training_days - 1))
    mixes = window_mixes(rows, first_date, last_date, day(as_of)).collect()
    variation = ordinary_variation(rows, first_date, last_date).collect()[0]
    return drifts(mixes, variation, 7, last_date, PARAMETERS)
