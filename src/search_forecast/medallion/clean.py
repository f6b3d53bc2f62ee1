"""`clean`: raw records to search_silver, batch by batch."""

import logging
from datetime import date, datetime
from typing import Any

from pyspark.sql import functions as F

from search_forecast.lakehouse.contracts import BATCHES, DELIVERIES, RAW_SEARCH_TERMS, REJECTED_RECORDS, SEARCH_EVENTS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import reading, silver
from search_forecast.medallion.reading import Reading
from search_forecast.parameters import CleanParameters

logger = logging.getLogger(__name__)


def clean(lakehouse: Lakehouse, parameters: CleanParameters, now: datetime) -> dict[str, Any]:
    """Turn every batch that silver does not hold whole into searches and rejected records.

    So does a batch of which a record was rejected as one of the future, once that day has come.

    Returns:
        batches: the ids cleaned; event_count and rejected_count: their records.
    """
    today = parameters.today(now)
    delivered = _delivered_counts(lakehouse)
    cleaned = _silver_counts(lakehouse, list(delivered))
    # Each table takes a batch in one commit: all of its rows are there, or none.
    incomplete = {batch_id for batch_id, count in delivered.items() if sum(cleaned.get(batch_id, (0, 0))) != count}
    pending = sorted(incomplete | _due_batches(lakehouse, today))
    for batch_id in pending:
        own_rows = f"batch_id = '{batch_id}'"
        raw = lakehouse.read(RAW_SEARCH_TERMS).where(own_rows)
        records = silver.classified(raw, today, _readings(lakehouse, {batch_id}))
        # Rejected records last: until they are written, those of the future still say that there is something to do.
        lakehouse.write(silver.search_events(records), SEARCH_EVENTS, where=own_rows)
        lakehouse.write(silver.rejected_records(records), REJECTED_RECORDS, where=own_rows)
    event_counts, rejected_counts = zip((0, 0), *_silver_counts(lakehouse, pending).values(), strict=True)
    result = {"batches": pending, "event_count": sum(event_counts), "rejected_count": sum(rejected_counts)}
    logger.info("clean: %d batches, %d events, %d rejected", len(pending), sum(event_counts), sum(rejected_counts))
    return result


def _due_batches(lakehouse: Lakehouse, today: date) -> set[str]:
    """Batches with a record that was rejected as one of the future and is none any more."""
    early = lakehouse.read(REJECTED_RECORDS).where(F.array_contains("reject_reasons", "date_in_future"))
    batches = {row["batch_id"] for row in early.select("batch_id").distinct().collect()}
    if not batches:
        return set()
    dated = silver.with_event_date(early, _readings(lakehouse, batches))
    due = dated.where(F.col("event_date") <= F.lit(today)).select("batch_id").distinct()
    return {row["batch_id"] for row in due.collect()}


def _readings(lakehouse: Lakehouse, batch_ids: set[str]) -> dict[str, Reading]:
    """How to read the records of each delivery of some batches, by delivery_id."""
    ingested = lakehouse.read(DELIVERIES).where("status = 'ingested'").where(F.col("batch_id").isin(*batch_ids))
    return {
        row["delivery_id"]: reading.parse(row["reading"]) for row in ingested.select("delivery_id", "reading").collect()
    }


def _delivered_counts(lakehouse: Lakehouse) -> dict[str, int]:
    """Delivered records of each batch that is not reconciled yet."""
    done = lakehouse.read(BATCHES).where("reconciled").select("batch_id")
    ingested = lakehouse.read(DELIVERIES).where("status = 'ingested'").join(done, "batch_id", how="left_anti")
    counts = ingested.groupBy("batch_id").agg(F.sum("record_count").alias("record_count"))
    return {row["batch_id"]: row["record_count"] for row in counts.collect()}


def _silver_counts(lakehouse: Lakehouse, batch_ids: list[str]) -> dict[str, tuple[int, int]]:
    """Events and rejected records of each of a few batches, those that have any."""
    if not batch_ids:
        return {}
    is_event = F.lit(True).alias("is_event")
    events = lakehouse.read(SEARCH_EVENTS).select("batch_id", is_event)
    rejected = lakehouse.read(REJECTED_RECORDS).select("batch_id", (~is_event).alias("is_event"))
    counts = (
        events.unionByName(rejected)
        .where(F.col("batch_id").isin(batch_ids))
        .groupBy("batch_id")
        .agg(F.count_if("is_event").alias("events"), F.count_if(~F.col("is_event")).alias("rejected"))
    )
    return {row["batch_id"]: (row["events"], row["rejected"]) for row in counts.collect()}
