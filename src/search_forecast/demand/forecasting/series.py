"""Gold's daily counts to complete, evenly spaced series."""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from search_forecast.demand.periods import Frequency
from search_forecast.lakehouse.contracts import ALL, OTHER, TOTAL

LEAST_GAP = 3  # days in a row without a search; a weekend is none
GAP_P_VALUE = 1e-5  # below it so many in a row are no chance
SERIES_A_TASK = 25  # a task takes seconds: short enough to balance, long enough to be worth starting


def days(totals: DataFrame, as_of: date | None = None) -> DataFrame:
    """The days that can be counted on: without incomplete ones at the edges, none after `as_of`, none before a stray.

    Days without any search are no demand of zero where chance does not make so many in a row: nothing was delivered.
    Chance is judged by how often shorter runs of such days come in this shop, so a quiet shop may be quiet for long,
    and a shop that is closed every weekend stays so. What lies before a gap that is longer than it is a stray, such as
    one misdated record: left out with the gap.

    Args:
        totals: search_gold.daily_totals.
        as_of: last day to know of, all where None.

    Returns:
        One row per event_date: search_count, null in a gap.
    """
    complete = totals.where("is_complete_day").select("event_date", "search_count")
    complete = complete if as_of is None else complete.where(F.col("event_date") <= F.lit(as_of))
    # One row per day of history: small enough for the one partition that an unpartitioned window takes.
    until_now = Window.orderBy("event_date").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    shorter = Window.orderBy("run_length").rangeBetween(Window.unboundedPreceding, -1)
    is_silent = F.col("search_count") == 0
    runs = complete.withColumn("run", F.count_if(~is_silent).over(until_now)).withColumn(
        "run_length", F.when(is_silent, F.count_if(is_silent).over(Window.partitionBy("run"))).otherwise(0)
    )
    silent_ratio = (F.coalesce(F.count_if(is_silent).over(shorter), F.lit(0)) + 1) / (F.count("*").over(shorter) + 2)
    is_gap = is_silent & (F.col("run_length") >= LEAST_GAP) & (F.pow(silent_ratio, F.col("run_length")) < GAP_P_VALUE)
    marked = runs.withColumn("is_gap", is_gap)
    known_before = F.count_if(~F.col("is_gap")).over(until_now)
    is_stray = F.col("is_gap") & (known_before < F.col("run_length"))
    from_here = Window.orderBy("event_date").rowsBetween(Window.currentRow, Window.unboundedFollowing)
    kinds = marked.withColumn("is_stray", is_stray).withColumn("strays_ahead", F.count_if("is_stray").over(from_here))
    counts = F.when(~F.col("is_gap"), F.col("search_count")).alias("search_count")
    return kinds.where("strays_ahead = 0").select("event_date", counts)


def period(event_date: Column, frequency: Frequency) -> Column:
    """The first day of the period that a day lies in: itself, or the Monday of its week."""
    return event_date if frequency.days == 1 else F.trunc(event_date, "week")


def periods(complete_days: DataFrame, frequency: Frequency, most: int) -> DataFrame:
    """The latest `most` periods all of whose days are complete.

    Args:
        complete_days: of `days`.
        frequency: day or week.
        most: number of periods.

    Returns:
        One row per period: period_start_date, search_count (of all terms together; null where a day is not known).
    """
    whole = (
        complete_days.groupBy(period(F.col("event_date"), frequency).alias("period_start_date"))
        .agg(_known_sum("search_count").alias("search_count"), F.count("*").alias("day_count"))
        .where(F.col("day_count") == frequency.days)
    )
    return whole.drop("day_count").orderBy(F.desc("period_start_date")).limit(most)


def _known_sum(name: str) -> Column:
    return F.when(F.count(name) == F.count("*"), F.sum(name))


def known_terms(counts: DataFrame, latest: DataFrame, frequency: Frequency, floor_count: int) -> DataFrame:
    """The terms with at least `floor_count` searches in the periods; the others make up `(other)`.

    Returns:
        One row per term.
    """
    by_period = counts.withColumn("period_start_date", period(F.col("event_date"), frequency))
    inside = by_period.join(F.broadcast(latest.select("period_start_date")), "period_start_date", how="left_semi")
    return (
        inside.groupBy("term")
        .agg(F.sum("search_count").alias("search_count"))
        .where(F.col("search_count") >= floor_count)
        .select("term")
    )


def series(counts: DataFrame, latest: DataFrame, terms: DataFrame, frequency: Frequency) -> DataFrame:
    """Complete series: a count for every period from a term's first on.

    It is 0 where the term was not searched, null where nothing was.

    Args:
        counts: search_gold.daily_term_counts.
        latest: the periods, of `periods`; (total) is theirs.
        terms: the terms that get a series of their own; all others are pooled into `(other)`.
        frequency: day or week.

    Returns:
        One row per (term, period_start_date): search_count.
    """
    by_period = counts.select("term", period(F.col("event_date"), frequency).alias("period_start_date"), "search_count")
    # Somebody may search for "(total)".
    named = terms.where(~F.col("term").isin(TOTAL, OTHER, ALL)).select("term", F.col("term").alias("series_term"))
    counted = (
        by_period.join(F.broadcast(latest.select("period_start_date")), "period_start_date", how="left_semi")
        .join(named, "term", how="left")
        .groupBy(F.coalesce("series_term", F.lit(OTHER)).alias("term"), "period_start_date")
        .agg(F.sum("search_count").alias("search_count"))
    )
    first = counted.groupBy("term").agg(F.min("period_start_date").alias("first_date"))
    filled = (
        first.crossJoin(F.broadcast(latest.select("period_start_date", F.col("search_count").alias("total"))))
        .where(F.col("period_start_date") >= F.col("first_date"))
        .join(counted, ["term", "period_start_date"], how="left")
        .select(
            "term",
            "period_start_date",
            F.when(F.col("total").isNotNull(), F.coalesce("search_count", F.lit(0))).alias("search_count"),
        )
    )
    total = latest.select(F.lit(TOTAL).alias("term"), "period_start_date", "search_count")
    return filled.unionByName(total)


def packed(complete: DataFrame) -> DataFrame:
    """One row per series, its counts in order: what a worker takes at a time.

    Args:
        complete: of `series`.

    Returns:
        One row per term: share_ratio (of all searches in the periods), counts ARRAY<DOUBLE>.
    """
    in_order = F.sort_array(F.collect_list(F.struct("period_start_date", "search_count")))
    by_term = complete.groupBy("term").agg(F.sum("search_count").alias("sum"), in_order.alias("points"))
    whole = complete.where(F.col("term") == TOTAL).agg(F.sum("search_count").alias("whole"))
    return by_term.crossJoin(F.broadcast(whole)).select(
        "term",
        F.coalesce(F.try_divide("sum", "whole"), F.lit(0.0)).cast("double").alias("share_ratio"),
        F.transform("points", lambda point: point["search_count"].cast("double")).alias("counts"),
    )


def dealt_out(packed_series: DataFrame, series_count: int) -> DataFrame:
    """The series dealt out to tasks by their term, so many to each."""
    return packed_series.repartition(max(2, -(-series_count // SERIES_A_TASK)), "term")
