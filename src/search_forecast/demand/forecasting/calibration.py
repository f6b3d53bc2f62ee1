"""How wide intervals must be, from the errors of a backtest, and how many actual counts they then hold."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting import intervals
from search_forecast.demand.forecasting.history import Floats

_ACCURACY = 10_000  # of quantiles: at most one rank in so many wrong, in a memory that does not grow with the scores


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
    by_half: dict[int, dict[tuple[str, int], tuple[int, tuple[float, ...]]]] = {-1: {}, 0: {}, 1: {}}
    # Candidates x steps x halves: hundreds of rows, whatever the number of series.
    for row in cells.collect():
        key = (row["candidate"] or "", row["step"] or 0)
        half = -1 if row["half"] is None else int(row["half"])
        by_half[half][key] = (int(row["count"]), tuple(row["at"] or ()))
    return dict(by_half)


def with_coverage(backtested: DataFrame, halves: Mapping[int, intervals.Multipliers], horizon: int) -> DataFrame:
    """Count how many actual counts lie inside the intervals, each interval made from windows of the other half.

    Returns:
        `backtested` with inside_80 and inside_95 (null where nothing was measured), without scores and inside.
    """
    fields = [field for field in backtested.schema.fields if field.name not in ("scores", "inside")]
    schema = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in fields)

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
