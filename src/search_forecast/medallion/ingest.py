"""`ingest`: delivered files to search_bronze."""

import logging
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import DELIVERIES, RAW_SEARCH_TERMS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import bronze, landing
from search_forecast.medallion.landing import Batch, Delivery
from search_forecast.parameters import IngestParameters

logger = logging.getLogger(__name__)


def ingest(lakehouse: Lakehouse, parameters: IngestParameters, now: datetime) -> dict[str, Any]:
    """Take in every new file below the source; finish first what a killed run had staged.

    Returns:
        batch_id (None where nothing was new) and the numbers of files by status, of records, and of files known before.
    """
    finished = [_commit(lakehouse, batch) for batch in landing.sealed_batches(lakehouse.staging)]
    for batch_id in finished:
        logger.warning("ingest: finished %s, which an earlier run had left half done", batch_id)
    # One row per file ever seen, like the listing of the landing directory itself.
    seen = [row.asDict() for row in lakehouse.read(DELIVERIES).collect()]
    batch, known = _stage_new_files(lakehouse.staging, parameters.source, seen, now)
    rejected = [d for d in (*batch.deliveries, *known) if d.status == "rejected"]
    if batch.deliveries:
        landing.seal(batch)
        _commit(lakehouse, batch)
    else:
        landing.discard(batch)
    statuses = [delivery.status for delivery in batch.deliveries]
    result = {
        "batch_id": batch.batch_id if batch.deliveries else None,
        **{status: statuses.count(status) for status in ("ingested", "duplicate", "rejected")},
        "record_count": sum(delivery.record_count or 0 for delivery in batch.deliveries),
        "known": len(known),
    }
    logger.info("ingest: %s", ", ".join(f"{key} {value}" for key, value in result.items()))
    if rejected and parameters.is_strict:
        raise DataError(
            f"ingest --strict: {len(rejected)} rejected, first {rejected[0].source_file}: {rejected[0].reason}"
        )
    return result


def _stage_new_files(
    staging: Path, source: Path, seen: list[dict[str, Any]], now: datetime
) -> tuple[Batch, list[Delivery]]:
    """Stage what is new in a batch; also return the deliveries that lie there as they were seen before."""
    number = max((int(row["batch_id"].removeprefix("batch-")) for row in seen), default=0) + 1
    batch_id = f"batch-{number:06d}"
    directory = staging / batch_id
    directory.mkdir(parents=True)
    ingested = {row["delivery_id"]: row["source_file"] for row in seen if row["status"] == "ingested"}
    names = set(ingested.values())
    before = {(row["delivery_id"], row["source_file"]): row for row in seen}
    new, known = [], []
    for path in landing.delivered_files(source):
        delivery_id = landing.content_id(path)
        row = before.get((delivery_id, landing.file_name(path)))
        if row is not None:
            delivery = Delivery(delivery_id, row["source_file"], row["bytes"], None, row["status"], row["reason"])
            known.append(delivery)
        else:
            delivery = _inspect(path, delivery_id, directory, ingested, names)
            new.append(delivery)
        if delivery.status == "rejected":
            logger.warning("ingest: rejected %s: %s", delivery.source_file, delivery.reason)
        elif delivery.status == "ingested" and delivery_id is not None:
            ingested.setdefault(delivery_id, delivery.source_file)
    return Batch(batch_id, now, tuple(new), directory), known


def _inspect(
    path: Path, delivery_id: str | None, directory: Path, ingested: dict[str, str], names: set[str]
) -> Delivery:
    """Stage a file that was not seen before, or say why it is not taken."""
    status, reason = "rejected", ""
    if delivery_id in ingested:
        status, reason = "duplicate", f"same content as {ingested[delivery_id]}"
    elif landing.file_name(path) in names:
        # Adding it would count twice what both contents share, replacing it would drop what only the first one had.
        reason = "a file of this name with other content was ingested before; deliver the new records under a new name"
    else:
        try:
            delivery = landing.stage(path, directory)
            if delivery.delivery_id == delivery_id:
                return delivery
            reason = "the file changed while it was read; run ingest again once its upload is over"
        except DataError as error:
            reason = str(error)
    return Delivery(delivery_id, landing.file_name(path), landing.file_size(path), None, status, reason)


def _commit(lakehouse: Lakehouse, batch: Batch) -> str:
    """Write a sealed batch to bronze: raw records first, deliveries last. Doing it again changes nothing."""
    own_rows = f"batch_id = '{batch.batch_id}'"
    ingested = [delivery for delivery in batch.deliveries if delivery.layout is not None]
    if ingested:
        lakehouse.write(_raw_search_terms(lakehouse, batch, ingested), RAW_SEARCH_TERMS, where=own_rows)
    rows: list[tuple[object, ...]] = [
        (d.delivery_id, d.source_file, d.bytes, d.record_count, d.status, d.reason, batch.batch_id, batch.received_at)
        for d in batch.deliveries
    ]
    lakehouse.write(lakehouse.create(rows, DELIVERIES), DELIVERIES, where=own_rows)
    landing.discard(batch)
    return batch.batch_id


def _raw_search_terms(lakehouse: Lakehouse, batch: Batch, deliveries: list[Delivery]) -> DataFrame:
    """search_bronze.raw_search_terms of a batch, from its staged lines: one union member for each layout."""
    spark = lakehouse.spark
    sources = spark.createDataFrame(
        [(d.delivery_id, d.source_file) for d in deliveries], "delivery_id string, source_file string"
    )
    by_layout: dict[bronze.Layout, list[str]] = {}
    for delivery in deliveries:
        if delivery.layout is not None:
            by_layout.setdefault(delivery.layout, []).append(str(batch.staged_file(delivery)))
    records = [
        bronze.raw_records(
            spark.read.text(paths, lineSep="\n").select(
                "value", F.regexp_extract("_metadata.file_name", r"^\w+", 0).alias("delivery_id")
            ),
            layout,
        )
        for layout, paths in by_layout.items()
    ]
    return (
        reduce(DataFrame.unionByName, records)
        .join(F.broadcast(sources), "delivery_id", how="inner")
        .withColumn("batch_id", F.lit(batch.batch_id))
        .withColumn("ingested_at", F.lit(batch.received_at))
    )
