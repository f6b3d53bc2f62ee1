"""The coming periods of every series: a worker takes a few at a time, none goes through the driver."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import intervals
from search_forecast.demand.forecasting.history import Floats, History, mended
from search_forecast.demand.periods import Frequency
from search_forecast.lakehouse.contracts import TERM_FORECASTS

SIDES = ("lower", "upper")
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
    known = candidate if candidate is not None and candidate in forecaster.candidates else c.MEAN
    by_name, _ = c.forecasts(history, horizon, c.with_members(known, forecaster.candidates))
    used = known if known in by_name else c.MEAN
    forecast, mean = by_name[used], by_name[c.MEAN]
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


def term_forecasts(rows: DataFrame, name: str, model_version: int, made_on: date) -> DataFrame:
    """Rows of search_gold.term_forecasts: one per term, target date and level.

    Args:
        rows: of `forecasts`.
        name: of the registered model.
        model_version: that they come from.
        made_on: last date of the counts they were made from.
    """
    by_level = F.explode(
        F.array(
            *(
                F.struct(
                    F.lit(level).alias("interval_level"),
                    F.col(f"lower_{level * 100:.0f}").alias("lower"),
                    F.col(f"upper_{level * 100:.0f}").alias("upper"),
                )
                for level in intervals.LEVELS
            )
        )
    )
    return (
        rows.withColumn("end", by_level)
        .select(
            *("term", "target_date", "forecast", "mean_forecast", "candidate", "end.*"),
            F.lit(model_version).cast("bigint").alias("model_version"),
            F.lit(made_on).alias("made_on_date"),
            F.datediff("target_date", F.lit(made_on)).cast("bigint").alias("horizon_days"),
            F.lit(name).alias("model_name"),
        )
        .select(*TERM_FORECASTS.schema.names)
    )
