"""Gold's daily counts to complete, evenly spaced series."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.periods import Frequency
from search_forecast.lakehouse.contracts import ALL, OTHER, TOTAL

SERIES_A_TASK = 25  # a task takes seconds: short enough to balance, long enough to be worth starting


def period(event_date: Column, frequency: Frequency) -> Column:
    """The first day of the period that a day lies in: itself, or the Monday of its week."""
    return event_date if frequency.days == 1 else F.trunc(event_date, "week")


def periods(complete_days: DataFrame, frequency: Frequency, most: int) -> DataFrame:
    """The latest `most` periods all of whose days are complete.

    Args:
        complete_days: of `known_days.known_days`.
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
