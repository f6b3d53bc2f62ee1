"""Searches to aggregates for people and models."""

from collections.abc import Mapping
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
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


def changed_counts(changes: DataFrame) -> DataFrame:
    """By how much the searches per day and term changed.

    Args:
        changes: columns event_date, term, search_count and `change`: 1 for a record that came, -1 for one that went.

    Returns:
        One row per (event_date, term) of them: search_count, which may be negative or 0.
    """
    return changes.groupBy("event_date", "term").agg(F.sum(_change()).cast("bigint").alias("search_count"))


def _change() -> Column:
    # A record from before there were counts stands for one search.
    return F.col("change") * F.coalesce("search_count", F.lit(1))


def daily_totals(counts: Mapping[date, tuple[int, int]]) -> list[tuple[date, int, int, bool]]:
    """Searches per day, for every day from the first to the last.

    In plain Python, on one machine: a century has 36,525 days.

    The first and the last day of the range are often cut off: an export starts at noon, or today is not over. Nothing
    in the data says so, therefore this rule: such a day is complete unless it has fewer searches than the quietest day
    with any among the (up to) 28 days nearest to it inside the range. A complete edge day fails it by chance once in 29
    times where days are alike; forecasting then leaves out one good day.

    Args:
        counts: searches and distinct terms of each day that has any, as search_gold.daily_term_counts adds up.

    Returns:
        search_gold.daily_totals: one row per event_date of the range, in order.
    """
    if not counts:
        return []
    first, last = min(counts), max(counts)
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    near = {first: every[1:-1][:EDGE_NEIGHBOUR_DAYS], last: every[1:-1][-EDGE_NEIGHBOUR_DAYS:]}
    quietest = {end: min((counts[day][0] for day in days if day in counts), default=0) for end, days in near.items()}
    return [
        (day, search_count, distinct_term_count, search_count >= quietest.get(day, 0))
        for day in every
        for search_count, distinct_term_count in [counts.get(day, (0, 0))]
    ]


def term_summary(counts: DataFrame, added: DataFrame | None = None, summary: DataFrame | None = None) -> DataFrame:
    """Every term with its share and rank over all days.

    Args:
        counts: search_gold.daily_term_counts; with the others, of the days that changed, as they are now.
        added: as of `changed_counts`, none of them negative.
        summary: search_gold.term_summary before those changes.

    Returns:
        search_gold.term_summary: one row per term.
    """
    first_seen_date, last_seen_date = (F.col("event_date").alias(f"{end}_seen_date") for end in ("first", "last"))
    is_new, search_count = F.lit(True), F.col("search_count")
    if added is not None:
        news = added.where("search_count > 0").withColumnRenamed("search_count", "added_count")
        counts, search_count = counts.join(news, ["event_date", "term"], how="inner"), F.col("added_count")
        is_new = F.col("search_count") == search_count  # the term's first searches of that day
    active_day_count = is_new.cast("bigint").alias("active_day_count")
    sums = counts.select("term", search_count.alias("search_count"), first_seen_date, last_seen_date, active_day_count)
    if summary is not None:
        sums = sums.unionByName(summary.select(*sums.columns))
    by_term = sums.groupBy("term").agg(
        F.sum("search_count").alias("search_count"),
        F.min("first_seen_date").alias("first_seen_date"),
        F.max("last_seen_date").alias("last_seen_date"),
        F.sum("active_day_count").alias("active_day_count"),
    )
    ranked = by_term.join(_ranks(by_term), "search_count", how="inner")
    share_ratio = (F.col("search_count") / F.col("total_count")).alias("share_ratio")
    dates = ("first_seen_date", "last_seen_date", "active_day_count")
    return ranked.select("term", "search_count", share_ratio, "rank", *dates)


def _ranks(by_term: DataFrame) -> DataFrame:
    """The rank of each number of searches, and all searches: one row per number that a term has.

    Many terms share a number (n different ones need n (n + 1) / 2 searches), so that the one partition of an
    unpartitioned window is small.
    """
    counts = by_term.groupBy("search_count").agg(F.count("*").alias("term_count"))
    everything = Window.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    more = Window.orderBy(F.desc("search_count")).rowsBetween(Window.unboundedPreceding, -1)
    return counts.select(
        "search_count",
        (F.coalesce(F.sum("term_count").over(more), F.lit(0)) + 1).alias("rank"),
        F.sum(F.col("search_count") * F.col("term_count")).over(everything).alias("total_count"),
    )


def merged(rows: DataFrame, accepted: DataFrame | None) -> DataFrame:
    """Rows by the term that they count for.

    Args:
        rows: any, with a column `term` as of silver.
        accepted: search_gold.accepted_spellings; none for an empty list.

    Returns:
        The rows: `term` is what it counts for, and `variant` what it was; null where that is the same.
    """
    if accepted is None:
        return rows.withColumn("variant", F.lit(None).cast("string"))
    spellings = accepted.select(F.col("variant").alias("term"), "variant", F.col("term").alias("own_term"))
    found = rows.join(F.broadcast(spellings), "term", how="left")
    return found.withColumn("term", F.coalesce("own_term", "term")).drop("own_term")


def term_variants(
    changes: DataFrame, variants: DataFrame | None = None, accepted: DataFrame | None = None
) -> DataFrame:
    """How each term was typed.

    Args:
        changes: columns term (as of silver), searched_as, search_count and `change`: 1 for a record that came, -1 for
            one that went.
        variants: search_gold.term_variants before those changes, by the same list; none for an empty table.
        accepted: search_gold.accepted_spellings; none for an empty list.

    Returns:
        search_gold.term_variants: one row per (term, searched_as) with at least one search.
    """
    counted = changes.groupBy("term", "searched_as").agg(F.sum(_change()).cast("bigint").alias("search_count"))
    if variants is not None:
        term = F.coalesce("variant", "term").alias("term")
        counted = (
            counted.unionByName(variants.select(term, "searched_as", "search_count"))
            .groupBy("term", "searched_as")
            .agg(F.sum("search_count").alias("search_count"))
        )
    rule = terms.variant_rule(F.col("searched_as"), F.col("term")).alias("rule")
    typed = counted.where("search_count > 0").select("term", "searched_as", "search_count", rule)
    return merged(typed, accepted).select("term", "variant", "searched_as", "search_count", "rule")
