"""Backtests and forecasts spread over Spark: a worker takes a few series at a time, none goes through the driver."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting import backtest as b
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import intervals
from search_forecast.demand.forecasting.history import Floats, Frequency, History, mended
from search_forecast.parameters import ForecastParameters

_ACCURACY = 10_000  # of quantiles: at most one rank in so many wrong, in a memory that does not grow with the scores
SERIES_A_TASK = 25  # a task takes seconds: short enough to balance, long enough to be worth starting

FORECAST_ROW = (
    "term string, step bigint, target_date date, candidate string, forecast double, mean_forecast double, "
    "typical_error double, lower_80 double, upper_80 double, lower_95 double, upper_95 double"
)


@dataclass(frozen=True)
class Forecaster:
    """All that turns a history into forecasts, small enough to travel to every worker.

    Attributes:
        last_date: of the series (of a weekly one the Monday of its last week).
        frequency: day or week.
        candidates: by name, in order of preference.
        multipliers: for the conformal intervals.
    """

    last_date: date
    frequency: Frequency
    candidates: Mapping[str, c.Candidate | c.Combination]
    multipliers: intervals.Multipliers

    def history(self, counts: Sequence[float] | Floats) -> History:
        """A row's counts as a history."""
        return History(np.asarray(counts, dtype=np.float64), self.last_date, self.frequency)


