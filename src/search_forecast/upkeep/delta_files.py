"""The files of one Delta table on this machine: its log from end to end, and the data files that it lists."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow import ArrowException, parquet

from search_forecast.errors import DataError, counted
from search_forecast.lakehouse import delta_log

LOG = "_delta_log"
_OF_DELTA = {"__is_cdc", "_change_type"}  # columns in the files of a table with a change feed, besides its own
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\b.*\.parquet")
_PATHS = ("add", "remove", "cdc")


@dataclass(frozen=True)
class DataFile:
    """A data file of the current snapshot as the log says it is."""

    path: Path
    size_bytes: int
    record_count: int | None


def opened(location: Path) -> DeltaTable | str:
    """The table as its log says it is now, or why that can't be read."""
    try:
        return delta_log.table(location)
    except (DataError, DeltaError, OSError, ValueError) as error:
        return f"its log can't be read: {' '.join(str(error).split())[:200]}"


def log_faults(location: Path) -> Iterator[str]:
    """What is wrong with a log: entries missing, cut short or no JSON, checkpoints that can't be read."""
    log = location / LOG
    commits = delta_log.commits(location)
    checkpoints = [(int(m[1]), path) for path in sorted(log.iterdir()) if (m := _CHECKPOINT.fullmatch(path.name))]
    if not commits:
        yield f"{LOG} holds no entry: a run was killed while it made the table, or they were removed"
        return
    first, last = min(commits), max([*commits, *(version for version, _ in checkpoints)])
    missing = [version for version in range(first, last + 1) if version not in commits]
    if missing:
        yield f"{len(missing)} entries of its log are missing, the first {missing[0]:020d}.json"
    if first > 0 and not any(version >= first - 1 for version, _ in checkpoints):
        yield f"its log begins with {commits[first].name} and no checkpoint says what was before"
    pointer = log / "_last_checkpoint"
    for path in (*commits.values(), *(path for _, path in checkpoints), *([pointer] if pointer.exists() else [])):
        is_parquet = path.suffix == ".parquet"
        if (_footer(path) if is_parquet else delta_log.actions(path)) is None:
            yield f"{LOG}/{path.name} is {'no Parquet file any more' if is_parquet else 'cut short or no JSON'}"
        elif path != pointer and not _is_as_summed(path):  # one that a kill left half replaced Spark passes over
            yield f"{LOG}/{path.name} is not what .{path.name}.crc says: damaged, or edited, with that left as it was"


def data_files(location: Path, table: DeltaTable) -> list[DataFile]:
    """The data files of the current snapshot."""
    added = table.get_add_actions(flatten=True)
    sizes, record_counts = (added.column(name).to_pylist() for name in ("size_bytes", "num_records"))
    return [
        DataFile(location / path, int(size), None if count is None else int(count))
        for path, size, count in zip(delta_log.paths(table), sizes, record_counts, strict=True)
    ]


def sum_fault(location: Path, version: int, files: list[DataFile]) -> str | None:
    """Whether the snapshot is not what Delta's own sums of that version say: an entry that lost some of its lines."""
    sums = delta_log.actions(location / LOG / f"{version:020d}.crc")
    try:
        expected = (int(sums[0]["numFiles"]), int(sums[0]["tableSizeBytes"])) if sums else None
    except (KeyError, TypeError, ValueError):
        return None
    actual = (len(files), sum(file.size_bytes for file in files))
    if expected is None or actual == expected:
        return None
    return (
        f"version {version} has {counted(actual[0], 'file')} of {actual[1]} bytes in its log, {expected[0]} of "
        f"{expected[1]} in {LOG}/{version:020d}.crc: an entry of the log lost lines"
    )


def data_faults(files: list[DataFile], table: DeltaTable, *, is_full: bool) -> Iterator[str]:
    """What is wrong with data files: gone, of another size, rows or columns; where `is_full`, bits flipped inside."""
    columns = {field.metadata.get("delta.columnMapping.physicalName", field.name) for field in table.schema().fields}
    for file in files:
        name = file.path.name
        if not file.path.is_file():
            yield f"data file {name} is gone"
            continue
        size = file.path.stat().st_size
        footer = _footer(file.path)
        if size != file.size_bytes:
            yield f"data file {name} has {size} bytes, its log says {file.size_bytes}"
        elif footer is None:
            yield f"data file {name} is no Parquet file any more"
        elif strange := set(footer.schema.to_arrow_schema().names) - columns - _OF_DELTA:
            yield f"data file {name} has a column {min(strange)}, which its table lacks"
        elif file.record_count is not None and footer.num_rows != file.record_count:
            yield f"data file {name} has {counted(footer.num_rows, 'row')}, its log says {file.record_count}"
        elif is_full and (reason := _unreadable(file.path)):
            yield f"data file {name} is damaged: {reason}"


def orphans(location: Path, files: list[DataFile]) -> list[Path]:
    """Files with rows below a table that no version in its log refers to, as killed writes leave them."""
    known = {file.path for file in files}
    logs = [delta_log.actions(path) or [] for path in delta_log.commits(location).values()]
    for path in (location / LOG).iterdir():
        if _CHECKPOINT.fullmatch(path.name) and _footer(path) is not None:
            present = set(parquet.read_schema(path).names)
            logs.append(parquet.read_table(path, columns=[name for name in _PATHS if name in present]).to_pylist())
    for entries in logs:
        named = (entry[kind]["path"] for entry in entries for kind in _PATHS if entry.get(kind))
        known.update(location / unquote(text) for text in named)
    lone = (path for path in location.rglob("*.parquet") if path not in known)
    own = [path for path in lone if path.relative_to(location).parts[0] != LOG and not path.name.startswith(".")]
    # A part of a write that has no rows is a file too, which Delta leaves out of its log.
    return [path for path in own if (footer := _footer(path)) is None or footer.num_rows]


def _footer(path: Path) -> Any:
    """The metadata of a Parquet file; None where it has none that can be read, or names a column by what is no text."""
    try:
        footer = parquet.read_metadata(path)
        footer.schema.to_arrow_schema()
        return footer
    except (ArrowException, OSError, UnicodeDecodeError):
        return None


def _is_as_summed(path: Path) -> bool:
    """Whether a file is what Hadoop's checksums beside it say, by which Spark refuses it; True where there are none."""
    beside = path.with_name(f".{path.name}.crc")
    sums = beside.read_bytes() if beside.is_file() else b""
    size = int.from_bytes(sums[4:8], "big")
    if not sums.startswith(b"crc\0") or not size:  # these Spark passes over
        return True
    content = path.read_bytes()
    blocks = (content[start : start + size] for start in range(0, len(content), size))
    return sums[8:] == b"".join(zlib.crc32(block).to_bytes(4, "big") for block in blocks)


def _unreadable(path: Path) -> str | None:
    """Why a Parquet file's rows can't be read; the checksums of its pages, which Spark writes, tell a flipped bit."""
    if not _is_as_summed(path):
        return f"it is not what .{path.name}.crc says"
    try:
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        for number in range(file.num_row_groups):
            file.read_row_group(number)
    except (ArrowException, OSError) as error:
        return " ".join(str(error).split())[:120]
    return None
