"""How the candidates did in a backtest: rows of search_gold.backtest_metrics."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting.assessment import SELECTION
from search_forecast.demand.forecasting.candidates import MEAN
from search_forecast.demand.forecasting.verdict import FORECASTABLE
from search_forecast.lakehouse.contracts import ALL, BACKTEST_METRICS, TOTAL

_SUMS = ("absolute_error", "error", "actual", "inside_80", "inside_95", "score_count", "poisson_floor", "given_floor")


def backtest_metrics(assessed: DataFrame, model_version: int) -> DataFrame:
    """Rows of search_gold.backtest_metrics: one per term and candidate, and one per candidate for `(all)` terms.

    The multinomial floor is the Poisson floor times sqrt(1 - share): of a count that is one part of a given total only
    that part of the variance is left.

    Args:
        assessed: of `calibration.with_coverage`.
        model_version: the version that the backtest belongs to.
    """
    rows = assessed.withColumn("given_floor", F.col("poisson_floor") * F.sqrt(1 - F.col("share_ratio")))
    measured = rows.where((F.col("term") != TOTAL) & F.col("absolute_error").isNotNull())
    together = measured.groupBy("candidate").agg(
        *(F.sum(name).alias(name) for name in _SUMS),
        *(F.avg(name).alias(name) for name in ("mase", "smape", "rmsse")),
        F.max("window_count").alias("window_count"),
        F.lit(ALL).alias("term"),
        F.lit(False).alias("is_champion"),
        *(F.lit(None).cast("double").alias(name) for name in ("p_value", "weight_ratio")),
        *(F.lit(None).cast("string").alias(name) for name in ("verdict", "reason")),
    )
    return _with_ratios(rows, model_version).unionByName(_with_ratios(together, model_version))


def _with_ratios(rows: DataFrame, model_version: int) -> DataFrame:
    return rows.select(
        F.lit(model_version).cast("bigint").alias("model_version"),
        *(
            "candidate",
            "term",
            "mase",
            "smape",
            "rmsse",
            "window_count",
            "is_champion",
            "p_value",
            "verdict",
            "reason",
            "weight_ratio",
        ),
        _per("absolute_error", "actual").alias("wape"),
        _per("error", "actual").alias("bias"),
        _per("inside_95", "score_count").alias("interval_coverage"),
        _per("inside_80", "score_count").alias("interval_coverage_80"),
        _per("poisson_floor", "actual").alias("poisson_floor_wape"),
        _per("given_floor", "actual").alias("multinomial_floor_wape"),
    ).select(*BACKTEST_METRICS.schema.names)


def errors_over_terms(backtested: DataFrame) -> dict[str, float | None]:
    """Errors over all terms, of what the version forecasts (without the window measured) and of the mean."""
    errors = {"wape": F.col("candidate") == SELECTION, "mean_wape": F.col("candidate") == MEAN}
    terms = backtested.where(F.col("term") != TOTAL)
    row = terms.agg(
        *(
            F.try_divide(F.sum(F.when(is_it, F.col("absolute_error"))), F.sum(F.when(is_it, F.col("actual")))).alias(
                name
            )
            for name, is_it in errors.items()
        )
    ).collect()[0]
    is_forecastable = F.col("is_champion") & (F.col("verdict") == FORECASTABLE)
    counted = backtested.agg(F.count_if(is_forecastable).alias("forecastable_count")).collect()[0]
    return {**row.asDict(), "forecastable_count": float(counted["forecastable_count"])}


def _per(part: str, whole: str) -> Column:
    return F.try_divide(F.col(part).cast("double"), F.col(whole).cast("double"))
