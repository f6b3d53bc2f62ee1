"""Searches to aggregates for people and models."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from search_forecast.medallion import terms

EDGE_NEIGHBOUR_DAYS = 28


def daily_term_counts(events: DataFrame) -> DataFrame:
    """Searches per day and term.

    Args:
        events: search_silver.search_events, whole days of it.

    Returns:
        search_gold.daily_term_counts: one row per (event_date, term).
    """
    return events.groupBy("event_date", "term").agg(F.sum("search_count").alias("search_count"))


def daily_totals(counts: DataFrame) -> DataFrame:
    """Searches per day, for every day from the first to the last.

    The first and the last day of the range are often cut off: an export starts at noon, or today is not over. Nothing
    in the data says so, therefore this rule: such a day is complete unless it has fewer searches than the quietest day
    with any among the (up to) 28 days nearest to it inside the range. A complete edge day fails it by chance once in 29
    times where days are alike; forecasting then leaves out one good day.

    Args:
        counts: search_gold.daily_term_counts.

    Returns:
        search_gold.daily_totals: one row per event_date of the range.
    """
    by_day = counts.groupBy("event_date").agg(
        F.sum("search_count").alias("search_count"), F.count("*").alias("distinct_term_count")
    )
    ends = by_day.agg(F.min("event_date").alias("first"), F.max("event_date").alias("last")).where("first is not null")
    day = F.explode(F.sequence("first", "last")).alias("event_date")
    filled = (
        ends.select("first", "last", day)
        .join(by_day, "event_date", how="left")
        .fillna(0, ["search_count", "distinct_term_count"])
    )
    is_inner = (F.col("event_date") > F.col("first")) & (F.col("event_date") < F.col("last"))
    inner_count = F.when(is_inner & (F.col("search_count") > 0), F.col("search_count"))
    # One row per day of history: small enough for the one partition that an unpartitioned window takes.
    near = Window.orderBy("event_date").rowsBetween(-EDGE_NEIGHBOUR_DAYS, EDGE_NEIGHBOUR_DAYS)
    quietest = F.coalesce(F.min(inner_count).over(near), F.lit(0))
    return filled.select(
        "event_date",
        "search_count",
        "distinct_term_count",
        (is_inner | (F.col("search_count") >= quietest)).alias("is_complete_day"),
    )


def term_summary(counts: DataFrame) -> DataFrame:
    """Every term with its share and rank over all days.

    Args:
        counts: search_gold.daily_term_counts.

    Returns:
        search_gold.term_summary: one row per term.
    """
    by_term = counts.groupBy("term").agg(
        F.sum("search_count").alias("search_count"),
        F.min("event_date").alias("first_seen_date"),
        F.max("event_date").alias("last_seen_date"),
        F.count("*").alias("active_day_count"),
    )
    total = by_term.agg(F.sum("search_count").alias("total_count"))
    by_count = Window.orderBy(F.desc("search_count"))
    return by_term.crossJoin(F.broadcast(total)).select(
        "term",
        "search_count",
        (F.col("search_count") / F.col("total_count")).alias("share_ratio"),
        F.rank().over(by_count).cast("bigint").alias("rank"),
        "first_seen_date",
        "last_seen_date",
        "active_day_count",
    )


def term_variants(changes: DataFrame, variants: DataFrame | None = None) -> DataFrame:
    """How each term was typed.

    Args:
        changes: columns term, searched_as, search_count and `change`: 1 for a record that came, -1 for one that went.
        variants: search_gold.term_variants before those changes; none for an empty table.

    Returns:
        search_gold.term_variants: one row per (term, searched_as) with at least one search.
    """
    # A record from before there were counts stands for one search.
    change = F.col("change") * F.coalesce("search_count", F.lit(1))
    counted = changes.groupBy("term", "searched_as").agg(F.sum(change).cast("bigint").alias("search_count"))
    if variants is not None:
        counted = (
            counted.unionByName(variants.select("term", "searched_as", "search_count"))
            .groupBy("term", "searched_as")
            .agg(F.sum("search_count").alias("search_count"))
        )
    rule = terms.variant_rule(F.col("searched_as"), F.col("term")).alias("rule")
    return counted.where("search_count > 0").select("term", "searched_as", "search_count", rule)
