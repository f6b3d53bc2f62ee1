"""Batches under way: staged files with a manifest.

The manifest, written last, makes a staged batch a write-ahead log: whoever finds one finishes that batch, even if the
delivered files are gone. What has none is a run's that still works, or was killed: it goes when it is old.
"""

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.lakehouse import scratch
from search_forecast.medallion import date_counts, splitting
from search_forecast.medallion import reading as readings
from search_forecast.medallion.bronze import Layout
from search_forecast.medallion.reading import Reading

MANIFEST = "manifest.json"
ENDINGS = _RECORDS, _COUNTS = ".parquet", ".counts"  # of what is staged of a delivery
_LINES = ".lines"  # of what an earlier release staged, and left to Spark to split


@dataclass(frozen=True)
class Delivery:
    """A file seen, as search_bronze.deliveries records it.

    Attributes:
        replaces: the delivery in whose place it counts, by delivery_id; `why` says why.
    """

    delivery_id: str | None
    source_file: str
    bytes: int
    record_count: int | None
    status: str
    reason: str | None
    layout_name: str | None = None
    reading: str | None = None
    warning: str | None = None
    replaces: str | None = None
    why: str | None = None


@dataclass(frozen=True)
class Batch:
    """What one ingest run saw, and where its records are staged."""

    batch_id: str
    received_at: datetime
    deliveries: tuple[Delivery, ...]
    directory: Path

    def staged_file(self, delivery: Delivery) -> Path:
        """Where the records of a delivery lie, as bronze has them."""
        return self.directory / f"{delivery.delivery_id}{_RECORDS}"

    def counted_file(self, delivery: Delivery) -> Path:
        """Where they lie counted by their dates."""
        return self.directory / f"{delivery.delivery_id}{_COUNTS}"

    def unstage(self, delivery: Delivery) -> None:
        """Remove what is staged of a delivery, if anything is."""
        for file in (self.staged_file(delivery), self.counted_file(delivery)):
            file.unlink(missing_ok=True)


def new_directory(staging: Path, batch_id: str) -> Path:
    """A directory to stage a batch in, which no other run has."""
    return scratch.new_directory(_root(staging), f"{batch_id}-")


def write(blocks: Iterable[bytes], layout: Layout, reading: Reading, path: Path) -> int:
    """Write records as bronze has them, and counted by their dates, to `path` with ENDINGS; give their number."""
    count = 0
    with (
        parquet.ParquetWriter(f"{path}{_RECORDS}", splitting.SCHEMA, write_statistics=False) as raw,
        parquet.ParquetWriter(f"{path}{_COUNTS}", date_counts.SCHEMA, write_statistics=False) as counts,
    ):
        for table in splitting.tables(blocks, layout):
            count += len(table)
            raw.write_table(table)
            counts.write_table(date_counts.counted(table, reading))
    return count


def settle(path: Path, delivery_id: str, directory: Path) -> None:
    """Let what `write` wrote lie in a batch's directory under the name of its content."""
    for ending in ENDINGS:
        written, staged = Path(f"{path}{ending}"), directory / f"{delivery_id}{ending}"
        if staged.exists():  # a duplicate, perhaps split by another layout: the one before counts
            written.unlink()
        else:
            written.rename(staged)


def seal(batch: Batch) -> None:
    """Write the manifest: from here on the batch will be finished, by this run or by the next."""
    document = {
        "batch_id": batch.batch_id,
        "received_at": batch.received_at.isoformat(),
        "deliveries": [asdict(delivery) for delivery in batch.deliveries],
    }
    partial = batch.directory / "manifest.partial"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(batch.directory / MANIFEST)


def staged_row_count(staging: Path) -> int:
    """How many records are staged, those of whole files."""
    count = 0
    for file in _root(staging).glob(f"*/*{_RECORDS}"):
        with suppress(OSError, pa.ArrowInvalid):  # a killed run's
            count += parquet.read_metadata(file).num_rows
    return count


def sealed(staging: Path, *, is_read_only: bool = False) -> list[Batch]:
    """The batches that were staged whole and not finished, oldest first.

    Args:
        staging: of the lakehouse.
        is_read_only: whether what an earlier release left to be split stays so.

    Raises:
        DataError: a manifest can't be read, or a file that it names is gone.
    """
    return [_batch(manifest, is_read_only) for manifest in sorted(_root(staging).glob(f"*/{MANIFEST}"))]


def _batch(manifest: Path, is_read_only: bool) -> Batch:
    try:
        document = json.loads(manifest.read_text(encoding="utf-8"))
        for row in document["deliveries"]:
            _split_lines(row, row.pop("layout", None), manifest.parent, is_read_only)
        deliveries = tuple(Delivery(**row) for row in document["deliveries"])
        received_at = datetime.fromisoformat(document["received_at"])
        batch = Batch(document["batch_id"], received_at, deliveries, manifest.parent)
        for file in (batch.staged_file(delivery) for delivery in deliveries if delivery.status == "ingested"):
            if not (file.is_file() or file.with_suffix(_LINES).is_file()):
                raise ValueError(f"{file.name}, which it names, is gone")
        return batch
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the manifest {manifest} can't be read ({error}); remove its directory, then ingest what was delivered"
        ) from error


def remove_stale(staging: Path) -> None:
    """Remove what killed runs had staged in part, once it is so old that no run can be at it any more."""
    scratch.remove_stale(path for path in _root(staging).glob("*") if not (path / MANIFEST).exists())


def discard(batch: Batch) -> None:
    """Remove a batch's staged files, the manifest first: a half-removed batch must not look like a sealed one."""
    (batch.directory / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(batch.directory)


def _root(staging: Path) -> Path:
    return staging / "batches"


def _split_lines(row: dict[str, Any], layout: dict[str, Any] | None, directory: Path, is_read_only: bool) -> None:
    staged = directory / f"{row['delivery_id']}{_LINES}"
    if layout is None or is_read_only or not staged.exists():
        return
    lists = {key: tuple(value) for key, value in layout.items() if isinstance(value, list)}
    with staged.open("rb") as file:
        blocks = (b"".join(lines) for lines in iter(lambda: file.readlines(2**20), []))
        write(blocks, Layout(**{**layout, **lists}), readings.parse(row.get("reading")), staged.with_suffix(""))
