"""`reconcile`: prove that no record was lost or counted twice."""

import logging
from datetime import datetime
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import (
    BATCHES,
    DAILY_TERM_COUNTS,
    DELIVERIES,
    RAW_SEARCH_TERMS,
    REJECTED_RECORDS,
    SEARCH_EVENTS,
)
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import corrections

logger = logging.getLogger(__name__)

COUNTS = ("delivered_count", "raw_count", "event_count", "rejected_count", "search_count", "aggregated_count")


def reconcile(lakehouse: Lakehouse, now: datetime) -> dict[str, Any]:
    """Count every batch in every layer and compare; batches whose counts are new or changed go to search_gold.batches.

    Corrections that a killed run decided and did not note go to search_gold.corrections first.

    Returns:
        The number of batches and the overall counts.

    Raises:
        DataError: the layers disagree; the message names the first batch and layer.
    """
    corrections.log(lakehouse, corrections.corrected(lakehouse))
    checked = checked_batches(lakehouse).withColumn("finished_at", F.lit(now))
    before = lakehouse.read(BATCHES).select("batch_id", *COUNTS, "reconciled")
    changed = checked.join(before, ["batch_id", *COUNTS, "reconciled"], how="left_anti")
    rows: list[tuple[object, ...]] = [tuple(row) for row in changed.select(*BATCHES.schema.names).collect()]
    if rows:
        own_rows = f"batch_id in ({literals(str(row[0]) for row in rows)})"
        lakehouse.write(lakehouse.create(rows, BATCHES), BATCHES, where=own_rows)
    wrong = F.min(F.when(~F.col("reconciled"), F.struct("batch_id", *COUNTS))).alias("wrong")
    searches = lakehouse.read(DAILY_TERM_COUNTS).agg(_total("search_count").alias("gold_count"))
    totals = lakehouse.read(BATCHES).agg(F.count("*").alias("batches"), *map(_total, COUNTS), wrong).crossJoin(searches)
    result: dict[str, Any] = totals.collect()[0].asDict()
    first_wrong = result.pop("wrong")
    logger.info("reconcile: %s", ", ".join(f"{key} {value}" for key, value in result.items()))
    if first_wrong is not None:
        raise DataError(_mismatch(first_wrong))
    in_gold = result.pop("gold_count")
    if in_gold != result["search_count"]:
        raise DataError(
            f"reconcile: gold: {in_gold} searches in {DAILY_TERM_COUNTS.full_name}, "
            f"expected {result['search_count']}; run aggregate --full"
        )
    return result


def checked_batches(lakehouse: Lakehouse) -> DataFrame:
    """search_gold.batches but for `finished_at`: one row per batch that any layer knows, of deliveries that count."""
    taken = lakehouse.read(DELIVERIES).where("record_count is not null")
    delivered = F.expr("if(status = 'ingested', record_count - coalesce(erased_count, 0), 0)")
    outside = F.broadcast(taken.where("status <> 'ingested'").select("delivery_id"))
    raw = lakehouse.read(RAW_SEARCH_TERMS).join(outside, "delivery_id", how="left_anti")
    layers = [
        taken.select("batch_id", delivered.alias("delivered_count"), F.col("received_at").alias("started_at")),
        _counted(raw, "raw_count"),
        _counted(lakehouse.read(REJECTED_RECORDS), "rejected_count"),
        _events_and_aggregated(lakehouse),
    ]
    together = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), layers)
    joined = together.groupBy("batch_id").agg(F.min("started_at").alias("started_at"), *map(_total, COUNTS))
    agree = (
        "delivered_count = raw_count and raw_count = event_count + rejected_count and event_count = aggregated_count"
    )
    return joined.withColumn("reconciled", F.expr(agree))


def _total(name: str) -> Column:
    """The sum of a column under its own name, 0 where there is nothing to add."""
    return F.coalesce(F.sum(name), F.lit(0)).alias(name)


def _counted(records: DataFrame, name: str) -> DataFrame:
    return records.groupBy("batch_id").agg(F.count("*").alias(name))


def _events_and_aggregated(lakehouse: Lakehouse) -> DataFrame:
    """Per batch its events, and those of them on days for which gold counts as many searches as silver."""
    by_day = (
        lakehouse.read(SEARCH_EVENTS)
        .groupBy("event_date", "batch_id")
        .agg(F.count("*").alias("event_count"), F.sum("search_count").alias("search_count"))
    )
    silver = by_day.groupBy("event_date").agg(F.sum("search_count").alias("silver_count"))
    counts = lakehouse.read(DAILY_TERM_COUNTS)
    gold = counts.groupBy("event_date").agg(F.sum("search_count").alias("gold_count"))
    is_right = F.col("silver_count") == F.coalesce("gold_count", F.lit(0))
    days = silver.join(gold, "event_date", how="left").select("event_date", is_right.alias("is_right"))
    aggregated = F.sum(F.when(F.col("is_right"), F.col("event_count")).otherwise(0))
    return (
        by_day.join(days, "event_date", how="inner")
        .groupBy("batch_id")
        .agg(
            F.sum("event_count").alias("event_count"),
            F.sum("search_count").alias("search_count"),
            aggregated.alias("aggregated_count"),
        )
    )


def _mismatch(batch: Row) -> str:
    """One line on a batch that does not add up: which layer, how many, what to do."""
    delivered, raw, events, rejected, _, aggregated = (batch[name] for name in COUNTS)
    if raw != delivered:
        mend = "restore it from its Delta history" if raw < delivered else "run the erase once more that was cut off"
        layer, got, expected = "bronze", raw, delivered
    elif events + rejected != raw:
        layer, got, expected, mend = "silver", events + rejected, raw, "run clean, then aggregate"
    else:
        layer, got, expected, mend = "gold", aggregated, events, "run aggregate --full"
    return (
        f"reconcile: {batch['batch_id']}: {layer} holds {got} of its records, expected {expected}; {mend} "
        f"(all counts: {BATCHES.full_name})"
    )
