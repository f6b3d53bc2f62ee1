"""`ingest`: delivered files to search_bronze."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import DELIVERIES, RAW_SEARCH_TERMS
from search_forecast.lakehouse.scratch import literal_path
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import (
    batches,
    containers,
    corrections,
    landing,
    layouts,
    new_files,
    overlap,
    processed,
    reading,
    splitting,
)
from search_forecast.medallion.batches import Batch, Delivery
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.content_ids import ContentIds
from search_forecast.medallion.corrections import Decision, Row
from search_forecast.parameters import IngestParameters

logger = logging.getLogger(__name__)


def ingest(lakehouse: Lakehouse, parameters: IngestParameters, now: datetime) -> dict[str, Any]:
    """Take in every new file below the source; finish first what a killed run had staged.

    Returns:
        batch_id (None where nothing was new) and the numbers of files by status, of records, of files known before, and
        of files moved where they are to be.
    """
    finish_sealed(lakehouse)
    seen = corrections.deliveries(lakehouse)
    survey, choice = landing.survey(parameters.source), layout_choice(parameters)
    _check_patterns(lakehouse, choice)
    new_files.check_deliveries(lakehouse, seen)
    content_ids = ContentIds(lakehouse.staging, now, is_verified=parameters.is_verified)
    batch, known = new_files.stage_new_files(
        lakehouse.staging, survey, choice, seen, now, content_ids=content_ids, spark=lambda: lakehouse.spark
    )
    check_zones(lakehouse, batch)
    batch, refused = _without_twins(lakehouse, batch, seen) if parameters.is_strict else (batch, [])
    if batch.deliveries:
        batches.seal(batch)
        batch = commit(lakehouse, batch, seeks_twins=not parameters.is_strict)
    else:
        batches.discard(batch)
    content_ids.save()
    statuses = [delivery.status for delivery in batch.deliveries]
    result = {
        "batch_id": batch.batch_id if batch.deliveries else None,
        **{status: statuses.count(status) for status in ("ingested", "duplicate", "rejected")},
        "record_count": sum(delivery.record_count or 0 for delivery in batch.deliveries),
        "known": len(known),
        "passed_over": len(survey.passed_over),
    }
    if parameters.processed is not None:
        everything = (*batch.deliveries, *known)
        result["moved"] = processed.move(survey, everything, parameters.source, parameters.processed)
    logger.info("ingest: %s", ", ".join(f"{key} {value}" for key, value in result.items()))
    for delivery in (*batch.deliveries, *refused):
        if delivery.warning is not None:
            logger.warning("ingest: %s: %s", delivery.source_file, delivery.warning)
    complain(parameters, [*batch.deliveries, *known], survey.passed_over)
    if refused:
        raise DataError(f"ingest --strict: {refused[0].source_file} not taken: {refused[0].warning}")
    return result


def finish_sealed(lakehouse: Lakehouse) -> None:
    """Write the batches that a killed run had staged whole, and remove what is old and not whole."""
    for batch in batches.sealed(lakehouse.staging):
        commit(lakehouse, batch)
        logger.warning("ingest: finished %s, which an earlier run had left half done", batch.batch_id)
    batches.remove_stale(lakehouse.staging)


def layout_choice(parameters: IngestParameters) -> Choice:
    """The layouts that a run may use, and which one it is told to."""
    more = [*landing.more_layouts(parameters.source), *([parameters.layouts] if parameters.layouts else [])]
    return Choice(parameters.source, parameters.layout, parameters.time_zone, layouts.load(*more))


def _check_patterns(lakehouse: Lakehouse, choice: Choice) -> None:
    """Let Spark read the regular expressions of layouts that others wrote: clean would fail on one for ever.

    Raises:
        UsageError: it can't.
    """
    own = layouts.load()
    for name, export in choice.layouts.items():
        if export.totals is not None and export != own.get(name):
            try:
                lakehouse.spark.range(1).select(F.lit("").rlike(export.totals.pattern)).collect()
            except PySparkException as error:
                problem = " ".join(str(error).split())[:200]
                raise UsageError(f"layout {name}: totals.pattern: Java can't read it ({problem})") from error


def check_zones(lakehouse: Lakehouse, batch: Batch) -> None:
    """Let Spark read the time zones of what was staged: Java may know fewer than Python, and would fail for ever.

    Raises:
        UsageError: it can't; the batch is discarded.
    """
    readings = [reading.parse(delivery.reading) for delivery in batch.deliveries]
    zones = sorted({zone for each in readings if each.formats for zone in (each.zone, each.shop_zone)} - {"UTC"})
    if not zones:
        return
    row = lakehouse.spark.range(1)  # before F, which needs Spark
    moment = F.lit("2024-01-01").cast("timestamp_ntz")
    try:
        row.select(*(F.convert_timezone(F.lit(zone), F.lit("UTC"), moment) for zone in zones)).collect()
    except PySparkException as error:
        batches.discard(batch)
        problem = " ".join(str(error).split())[:60]
        advice = "name one whose clocks show the same"
        raise UsageError(f"ingest: time zone {', '.join(zones)}: Java can't read it ({problem}); {advice}") from error


def complain(parameters: IngestParameters, deliveries: list[Delivery], passed_over: dict[str, str]) -> None:
    """Say which files were rejected or passed over, or that there was none; with --strict the former is an error."""
    rejected = [delivery for delivery in deliveries if delivery.status == "rejected"]
    for delivery in rejected:
        logger.warning("ingest: rejected %s: %s", delivery.source_file, delivery.reason)
    for reason in dict.fromkeys(passed_over.values() if deliveries else ()):
        names = [name for name in passed_over if passed_over[name] == reason]
        logger.warning("ingest: passed over %s", _some(names, reason))
    problem = ""
    if rejected:
        problem = f"{len(rejected)} rejected, first {rejected[0].source_file}: {rejected[0].reason}"
    elif not deliveries:
        problem = f"nothing to read at {parameters.source}: files that end in {containers.readable_endings()} are read"
        if passed_over:
            problem += f"; passed over {_some(list(passed_over), next(iter(passed_over.values())))}"
        logger.warning("ingest: %s", problem)
    if problem and parameters.is_strict:
        raise DataError(f"ingest --strict: {problem}")


def _some(names: list[str], reason: str) -> str:
    return f"{len(names)}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''} ({reason})"


def commit(lakehouse: Lakehouse, batch: Batch, *, seeks_twins: bool = True) -> Batch:
    """Write a sealed batch to bronze: raw records first, deliveries last. Doing it again changes nothing.

    Args:
        lakehouse: where.
        batch: as it was sealed.
        seeks_twins: whether deliveries that look like another one were not looked for before.

    Returns:
        The batch, of which those deliveries that look like another one say so.
    """
    own_rows, rows = f"batch_id = '{batch.batch_id}'", corrections.deliveries(lakehouse)
    ingested = [delivery for delivery in batch.deliveries if delivery.status == "ingested"]
    if ingested:
        lakehouse.write(_raw_search_terms(lakehouse, batch, ingested), RAW_SEARCH_TERMS, where=own_rows)
    if seeks_twins:
        batch = _with_warnings(batch, _twins(lakehouse, batch, rows))
    replacing = {d.replaces: d for d in batch.deliveries if d.replaces is not None}
    at = corrections.moment(lakehouse, batch.received_at) if replacing else batch.received_at
    changes = [
        change
        for row in rows
        if row["delivery_id"] in replacing and row["status"] not in ("duplicate", "rejected")
        for change in _replaced(row, replacing[row["delivery_id"]], lakehouse.user(), at)
    ]
    news = [_row(delivery, batch) for delivery in batch.deliveries]
    corrections.commit(lakehouse, rows if replacing else [], changes, more=news, where=own_rows)
    batches.discard(batch)
    return batch


def _replaced(row: Row, delivery: Delivery, user: str, at: datetime) -> list[Row]:
    return corrections.replaced(row, str(delivery.delivery_id), Decision(str(delivery.why), user, at))


def _row(delivery: Delivery, batch: Batch) -> Row:
    """A delivery as search_bronze.deliveries has it."""
    none = dict.fromkeys(DELIVERIES.schema.names)
    own = {name: value for name, value in vars(delivery).items() if name in none}
    ours = {"layout": delivery.layout_name, "batch_id": batch.batch_id, "received_at": batch.received_at}
    return none | own | ours


def _without_twins(lakehouse: Lakehouse, batch: Batch, seen: list[Row]) -> tuple[Batch, list[Delivery]]:
    """A batch without the deliveries that look like another one, and those."""
    batch = _with_warnings(batch, _twins(lakehouse, batch, seen))
    refused = [delivery for delivery in batch.deliveries if delivery.warning is not None]
    return replace(batch, deliveries=tuple(d for d in batch.deliveries if d not in refused)), refused


def _with_warnings(batch: Batch, warnings: dict[str | None, str]) -> Batch:
    return replace(batch, deliveries=tuple(replace(d, warning=warnings.get(d.delivery_id)) for d in batch.deliveries))


def _twins(lakehouse: Lakehouse, batch: Batch, seen: list[Row]) -> dict[str | None, str]:
    """What deliveries of a batch look like another one, and which, in words.

    Args:
        lakehouse: where.
        batch: the new deliveries.
        seen: rows of search_bronze.deliveries.
    """
    new = [d for d in batch.deliveries if (d.record_count or 0) >= overlap.LEAST_RECORDS and d.replaces is None]
    others = [
        row
        for row in seen
        if row["status"] == "ingested"
        and row["batch_id"] != batch.batch_id
        and corrections.valid_count(row) >= overlap.LEAST_RECORDS
    ]
    if len(new) + len(others) < 2 or not new:
        return {}
    readings = {str(d.delivery_id): reading.parse(d.reading) for d in new}
    count = T.StructField("record_count", T.LongType())
    counted = _staged(lakehouse, {batch.counted_file(delivery): delivery for delivery in new}, count)
    records = _staged(lakehouse, {batch.staged_file(delivery): delivery for delivery in new})
    twins = overlap.twins(lakehouse, counted, records, readings, others)
    names = {row["delivery_id"]: row["source_file"] for row in others} | {d.delivery_id: d.source_file for d in new}
    return {each: f"{twin.text} {names[twin.delivery_id]}: is it the same export?" for each, twin in twins.items()}


def _raw_search_terms(lakehouse: Lakehouse, batch: Batch, deliveries: list[Delivery]) -> DataFrame:
    """search_bronze.raw_search_terms of deliveries of a batch, from their staged files."""
    files = {batch.staged_file(delivery): delivery for delivery in deliveries}
    raw = _staged(lakehouse, files).withColumn("batch_id", F.lit(batch.batch_id))
    return raw.withColumn("ingested_at", F.lit(batch.received_at))


def _staged(lakehouse: Lakehouse, files: Mapping[Path, Delivery], *more: T.StructField) -> DataFrame:
    """What is staged in some files of a batch: raw columns and more, delivery_id and source_file."""
    sources = lakehouse.spark.createDataFrame(
        [(file.name, delivery.delivery_id, delivery.source_file) for file, delivery in files.items()],
        "file_name string, delivery_id string, source_file string",
    )
    columns = [field for field in RAW_SEARCH_TERMS.schema if field.name in splitting.SCHEMA.names]
    records = lakehouse.spark.read.schema(T.StructType([*columns, *more])).parquet(*map(literal_path, files))
    named = records.withColumn("file_name", F.col("_metadata.file_name"))
    return named.join(F.broadcast(sources), "file_name", how="inner").drop("file_name")
