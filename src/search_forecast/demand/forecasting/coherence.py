"""Forecasts of terms that add up to the forecast of the total.

Least-squares reconciliation with variance scaling (MinT with a diagonal covariance: Wickramasuriya, Athanasopoulos,
Hyndman 2019, Optimal forecast reconciliation). For one total over many terms its formula S (S' W^-1 S)^-1 S' W^-1 comes
down to this: what the terms lack to the total is shared out among the terms and the total by their error variances. A
library would build a dense matrix of all series on one machine (hierarchicalforecast does); this needs two sums a date.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.lakehouse.contracts import TOTAL

ENDS = ("lower_80", "upper_80", "lower_95", "upper_95")


def coherent(forecasts: DataFrame) -> DataFrame:
    """Make the terms of every date add up to its `(total)`; intervals move along with their forecast.

    Args:
        forecasts: one row per (term, step), with typical_error, `(total)` among the terms.

    Returns:
        The same rows and columns. Nothing falls below zero; the total is what the terms then add up to.
    """
    variance, is_total = F.col("typical_error") ** 2, F.col("term") == TOTAL
    sums = forecasts.groupBy("step").agg(
        F.sum(F.when(is_total, F.col("forecast")).otherwise(-F.col("forecast"))).alias("lack"),
        F.sum(variance).alias("variance_sum"),
    )
    share = F.coalesce(F.try_divide(variance * F.col("lack"), F.col("variance_sum")), F.lit(0.0))
    terms = _moved(forecasts.where(~is_total).join(F.broadcast(sums), "step", how="inner"), forecasts, share)
    whole = terms.groupBy("step").agg(F.sum("forecast").alias("whole"))
    to_whole = F.col("whole") - F.col("forecast")
    total = _moved(forecasts.where(is_total).join(F.broadcast(whole), "step", how="inner"), forecasts, to_whole)
    return terms.unionByName(total)


def _moved(rows: DataFrame, like: DataFrame, by: Column) -> DataFrame:
    moved = {name: F.greatest(F.col(name) + by, F.lit(0.0)).alias(name) for name in ("forecast", *ENDS)}
    return rows.select(*(moved.get(name, F.col(name)) for name in like.columns))
