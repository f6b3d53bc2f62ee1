"""What a training run says about its candidates, and what scoring says about the days to come: rows for gold."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting.intervals import LEVELS
from search_forecast.lakehouse.contracts import ALL, BACKTEST_METRICS, TERM_FORECASTS, TOTAL

_SUMS = ("absolute_error", "error", "actual", "inside_80", "inside_95", "score_count", "poisson_floor", "given_floor")


def backtest_metrics(covered: DataFrame, model_version: int) -> DataFrame:
    """Rows of search_gold.backtest_metrics: one per term and candidate, and one per candidate for `(all)` terms.

    The multinomial floor is the Poisson floor times sqrt(1 - share): of a count that is one part of a given total only
    that part of the variance is left.

    Args:
        covered: of `spread.with_coverage`.
        model_version: the version that the backtest belongs to.
    """
    rows = covered.withColumn("given_floor", F.col("poisson_floor") * F.sqrt(1 - F.col("share_ratio")))
    measured = rows.where((F.col("term") != TOTAL) & F.col("absolute_error").isNotNull())
    together = measured.groupBy("candidate").agg(
        *(F.sum(name).alias(name) for name in _SUMS),
        *(F.avg(name).alias(name) for name in ("mase", "smape", "rmsse")),
        F.max("window_count").alias("window_count"),
        F.lit(ALL).alias("term"),
        F.lit(False).alias("is_champion"),
        F.lit(None).cast("double").alias("p_value"),
        *(F.lit(None).cast("string").alias(name) for name in ("verdict", "reason")),
    )
    return _with_ratios(rows, model_version).unionByName(_with_ratios(together, model_version))


def _with_ratios(rows: DataFrame, model_version: int) -> DataFrame:
    return rows.select(
        F.lit(model_version).cast("bigint").alias("model_version"),
        *("candidate", "term", "mase", "smape", "rmsse", "window_count", "is_champion", "p_value", "verdict", "reason"),
        _per("absolute_error", "actual").alias("wape"),
        _per("error", "actual").alias("bias"),
        _per("inside_95", "score_count").alias("interval_coverage"),
        _per("inside_80", "score_count").alias("interval_coverage_80"),
        _per("poisson_floor", "actual").alias("poisson_floor_wape"),
        _per("given_floor", "actual").alias("multinomial_floor_wape"),
    ).select(*BACKTEST_METRICS.schema.names)


def term_forecasts(forecasts: DataFrame, name: str, model_version: int, made_on: date) -> DataFrame:
    """Rows of search_gold.term_forecasts: one per term, target date and level.

    Args:
        forecasts: of `spread.forecasts`.
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
                for level in LEVELS
            )
        )
    )
    return (
        forecasts.withColumn("end", by_level)
        .select(
            *("term", "target_date", "forecast", "mean_forecast", "candidate", "end.*"),
            F.lit(model_version).cast("bigint").alias("model_version"),
            F.lit(made_on).alias("made_on_date"),
            F.datediff("target_date", F.lit(made_on)).cast("bigint").alias("horizon_days"),
            F.lit(name).alias("model_name"),
        )
        .select(*TERM_FORECASTS.schema.names)
    )


def _per(part: str, whole: str) -> Column:
    return F.try_divide(F.col(part).cast("double"), F.col(whole).cast("double"))
