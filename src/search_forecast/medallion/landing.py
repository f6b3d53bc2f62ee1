"""Delivered files: find, hash, check, and stage them for one batch.

A staged file holds exactly the records of one delivery, a line each, named by its content's hash: Spark reads it
without minding odd file names, gzip, byte order marks, header or blank lines, and nobody can change it meanwhile.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from search_forecast.errors import DataError
from search_forecast.medallion import records
from search_forecast.medallion.batches import Delivery

ENDINGS = (".csv", ".csv.gz")


def delivered_files(source: Path) -> list[Path]:
    """Every .csv and .csv.gz below `source` (or `source` itself), sorted.

    Files that start with a dot are uploads under way; folders that start with a dot or an underscore are a program's
    own, and may hold copies of deliveries.
    """
    return [path for path in _files(source) if _is_readable(path) and not _is_hidden(path, source)]


def passed_over(source: Path) -> list[Path]:
    """The other files."""
    return [path for path in _files(source) if not _is_readable(path) or _is_hidden(path, source)]


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
            return content.read_all()
    except DataError:
        try:
            with path.open("rb") as content:
                return _Content(content).read_all()
        except OSError:
            return None


def stage(path: Path, directory: Path) -> Delivery:
    """Copy the records of one file into a batch's directory, hashing and counting them on the way.

    Raises:
        DataError: the file cannot be read as a CSV of searches, or not at all; nothing of it is staged.
    """
    partial, record_count = directory / "partial.lines", 0
    with _content(path) as content, partial.open("wb") as lines:
        layout, blocks = records.read(content.read)
        for block in blocks:
            lines.write(block)
            record_count += block.count(b"\n")
    delivery_id = content.sha256.hexdigest()
    partial.rename(directory / f"{delivery_id}.lines")
    return Delivery(delivery_id, file_name(path), file_size(path), record_count, "ingested", None, layout)


def _files(source: Path) -> list[Path]:
    paths = [source] if source.is_file() else source.rglob("*")
    return sorted(path.absolute() for path in paths if path.is_file())


def _is_readable(path: Path) -> bool:
    return path.name.lower().endswith(ENDINGS) and not path.name.startswith(".")


def _is_hidden(path: Path, source: Path) -> bool:
    folders = path.relative_to(source.absolute()).parts[:-1]
    return any(name.startswith((".", "_")) for name in folders)


class _Content:
    """The bytes of a file, hashed while they are read."""

    def __init__(self, file: BinaryIO | gzip.GzipFile) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many."""
        block = self._file.read(size)
        self.sha256.update(block)
        return block

    def read_all(self) -> str:
        """Read to the end; the hash of it all."""
        while self.read(records.BLOCK_BYTES):
            pass
        return self.sha256.hexdigest()


@contextmanager
def _content(path: Path) -> Iterator[_Content]:
    """The uncompressed content of a file, with what can go wrong in it told as DataError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"the file cannot be opened ({error.strerror})") from error
    with file:
        before = os.fstat(file.fileno())
        try:
            yield _Content(gzip.GzipFile(fileobj=file) if path.name.lower().endswith(".gz") else file)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f"the gzip file is broken ({error}); compress it and deliver it again") from error
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DataError("the file changed while it was read; run ingest again once its upload is over")
