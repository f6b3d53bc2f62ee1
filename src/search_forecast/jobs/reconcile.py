"""`reconcile`: prove that no record was lost or counted twice."""

import logging
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.contracts import (
    BATCHES,
    DAILY_TERM_COUNTS,
    DELIVERIES,
    RAW_SEARCH_TERMS,
    REJECTED_RECORDS,
    SEARCH_EVENTS,
    Table,
)
from search_forecast.errors import DataError
from search_forecast.tables import Lakehouse

logger = logging.getLogger(__name__)

COUNTS = ("delivered_count", "raw_count", "event_count", "rejected_count", "aggregated_count")


def reconcile(lakehouse: Lakehouse, now: datetime) -> dict[str, Any]:
    """Count every batch in every layer and compare; batches whose counts are new or changed go to search_gold.batches.

    Returns:
        The number of batches and the overall counts.

    Raises:
        DataError: the layers disagree; the message names the first batch and layer.
    """
    checked = checked_batches(lakehouse).withColumn("finished_at", F.lit(now))
    before = lakehouse.read(BATCHES).select("batch_id", *COUNTS, "reconciled")
    changed = checked.join(before, ["batch_id", *COUNTS, "reconciled"], how="left_anti")
    rows: list[tuple[object, ...]] = [tuple(row) for row in changed.select(*BATCHES.schema.names).collect()]
    if rows:
        own_rows = f"batch_id in ({', '.join(repr(row[0]) for row in rows)})"
        lakehouse.write(lakehouse.create(rows, BATCHES), BATCHES, where=own_rows)
    batches = lakehouse.read(BATCHES)
    _raise_first_mismatch(batches)
    totals = batches.agg(F.count("*").alias("batches"), *(F.coalesce(F.sum(c), F.lit(0)).alias(c) for c in COUNTS))
    search_count = lakehouse.read(DAILY_TERM_COUNTS).agg(
        F.coalesce(F.sum("search_count"), F.lit(0)).alias("search_count")
    )
    result = {**totals.first().asDict(), **search_count.first().asDict()}  # type: ignore[union-attr]
    logger.info("reconcile: %s", ", ".join(f"{key} {value}" for key, value in result.items()))
    if result["search_count"] != result["event_count"]:
        raise DataError(
            f"reconcile: gold: {result['search_count']} searches in {DAILY_TERM_COUNTS.full_name}, "
            f"expected {result['event_count']}; run aggregate --full"
        )
    return result


def checked_batches(lakehouse: Lakehouse) -> DataFrame:
    """search_gold.batches but for `finished_at`: one row per batch that any layer knows."""
    ingested = lakehouse.read(DELIVERIES).where("status = 'ingested'")
    delivered = ingested.groupBy("batch_id").agg(
        F.sum("record_count").alias("delivered_count"), F.min("received_at").alias("started_at")
    )
    joined = delivered
    for table, name in ((RAW_SEARCH_TERMS, "raw_count"), (REJECTED_RECORDS, "rejected_count")):
        joined = joined.join(_counted(lakehouse, table, name), "batch_id", how="full")
    joined = joined.join(_events_and_aggregated(lakehouse), "batch_id", how="full").fillna(0, list(COUNTS))
    agree = (
        "delivered_count = raw_count and raw_count = event_count + rejected_count and event_count = aggregated_count"
    )
    return joined.withColumn("reconciled", F.expr(agree))


def _counted(lakehouse: Lakehouse, table: Table, name: str) -> DataFrame:
    return lakehouse.read(table).groupBy("batch_id").agg(F.count("*").alias(name))


def _events_and_aggregated(lakehouse: Lakehouse) -> DataFrame:
    """Per batch its events, and those of them on days for which gold counts as many searches as silver."""
    by_day = lakehouse.read(SEARCH_EVENTS).groupBy("event_date", "batch_id").agg(F.count("*").alias("event_count"))
    silver = by_day.groupBy("event_date").agg(F.sum("event_count").alias("silver_count"))
    counts = lakehouse.read(DAILY_TERM_COUNTS)
    gold = counts.groupBy("event_date").agg(F.sum("search_count").alias("gold_count"))
    is_right = F.col("silver_count") == F.coalesce("gold_count", F.lit(0))
    days = silver.join(gold, "event_date", how="left").select("event_date", is_right.alias("is_right"))
    aggregated = F.sum(F.when(F.col("is_right"), F.col("event_count")).otherwise(0))
    return (
        by_day.join(days, "event_date", how="inner")
        .groupBy("batch_id")
        .agg(F.sum("event_count").alias("event_count"), aggregated.alias("aggregated_count"))
    )


def _raise_first_mismatch(batches: DataFrame) -> None:
    """One line on the first batch that does not add up: which layer, how many, what to run."""
    wrong = batches.where("not reconciled").orderBy("batch_id").first()
    if wrong is None:
        return
    if wrong["raw_count"] != wrong["delivered_count"]:
        layer, got, expected, mend = (
            "bronze",
            wrong["raw_count"],
            wrong["delivered_count"],
            "restore it from its Delta history",
        )
    elif wrong["event_count"] + wrong["rejected_count"] != wrong["raw_count"]:
        layer, got, expected = "silver", wrong["event_count"] + wrong["rejected_count"], wrong["raw_count"]
        mend = "run clean, then aggregate"
    else:
        layer, got, expected, mend = "gold", wrong["aggregated_count"], wrong["event_count"], "run aggregate --full"
    raise DataError(
        f"reconcile: {wrong['batch_id']}: {layer} holds {got} records, expected {expected}; {mend} (all counts: "
        f"{BATCHES.full_name})"
    )
