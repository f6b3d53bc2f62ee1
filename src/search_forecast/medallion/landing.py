"""Delivered files: find, hash, check, and stage them for one batch.

A staged file holds exactly the records of one delivery, a line each, named by its content's hash: Spark reads it
without minding odd file names, gzip, BOM, header or blank lines, and nobody can change it meanwhile. The manifest,
written last, makes a staged batch a write-ahead log: whoever finds one finishes that batch, even if the delivered files
are gone.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from search_forecast.errors import DataError
from search_forecast.lakehouse.hashing import stream_sha256
from search_forecast.medallion import bronze

MAX_LINE_BYTES = 16 * 2**20
_MANIFEST = "manifest.json"
_BOM = "\xef\xbb\xbf"  # UTF-8's, a byte a character


@dataclass(frozen=True)
class Delivery:
    """A file seen, as search_bronze.deliveries records it, with its layout where it is to be ingested."""

    delivery_id: str | None
    source_file: str
    bytes: int
    record_count: int | None
    status: str
    reason: str | None
    layout: bronze.Layout | None = None


@dataclass(frozen=True)
class Batch:
    """What one ingest run saw, and where its lines are staged."""

    batch_id: str
    received_at: datetime
    deliveries: tuple[Delivery, ...]
    directory: Path

    def staged_file(self, delivery: Delivery) -> Path:
        """Where the lines of a delivery lie."""
        return self.directory / f"{delivery.delivery_id}.lines"


def delivered_files(source: Path) -> list[Path]:
    """Every .csv and .csv.gz below `source` (or `source` itself), sorted; dot files are uploads under way."""
    paths = [source] if source.is_file() else source.rglob("*")
    found = (p.absolute() for p in paths if p.name.lower().endswith((".csv", ".csv.gz")) and not p.name.startswith("."))
    return sorted(path for path in found if path.is_file())


def file_name(path: Path) -> str:
    """The path as text that can be stored, even if its bytes are no UTF-8."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def file_size(path: Path) -> int:
    """Size in bytes, 0 where the file has gone."""
    return path.stat().st_size if path.exists() else 0


def content_id(path: Path) -> str | None:
    """The sha256 of a file's uncompressed content, hex; None where it can't be read.

    A broken gzip file still has bytes: their hash tells it from its mended successor.
    """
    try:
        with _content(path) as content:
            return stream_sha256(content)
    except DataError:
        try:
            with path.open("rb") as content:
                return stream_sha256(content)
        except OSError:
            return None


def stage(path: Path, batch_directory: Path) -> Delivery:
    """Copy the records of one file into the batch's directory, hashing and counting them on the way.

    Raises:
        DataError: the file cannot be read as a CSV of searches, or not at all; nothing of it is staged.
    """
    partial = batch_directory / "partial.lines"
    with _content(path) as content, partial.open("w", encoding="latin-1", newline="\n") as lines:
        hashing = _Hashing(content)
        # latin-1 maps bytes to characters one to one: nothing is decoded here, and \r\n, \r, \n all end a line.
        buffered = io.BufferedReader(hashing, 2**20)  # type: ignore[type-var]
        text = _lines(io.TextIOWrapper(buffered, encoding="latin-1", newline=None))
        layout = bronze.layout(_header(next((line for line in text if line.removeprefix(_BOM).strip()), "")))
        blanks = " \n" if layout.delimiter == "\t" else " \t\n"
        record_count = 0
        for line in text:
            if line.strip(blanks):
                lines.write(line if line.endswith("\n") else line + "\n")
                record_count += 1
    delivery_id = hashing.sha256.hexdigest()
    delivery = Delivery(delivery_id, file_name(path), file_size(path), record_count, "ingested", None, layout)
    partial.rename(batch_directory / f"{delivery_id}.lines")
    return delivery


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
    partial.rename(batch.directory / _MANIFEST)


def sealed_batches(staging: Path) -> list[Batch]:
    """The batches that were staged whole and not finished, oldest first; what was staged in part is removed."""
    batches = []
    for directory in sorted(path for path in staging.glob("*") if path.is_dir()):
        manifest = directory / _MANIFEST
        if not manifest.exists():
            shutil.rmtree(directory)
            continue
        document = json.loads(manifest.read_text(encoding="utf-8"))
        deliveries = tuple(_delivery(row) for row in document["deliveries"])
        received_at = datetime.fromisoformat(document["received_at"])
        batches.append(Batch(document["batch_id"], received_at, deliveries, directory))
    return batches


def discard(batch: Batch) -> None:
    """Remove a batch's staged files, the manifest first: a half-removed batch must not look like a sealed one."""
    (batch.directory / _MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(batch.directory)


def _delivery(row: dict[str, Any]) -> Delivery:
    layout = row.pop("layout")
    known = layout and bronze.Layout(layout["delimiter"], tuple(layout["columns"]))
    return Delivery(**row, layout=known)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a text, none of them so long that it could exhaust the memory."""
    for number, line in enumerate(iter(lambda: text.readline(MAX_LINE_BYTES), ""), start=1):
        if len(line) == MAX_LINE_BYTES:
            raise DataError(f"line {number} is over {MAX_LINE_BYTES} bytes long: is this a CSV of searches?")
        yield line


def _header(first_line: str) -> str:
    """The first line as text, once it is clear that it is text."""
    if not first_line:
        raise DataError("the file is empty; expected a header line day,month,year,searchterm")
    content = first_line.encode("latin-1")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("the file is UTF-16; save it as UTF-8 and deliver it again")
    if b"\0" in content:
        raise DataError("the file is not text; expected CSV in UTF-8 with a header line day,month,year,searchterm")
    return content.decode("utf-8-sig", errors="replace").rstrip("\n")


@contextmanager
def _content(path: Path) -> Iterator[BinaryIO]:
    """The uncompressed content of a file, with what can go wrong in it told as DataError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"the file cannot be opened ({error.strerror})") from error
    with file:
        try:
            is_gzip = path.name.lower().endswith(".gz")
            yield gzip.GzipFile(fileobj=file) if is_gzip else file  # type: ignore[misc]
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f"the gzip file is broken ({error}); compress it and deliver it again") from error


class _Hashing(io.RawIOBase):
    """Passes bytes on and hashes them."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        block = self._source.read(len(buffer))
        self.sha256.update(block)
        buffer[: len(block)] = block
        return len(block)