def spread_out(packed: DataFrame, series_count: int) -> DataFrame:
    """The series dealt out to tasks by their term, so many to each."""
    return packed.repartition(max(2, -(-series_count // SERIES_A_TASK)), "term")


def backtests(packed: DataFrame, forecaster: Forecaster, parameters: ForecastParameters) -> DataFrame:
    """Backtest every series.

    Args:
        packed: of `series.packed`, dealt out.
        forecaster: with the candidates to try.
        parameters: of the backtest.

    Returns:
        One row per (term, candidate): the columns of `backtest.ROW`.
    """

    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        names = [part.split()[0] for part in b.ROW.split(", ")]
        for batch in batches:
            for term, share, counts in batch[["term", "share_ratio", "counts"]].itertuples(index=False):
                rows = b.backtest(term, share, forecaster.history(counts), forecaster.candidates, parameters)
                yield pd.DataFrame(rows, columns=names).astype(object)

    return packed.mapInPandas(run, b.ROW)


def forecasts(packed: DataFrame, selection: DataFrame, forecaster: Forecaster, horizon: int) -> DataFrame:
    """Forecast every series with its champion, fitted to all of its history.

    Args:
        packed: of `series.packed`, dealt out.
        selection: one row per term: candidate, typical_error, is_small. A series without one gets the mean.
        forecaster: with the candidates that champions are of.
        horizon: periods ahead.

    Returns:
        One row per (term, step): the columns of `FORECAST_ROW`; a champion that fails is replaced by the mean.
    """
    chosen = selection.select("term", "candidate", "typical_error", "is_small")

    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            columns = batch[["term", "counts", "candidate", "typical_error", "is_small"]]
            for term, counts, *chosen in columns.itertuples(index=False):
                rows = _forecast(forecaster, forecaster.history(counts), *chosen, horizon=horizon)
                yield pd.DataFrame({"term": term, **rows})

    return packed.join(chosen, "term", how="left").mapInPandas(run, FORECAST_ROW)


def _forecast(
    forecaster: Forecaster,
    history: History,
    candidate: str | None,
    typical_error: float | None,
    is_small: bool | None,
    *,
    horizon: int,
) -> dict[str, Any]:
    values, _ = mended(history.values)
    history = forecaster.history(values)
    wanted = candidate if candidate is not None and candidate in forecaster.candidates else c.MEAN
    made, _ = c.forecasts(history, horizon, c.with_members(wanted, forecaster.candidates))
    used = wanted if wanted in made else c.MEAN
    forecast, mean = made[used], made[c.MEAN]
    if used != candidate or typical_error is None or is_small is None:  # nothing was measured of what is used
        typical_error = intervals.scale(intervals.prior_variance(values, history.frequency), np.array([]))
        is_small = intervals.is_count_based(history.recent())
    ends = intervals.interval(forecast, forecaster.multipliers, used, typical_error, is_small=is_small)
    return {
        "step": np.arange(1, horizon + 1),
        "target_date": history.target_dates(horizon),
        "candidate": used,
        "forecast": forecast,
        "mean_forecast": mean,
        "typical_error": typical_error,
        **{f"{side}_{level * 100:.0f}": ends[level][i] for level in intervals.LEVELS for i, side in enumerate(SIDES)},
    }


SIDES = ("lower", "upper")


def multipliers(backtested: DataFrame, horizon: int) -> dict[int, intervals.Multipliers]:
    """Quantiles of the normalised errors, by candidate and step.

    Args:
        backtested: of `backtests`.
        horizon: periods ahead.

    Returns:
        Three sets: from all windows (-1), from the even ones only (0), from the odd ones only (1). The halves are for
        measuring the coverage on other windows than an interval was made from (which may share days with them).
    """
    places = backtested.select("candidate", F.posexplode("scores").alias("place", "score")).select(
        "candidate",
        (F.col("place") % horizon + 1).alias("step"),
        (F.floor(F.col("place") / horizon) % 2).cast("int").alias("half"),
        "score",
    )
    quantiles = F.percentile_approx("score", list(intervals.LEVELS), _ACCURACY).alias("at")
    groupings = [
        ["candidate", "step"],
        ["candidate"],
        [],
        ["candidate", "step", "half"],
        ["candidate", "half"],
        ["half"],
    ]
    cells = places.groupingSets(groupings, "candidate", "step", "half").agg(F.count("*").alias("count"), quantiles)
    found: dict[int, dict[tuple[str, int], tuple[int, tuple[float, ...]]]] = {-1: {}, 0: {}, 1: {}}
    # Candidates x steps x halves: hundreds of rows, whatever the number of series.
    for row in cells.collect():
        key = (row["candidate"] or "", row["step"] or 0)
        half = -1 if row["half"] is None else int(row["half"])
        found[half][key] = (int(row["count"]), tuple(row["at"] or ()))
    return dict(found)


def with_coverage(backtested: DataFrame, halves: Mapping[int, intervals.Multipliers], horizon: int) -> DataFrame:
    """Count how many actual counts lie inside the intervals, each interval made from windows of the other half.

    Returns:
        `backtested` with inside_80 and inside_95 (null where nothing was measured), without scores and inside.
    """
    kept = [field for field in backtested.schema.fields if field.name not in ("scores", "inside")]
    schema = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in kept)

    def measure(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            of_rows = zip(batch["candidate"], batch["scores"], batch["inside"], strict=True)
            counted = np.array([_inside(*row, halves, horizon) for row in of_rows]).reshape(-1, len(intervals.LEVELS))
            yield batch.drop(columns=["scores", "inside"]).assign(inside_80=counted[:, 0], inside_95=counted[:, 1])

    return backtested.mapInPandas(measure, f"{schema}, inside_80 double, inside_95 double")


def _inside(
    candidate: str, scores: Any, inside: Any, halves: Mapping[int, intervals.Multipliers], horizon: int
) -> Floats:
    totals = np.zeros(len(intervals.LEVELS))
    if inside is not None:
        return np.asarray(inside, dtype=np.float64)
    if len(scores) == 0:
        return totals * np.nan
    by_window = np.asarray(scores, dtype=np.float64).reshape(-1, horizon)
    for number, row in enumerate(by_window):
        others = halves[1 - number % 2] if len(by_window) > 1 else halves[-1]
        widths = intervals.half_width(others, candidate, horizon, 1.0)
        totals += (row[:, None] <= widths).sum(axis=0)
    return totals
