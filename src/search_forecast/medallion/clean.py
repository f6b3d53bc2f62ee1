"""`clean`: raw records to search_silver, batch by batch."""

import logging
from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import functions as F

from search_forecast.lakehouse.contracts import BATCHES, DELIVERIES, RAW_SEARCH_TERMS, REJECTED_RECORDS, SEARCH_EVENTS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import reading, silver, terms
from search_forecast.medallion.reading import Reading
from search_forecast.parameters import CleanParameters

logger = logging.getLogger(__name__)


def clean(lakehouse: Lakehouse, parameters: CleanParameters, now: datetime) -> dict[str, Any]:
    """Turn every batch that silver does not hold whole into searches and rejected records.

    So does a batch of which a record was rejected as one of the future, once that day has come. Then, unless personal
    data is kept, mask it in the raw records whose time is over.

    Returns:
        batches: the ids cleaned; event_count and rejected_count: their records; masked_batches: those whose raw records
        were looked through for personal data.
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
        records = silver.classified(raw, today, _readings(lakehouse, {batch_id}), parameters.personal)
        # Rejected records last: until they are written, those of the future still say that there is something to do.
        lakehouse.write(silver.search_events(records), SEARCH_EVENTS, where=own_rows)
        lakehouse.write(silver.rejected_records(records), REJECTED_RECORDS, where=own_rows)
    event_counts, rejected_counts = zip((0, 0), *_silver_counts(lakehouse, pending).values(), strict=True)
    result = {
        "batches": pending,
        "event_count": sum(event_counts),
        "rejected_count": sum(rejected_counts),
        "masked_batches": _mask_raw(lakehouse, parameters, now),
    }
    logger.info("clean: %d batches, %d events, %d rejected", len(pending), sum(event_counts), sum(rejected_counts))
    return result


def _mask_raw(lakehouse: Lakehouse, parameters: CleanParameters, now: datetime) -> list[str]:
    """Mask personal data in the raw records that were kept as long as they may be; give the batches looked through.

    Their deliveries say so afterwards. A run that is killed before does it again, which masks what is masked.
    """
    if parameters.personal.policy == "keep":
        return []
    until = now - timedelta(days=parameters.raw_retention_days)
    is_due = (F.col("status") == "ingested") & F.col("masked_at").isNull() & (F.col("received_at") <= F.lit(until))
    deliveries = lakehouse.read(DELIVERIES)
    due = sorted(row["batch_id"] for row in deliveries.where(is_due).select("batch_id").distinct().collect())
    if not due:
        return []
    country = parameters.personal.country
    raw = lakehouse.read(RAW_SEARCH_TERMS)
    judged = terms.with_placeholder(raw.where(F.col("batch_id").isin(due)), country).where("placeholder is not null")
    personal = sorted(row["batch_id"] for row in judged.select("batch_id").distinct().collect())
    if personal:
        records = silver.masked(raw.where(F.col("batch_id").isin(personal)), country)
        lakehouse.write(records, RAW_SEARCH_TERMS, where=f"batch_id in ({_literals(personal)})")
    marked = deliveries.where(F.col("batch_id").isin(due)).withColumn(
        "masked_at", F.when(is_due, F.lit(now)).otherwise(F.col("masked_at"))
    )
    lakehouse.write(marked, DELIVERIES, where=f"batch_id in ({_literals(due)})")
    logger.info("clean: raw records of %d batches looked through, personal data in %d", len(due), len(personal))
    return due


def _literals(batch_ids: list[str]) -> str:
    return ", ".join(map(repr, batch_ids))


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
