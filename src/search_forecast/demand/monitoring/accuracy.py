"""Past forecasts beside what came.

Source of the measures: Hyndman and Koehler (2006), Another look at measures of forecast accuracy.
"""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from search_forecast.demand.known_days import known_days
from search_forecast.demand.periods import FREQUENCIES, WINDOW_DAYS
from search_forecast.lakehouse.contracts import OTHER, TOTAL

INTERVAL_LEVEL = 0.95
_ORIGIN = ("model_version", "made_on_date")
_SERIES = ("period_days", "pool", "term")


def forecast_accuracy(
    forecasts: DataFrame,
    counts: DataFrame,
    totals: DataFrame,
    as_of: date,
    closures: frozenset[date] = frozenset(),
) -> DataFrame:
    """Errors of every past forecast, by seven days ahead and, where it reaches further, as a whole.

    A window is given once every day of it is complete and not after `as_of`; days on which nothing was delivered are
    left out of it, and it is not given where nothing is left. `(total)` is left out: it is the sum of the others. The
    errors are those of the rows of the 95 % interval; every level repeats the forecast itself.

    Args:
        forecasts: search_gold.term_forecasts.
        counts: search_gold.daily_term_counts.
        totals: search_gold.daily_totals.
        as_of: last day whose searches are known in full.
        closures: days on which the shop was closed: without a search they are known.

    Returns:
        search_gold.forecast_accuracy: one row per (model_version, made_on_date, window).
    """
    known = known_days(totals, as_of, closures).rows
    points = _points(forecasts)
    series = _with_scale(_series(points, counts, _periods(known)))
    longest = F.col("longest")
    week = F.floor((F.col("horizon_days") - 1) / WINDOW_DAYS) * WINDOW_DAYS
    label = F.concat_ws("-", week + 1, F.least(week + WINDOW_DAYS, longest))
    windows = F.array_distinct(F.array(label, F.concat_ws("-", F.lit(1), longest)))
    return _measured(_compared(points, series, known).withColumn("window", F.explode(windows)))


def first_windows(accuracy: DataFrame, model_version: int, limit: int) -> DataFrame:
    """The first days ahead of a version's latest forecasts: what the rule for training again looks at.

    Args:
        accuracy: search_gold.forecast_accuracy.
        model_version: the version.
        limit: number of forecasts, the latest made first.

    Returns:
        one row per made_on_date, latest first: made_on_date, first_target_date, last_target_date, term_count,
        skill_ratio, interval_coverage.
    """
    shown = ("first_target_date", "last_target_date", "term_count", "skill_ratio", "interval_coverage")
    first = F.min_by(F.struct(*shown), "last_target_date").alias("first")
    of_version = accuracy.where((F.col("model_version") == model_version) & F.col("window").startswith("1-"))
    by_day = of_version.groupBy("made_on_date").agg(first).select("made_on_date", "first.*")
    return by_day.orderBy(F.desc("made_on_date")).limit(limit)


def _points(forecasts: DataFrame) -> DataFrame:
    """One row per forecast point, with what its whole forecast tells: longest horizon, days in a period, the pool.

    A forecast is weekly if every point of it lies whole weeks ahead (a daily one has a point one day ahead). `pool`
    tells series called `(other)` apart, by the terms that were forecast beside them; it is 0 for a plain term.
    """
    points = forecasts.where((F.abs(F.col("interval_level") - INTERVAL_LEVEL) < 1e-9) & (F.col("term") != TOTAL))
    whole = Window.partitionBy(*_ORIGIN)
    is_other = F.col("term") == OTHER
    known_terms = F.sum(F.when(is_other, 0).otherwise(F.pmod(F.xxhash64("term"), F.lit(2**32)))).over(whole)
    return points.select(
        *_ORIGIN,
        *("term", "target_date", "horizon_days", "forecast", "lower", "upper", "mean_forecast"),
        F.max("horizon_days").over(whole).alias("longest"),
        F.when(F.max(F.col("horizon_days") % 7).over(whole) == 0, 7).otherwise(1).alias("period_days"),
        F.when(F.max(is_other).over(whole), known_terms).alias("other_pool"),
    ).withColumn("pool", F.when(is_other, F.col("other_pool")).otherwise(0))


def _by_period(days: DataFrame) -> DataFrame:
    """Every row twice: as its day, and as the week that it is in (which begins on a Monday)."""
    starts = [(F.lit(1), F.col("event_date")), (F.lit(7), F.trunc("event_date", "week"))]
    periods = [F.struct(days.alias("period_days"), start.alias("period_start")) for days, start in starts]
    return days.withColumn("period", F.explode(F.array(*periods))).select("*", "period.*").drop("period", "event_date")


def _periods(known: DataFrame) -> DataFrame:
    """Days and weeks of which every day has come and was delivered: period_days, period_start, total."""
    by_period = _by_period(known.where(F.col("search_count").isNotNull()))
    summed = by_period.groupBy("period_days", "period_start").agg(
        F.sum("search_count").alias("total"), F.count("*").alias("day_count")
    )
    return summed.where("day_count = period_days").drop("day_count")


def _series(points: DataFrame, counts: DataFrame, periods: DataFrame) -> DataFrame:
    """Actual counts of every series that was forecast, zeros filled from its first search on."""
    asked = points.where(F.col("term") != OTHER).select("period_days", "term").distinct()
    plain = (
        _by_period(counts)
        .join(asked, ["period_days", "term"], how="left_semi")
        .groupBy("period_days", F.lit(0).cast("bigint").alias("pool"), "term", "period_start")
        .agg(F.sum("search_count").alias("actual"))
    )
    actuals = plain.unionByName(_others(points, plain, periods))
    first = actuals.groupBy(*_SERIES).agg(F.min("period_start").alias("first_start"))
    grid = first.join(periods, "period_days", how="inner").where("period_start >= first_start")
    filled = grid.join(actuals, [*_SERIES, "period_start"], how="left")
    return filled.select(*_SERIES, "period_start", F.coalesce("actual", F.lit(0)).alias("actual"))


