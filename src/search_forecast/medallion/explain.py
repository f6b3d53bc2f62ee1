"""`ingest --explain`: how a file would be read. Writes nothing."""

import tempfile
from collections.abc import Iterable
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from search_forecast.errors import DataError
from search_forecast.medallion import bronze, containers, landing, reading, silver, splitting
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.landing import Opened
from search_forecast.parameters import Personal

FIRST = 5  # records that are shown


def explain(spark: SparkSession, source: Path, choice: Choice, today: date) -> list[dict[str, Any]]:
    """What ingest and clean would make of a file, by the rules that they apply themselves.

    Args:
        spark: To apply them to the first records.
        source: One file; a zip file has several deliveries.
        choice: What says its layout.
        today: The shop's day.

    Returns:
        For each delivery `file` and either `problem`, or `container`, `encoding`, `layout`, `why`, `columns` as the
        file has them, and its first `records`: as delivered, interpreted, and why any is refused.
    """
    survey = landing.survey(source)
    if not survey.parts:
        raise DataError(f"ingest --explain: {source} is not read: {next(iter(survey.passed_over.values()), 'no file')}")
    return [_explained(spark, part, choice, today) for part in survey.parts]


def _explained(spark: SparkSession, part: Part, choice: Choice, today: date) -> dict[str, Any]:
    try:
        with tempfile.TemporaryDirectory() as scratch, containers.opened(part) as file:
            opened = landing.open_records(part, file, Path(scratch), choice)
            lines = list(islice(_lines(opened.blocks), FIRST))
    except DataError as error:
        return {"file": part.name, "problem": str(error)}
    export = opened.export
    return {
        "file": part.name,
        "container": part.form + (f" in {part.path.name}" if part.member else ""),
        "encoding": export.encoding if part.form == "text" else None,
        "layout": export.name,
        "why": opened.why,
        "columns": _columns(opened),
        "records": _interpreted(spark, lines, opened, choice, today) if lines else [],
    }


def _lines(blocks: Iterable[bytes]) -> Iterable[bytes]:
    for block in blocks:
        yield from block.split(b"\n")[:-1]


def _columns(opened: Opened) -> dict[str, str]:
    """What each column is called in the file; of JSON and Parquet, whose records differ, what it may be called."""
    layout = opened.layout
    if layout.names:
        columns = zip(layout.columns, layout.names, strict=False)
        return {name if name in layout.roles else f"extra {name}": spelled for name, spelled in columns}
    return {role: " or ".join(names) for role, names in opened.export.fields.items()}


def _interpreted(
    spark: SparkSession, lines: list[bytes], opened: Opened, choice: Choice, today: date
) -> list[dict[str, Any]]:
    split = pa.concat_tables([splitting.raw_records(line + b"\n", opened.layout) for line in lines]).combine_chunks()
    numbered = split.append_column("record", pa.array(range(1, len(lines) + 1)))
    raw = spark.createDataFrame(numbered).withColumn("delivery_id", F.lit(""))
    rules = reading.parse(opened.export.reading(choice.time_zone).text)
    records: DataFrame = silver.classified(raw, today, {"": rules}, Personal()).orderBy("record")
    names = [name for name in bronze.ROLES if name in opened.layout.roles]
    return [
        {
            "record": row["record"],
            "delivered": row["malformed_record"] or {name: row[name] for name in names},
            "event_date": row["event_date"],
            "term": row["term"],
            "search_count": row["search_count"],
            "refused": ", ".join(row["reject_reasons"]) or None,
        }
        for row in records.collect()
    ]
