"""What the benchmarks of forecasts share: `train` from the series on, without gold and registry, and their reports."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from search_forecast.demand.forecasting import assessment, calibration, shared_autoregression
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import forecasts as f
from search_forecast.demand.forecasting.backtest import backtests
from search_forecast.demand.forecasting.series import dealt_out
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.parameters import ForecastParameters

PACKED = "term string, share_ratio double, counts array<double>"


@dataclass(frozen=True)
class Run:
    """A backtest with its forecasts, all of it in files.

    Attributes:
        packed: the series, dealt out to tasks.
        covered: one row per (term, candidate), of `calibration.with_coverage`.
        forecasts: one row per (term, step), of `f.forecasts`.
        maker: what forecast.
        seconds: of each step.
    """

    packed: DataFrame
    covered: DataFrame
    forecasts: DataFrame
    maker: f.Forecaster
    seconds: Mapping[str, float]


def packed(spark: SparkSession, series: Mapping[str, np.ndarray]) -> DataFrame:
    """Series as `series.packed` gives them."""
    whole = sum(values.sum() for values in series.values())
    rows = [(name, float(values.sum() / whole), values.tolist()) for name, values in series.items()]
    return spark.createDataFrame(rows, PACKED)


def train(
    series: DataFrame,
    count: int,
    last_date: date,
    parameters: ForecastParameters,
    folder: Path,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """The steps of `training` that follow the reading of gold.

    Args:
        series: packed.
        count: how many.
        last_date: of every series.
        parameters: what to train.
        folder: empty or not there, for the rows that are kept between steps.
        clock: that each step's seconds are read from.
    """
    spark, seconds, begun = series.sparkSession, {}, clock()

    def kept(df: DataFrame, name: str) -> DataFrame:
        started = clock()
        df.write.parquet(str(folder / name))
        seconds[name] = clock() - started
        return spark.read.parquet(str(folder / name))

    frequency, horizon = FREQUENCIES[parameters.frequency], parameters.horizon
    dealt = dealt_out(kept(series, "series"), count)
    started = clock()
    shared = shared_autoregression.fit(
        shared_autoregression.sums(dealt, last_date, frequency, horizon, parameters.tested_periods)
    )
    seconds[c.SHARED] = clock() - started
    names = [name for name in parameters.candidates if name != c.SHARED or shared]
    candidates = c.chosen(names, [shared] if shared else [])
    maker = f.Forecaster(last_date, frequency, candidates, {})
    tests = kept(backtests(dealt, maker, parameters), "backtests")
    weighed = assessment.assessments(tests, None, maker, parameters, assessment.pooled(tests))
    assessed = kept(weighed, "assessed")
    multipliers = calibration.multipliers(assessed, horizon)
    covered = kept(calibration.with_coverage(assessed, multipliers, horizon), "covered")
    maker = f.Forecaster(last_date, frequency, candidates, multipliers[-1])
    forecasts = kept(f.forecasts(dealt, covered.where("is_champion"), maker, horizon), "forecasts")
    return Run(dealt, covered, forecasts, maker, {**seconds, "all": clock() - begun})


def weights(run: Run) -> str:
    """The mean weight of each candidate, for people."""
    rows = run.covered.where("weight_ratio is not null").groupBy("candidate").avg("weight_ratio").collect()
    terms = run.covered.where("is_champion").count()
    means = {row[0]: row[1] for row in rows}
    return f"mean weights over {terms} terms: " + ", ".join(
        f"{name} {value:.0%}" for name, value in sorted(means.items(), key=lambda item: -item[1]) if value >= 0.005
    )


def alone(run: Run, horizon: int) -> pd.DataFrame:
    """What each candidate alone forecasts: one row per (name, term, step)."""
    maker = run.maker

    def ask(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for term, counts in batch[["term", "counts"]].itertuples(index=False):
                for name, values in c.forecasts(maker.history(counts, ""), horizon, maker.candidates)[0].items():
                    yield pd.DataFrame({"name": name, "term": term, "step": range(1, horizon + 1), "forecast": values})

    return run.packed.mapInPandas(ask, "name string, term string, step bigint, forecast double").toPandas()


def machine() -> str:
    """Today, and how large this machine is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{datetime.now(timezone.utc):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