def _others(points: DataFrame, plain: DataFrame, periods: DataFrame) -> DataFrame:
    """What is left of the total for every `(other)`, without the terms forecast beside it."""
    pools = points.where(F.col("term") == OTHER).select("period_days", "pool").distinct()
    whole = pools.join(periods, "period_days", how="inner")
    members = points.where((F.col("term") != OTHER) & F.col("other_pool").isNotNull())
    known = (
        members.select("period_days", F.col("other_pool").alias("pool"), "term")
        .distinct()
        .join(plain.drop("pool"), ["period_days", "term"], how="inner")
        .select("period_days", "pool", "period_start", (-F.col("actual")).alias("total"))
    )
    left = whole.unionByName(known).groupBy("period_days", "pool", F.lit(OTHER).alias("term"), "period_start")
    return left.agg(F.sum("total").alias("actual")).where("actual > 0")


def _with_scale(series: DataFrame) -> DataFrame:
    """Beside every period the mean absolute error of the seasonal naive up to it; null where that is 0.

    Where no two periods so far are a season apart it is that of the plain naive.
    """
    order = Window.partitionBy(*_SERIES).orderBy("place")
    is_weekly = F.col("period_days") == 7
    daily, weekly = (FREQUENCIES[name].season_length for name in ("day", "week"))

    def before(periods: int) -> Column:  # by its date, not by rows: days without a delivery have none
        return F.max("actual").over(order.rangeBetween(-periods, -periods))

    stepped = series.withColumn("place", F.floor(F.unix_date("period_start") / F.col("period_days"))).select(
        "*",
        F.abs(F.col("actual") - F.when(is_weekly, before(weekly)).otherwise(before(daily))).alias("seasonal_error"),
        F.abs(F.col("actual") - before(1)).alias("naive_error"),
    )
    so_far = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    seasonal, naive = (F.avg(name).over(so_far) for name in ("seasonal_error", "naive_error"))
    scale = F.nullif(F.coalesce(seasonal, naive), F.lit(0.0))
    return stepped.select(*_SERIES, "period_start", "actual", scale.alias("scale"))


def _compared(points: DataFrame, series: DataFrame, known: DataFrame) -> DataFrame:
    """Every forecast point twice: for its target with the actual count, for the day it was made with the scale.

    One join with the series instead of two: they are the costly part.
    """
    places = F.array(
        F.struct(F.col("target_date").alias("period_start"), F.lit(True).alias("is_target")),
        F.struct(F.col("made_on_date").alias("period_start"), F.lit(False).alias("is_target")),
    )
    ends = known.agg(
        F.min("event_date").alias("first_known"),
        F.max("event_date").alias("last_known"),
        F.collect_list(F.when(F.col("search_count").isNull(), F.col("event_date"))).alias("gap_days"),
    )
    is_delivered = ~F.exists("gap_days", lambda day: day.between(F.col("target_date"), _last_day()))
    has_come = (F.col("target_date") >= F.col("first_known")) & (_last_day() <= F.col("last_known"))
    return (
        points.withColumn("place", F.explode(places))
        .select("*", "place.*")
        .join(series, [*_SERIES, "period_start"], how="left")
        .crossJoin(F.broadcast(ends))
        .withColumn("has_come", F.coalesce(has_come, F.lit(False)))
        .withColumn("actual", F.when(F.col("is_target") & is_delivered, F.coalesce("actual", F.lit(0))))
        .withColumn("scale", F.when(~F.col("is_target"), F.col("scale")))
    )


def _last_day() -> Column:
    """Last day of the period that is forecast."""
    return F.expr("date_add(target_date, period_days - 1)")


def _measured(compared: DataFrame) -> DataFrame:
    """search_gold.forecast_accuracy from the rows of `_compared`, each with its `window`."""
    error = F.abs(F.col("forecast") - F.col("actual"))
    by_term = compared.groupBy(*_ORIGIN, "window", "term").agg(
        F.every("has_come").alias("has_come"),
        F.min("target_date").alias("first_target_date"),
        F.max(_last_day()).alias("last_target_date"),
        F.count("actual").alias("point_count"),
        F.sum("actual").alias("actual"),
        F.sum(error).alias("error"),
        F.sum(F.abs(F.col("mean_forecast") - F.col("actual"))).alias("mean_error"),
        F.count_if(F.col("actual").between(F.col("lower"), F.col("upper"))).alias("inside_count"),
        F.try_divide(F.avg(error), F.max("scale")).alias("scaled_error"),
    )
    by_window = by_term.groupBy(*_ORIGIN, "window").agg(
        F.every("has_come").alias("has_come"),
        F.min("first_target_date").alias("first_target_date"),
        F.max("last_target_date").alias("last_target_date"),
        F.count("*").alias("term_count"),
        F.sum("actual").alias("actual_count"),
        F.try_divide(F.sum("error"), F.sum("actual")).alias("wape"),
        F.try_divide(F.sum("mean_error"), F.sum("actual")).alias("mean_wape"),
        F.avg("scaled_error").alias("mase"),
        F.try_divide(F.sum("inside_count"), F.sum("point_count")).alias("interval_coverage"),
    )
    skill = 1 - F.try_divide(F.col("wape"), F.col("mean_wape"))
    return (
        by_window.where("has_come and interval_coverage is not null")
        .select("*", skill.alias("skill_ratio"))
        .drop("has_come")
    )
