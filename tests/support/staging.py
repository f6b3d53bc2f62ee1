"""Files staged as `ingest` stages them, without Spark."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from pyarrow import parquet

from search_forecast.medallion import containers, landing, splitting
from search_forecast.medallion.batches import Batch, Delivery
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.landing import Opened
from search_forecast.medallion.new_files import stage_new_files

HEADER = b"day,month,year,searchterm\n"
RECORDS = b"7,11,2021,laptop\n8,11,2021,mobile 5g\n"
LOGGED = b'{"timestamp": "2021-11-07T12:00:00Z", "query": "laptop"}'
NOW = datetime(2021, 12, 25, 12, 30, 0, 123456, tzinfo=timezone.utc)


def delivered(directory: Path, content: bytes, name: str = "terms.csv") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def staged(directory: Path, content: bytes, name: str = "terms.csv") -> tuple[Delivery, bytes]:
    """Stages a file with this content; returns its delivery and the lines that were split."""
    batch = directory / "batch"
    batch.mkdir()
    part = Part(delivered(directory, content, name))
    delivery = landing.stage(part, batch)
    opened, lines = lines_of(part)
    expected = splitting.raw_records(lines, opened.layout)
    assert parquet.read_table(batch / f"{delivery.delivery_id}.parquet") == expected
    return delivery, lines


def lines_of(part: Part) -> tuple[Opened, bytes]:
    with containers.opened(part) as file:
        opened = landing.open_records(part, file, part.path.parent, Choice(part.path))
        return opened, b"".join(opened.blocks)


def stage_new(directory: Path) -> tuple[Batch, list[Delivery]]:
    """Stages what lies in `in`, of which nothing was seen before."""
    source = directory / "in"
    return stage_new_files(directory / "staging", landing.survey(source), Choice(source), [], NOW)
