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
ODD = 3  # times the middle term's mean score: such a term says nothing about the others' intervals
UNERRING = 1e-3  # typical errors, a mean score below it: nor does a term that is always the same


def multipliers(assessed: DataFrame, horizon: int) -> dict[int, intervals.Multipliers]:
    """Quantiles of the normalised errors of all terms but odd and unerring ones, by step.

    Args:
        assessed: of `assessment.assessments`.
        horizon: periods ahead.

    Returns:
        Three sets: from all windows (-1), from the even ones only (0), from the odd ones only (1). The halves are for
        measuring the coverage on other windows than an interval was made from (which may share days with them).
    """
    scored = assessed.where(F.size("scores") > 0).withColumn(
        "mean_score", F.expr("aggregate(filter(scores, s -> not isnan(s)), 0D, (a, s) -> a + s) / score_count")
    )
    erring = scored.where(F.col("mean_score") > UNERRING)
    middle = erring.agg(F.percentile_approx("mean_score", 0.5, _ACCURACY).alias("middle"))
    alike = erring.crossJoin(F.broadcast(middle)).where(F.col("mean_score") <= ODD * F.col("middle"))
    places = alike.select(F.posexplode("scores").alias("place", "score")).where(~F.isnan("score"))
    cells = places.select(
        (F.col("place") % horizon + 1).alias("step"),
        (F.floor(F.col("place") / horizon) % 2).cast("int").alias("half"),
        "score",
    )
    quantiles = F.percentile_approx("score", list(intervals.LEVELS), _ACCURACY).alias("at")
    groupings = [["step"], [], ["step", "half"], ["half"]]
    by_half: dict[int, dict[int, tuple[int, tuple[float, ...]]]] = {-1: {}, 0: {}, 1: {}}
    # Steps x halves: a few rows, whatever the number of series.
    for row in cells.groupingSets(groupings, "step", "half").agg(F.count("*").alias("count"), quantiles).collect():
        half = -1 if row["half"] is None else int(row["half"])
        by_half[half][row["step"] or 0] = (int(row["count"]), tuple(row["at"] or ()))
    return dict(by_half)


def with_coverage(assessed: DataFrame, halves: Mapping[int, intervals.Multipliers], horizon: int) -> DataFrame:
    """Count how many actual counts lie inside the intervals, each interval made from windows of the other half.

    Returns:
        `assessed` with inside_80 and inside_95 (null where nothing was measured) and `widening` (how much wider than
        the others' the term's own intervals are, by level), without scores and inside.
    """
    fields = [field for field in assessed.schema.fields if field.name not in ("scores", "inside")]
    schema = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in fields)

    def measure(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            of_rows = zip(batch["scores"], batch["inside"], strict=True)
            counted = np.array([_inside(*row, halves, horizon) for row in of_rows]).reshape(-1, len(intervals.LEVELS))
            own = [
                intervals.widening(halves[-1], np.asarray(scores, dtype=np.float64).reshape(-1, horizon)).tolist()
                for scores in batch["scores"]
            ]
            rows = batch.drop(columns=["scores", "inside"])
            yield rows.assign(inside_80=counted[:, 0], inside_95=counted[:, 1], widening=own)

    return assessed.mapInPandas(measure, f"{schema}, inside_80 double, inside_95 double, widening array<double>")


def _inside(scores: Any, inside: Any, halves: Mapping[int, intervals.Multipliers], horizon: int) -> Floats:
    totals = np.zeros(len(intervals.LEVELS))
    if inside is not None:
        return np.asarray(inside, dtype=np.float64)
    if len(scores) == 0:
        return totals * np.nan
    windows = np.asarray(scores, dtype=np.float64).reshape(-1, horizon)
    for number, row in enumerate(windows):
        half = 1 - number % 2 if len(windows) > 1 else -1
        others = windows[1 - number % 2 :: 2] if len(windows) > 1 else windows[:0]
        widths = intervals.half_width(halves[half], horizon, intervals.widening(halves[half], others))
        totals += (row[:, None] <= widths).sum(axis=0)
    return totals
