"""`clean`: raw records to search_silver, batch by batch."""

import logging
from typing import Any

from pyspark.sql import functions as F

from search_forecast import silver
from search_forecast.contracts import BATCHES, DELIVERIES, RAW_SEARCH_TERMS, REJECTED_RECORDS, SEARCH_EVENTS
from search_forecast.contracts import Table
from search_forecast.tables import Lakehouse

logger = logging.getLogger(__name__)


def clean(lakehouse: Lakehouse) -> dict[str, Any]:
    """Turn every batch that silver does not hold whole into searches and rejected records.

    Returns:
        batches: the ids cleaned; event_count and rejected_count: their records.
    """
    delivered = _delivered_counts(lakehouse)
    events, rejected = (
        _record_counts(lakehouse, table, list(delivered)) for table in (SEARCH_EVENTS, REJECTED_RECORDS)
    )
    # Each table takes a batch in one commit: all of its rows are there, or none.
    pending = sorted(b for b, count in delivered.items() if events.get(b, 0) + rejected.get(b, 0) != count)
    for batch_id in pending:
        own_rows = f"batch_id = '{batch_id}'"
        records = silver.classified(lakehouse.read(RAW_SEARCH_TERMS).where(own_rows))
        lakehouse.write(silver.rejected_records(records), REJECTED_RECORDS, where=own_rows)
        lakehouse.write(silver.search_events(records), SEARCH_EVENTS, where=own_rows)
    event_counts = _record_counts(lakehouse, SEARCH_EVENTS, pending)
    rejected_counts = _record_counts(lakehouse, REJECTED_RECORDS, pending)
    result = {
        "batches": pending,
        "event_count": sum(event_counts.values()),
        "rejected_count": sum(rejected_counts.values()),
    }
    logger.info("clean: %d batches, %d events, %d rejected", len(pending), *list(result.values())[1:])
    return result


def _delivered_counts(lakehouse: Lakehouse) -> dict[str, int]:
    """Delivered records of each batch that is not reconciled yet."""
    done = lakehouse.read(BATCHES).where("reconciled").select("batch_id")
    ingested = lakehouse.read(DELIVERIES).where("status = 'ingested'").join(done, "batch_id", how="left_anti")
    counts = ingested.groupBy("batch_id").agg(F.sum("record_count").alias("record_count"))
    return {row["batch_id"]: row["record_count"] for row in counts.collect()}


def _record_counts(lakehouse: Lakehouse, table: Table, batch_ids: list[str]) -> dict[str, int]:
    """Records of each of a few batches in a table."""
    if not batch_ids:
        return {}
    rows = lakehouse.read(table).where(F.col("batch_id").isin(batch_ids))
    return {row["batch_id"]: row["count"] for row in rows.groupBy("batch_id").count().collect()}
