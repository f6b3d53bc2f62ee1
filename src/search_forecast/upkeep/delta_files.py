"""The files of one Delta table on this machine: its log from end to end, and the data files that it lists."""

import json
import re
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
_COMMIT = re.compile(r"(\d{20})\.json")
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
    commits = {int(m[1]): path for path in sorted(log.iterdir()) if (m := _COMMIT.fullmatch(path.name))}
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
    for path in commits.values():
        if _actions(path) is None:
            yield f"{LOG}/{path.name} is cut short or no JSON"
    for _, path in checkpoints:
        if _footer(path) is None:
            yield f"{LOG}/{path.name} is no Parquet file any more"
    pointer = log / "_last_checkpoint"
    if pointer.exists() and _actions(pointer) is None:
        yield f"{LOG}/{pointer.name} is cut short or no JSON"


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
    sums = _actions(location / LOG / f"{version:020d}.crc")
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
    for path in (location / LOG).iterdir():
        if _COMMIT.fullmatch(path.name):
            entries: list[dict[str, Any]] = _actions(path) or []
        elif _CHECKPOINT.fullmatch(path.name) and _footer(path) is not None:
            present = set(parquet.read_schema(path).names)
            entries = parquet.read_table(path, columns=[name for name in _PATHS if name in present]).to_pylist()
        else:
            continue
        named = (entry[kind]["path"] for entry in entries for kind in _PATHS if entry.get(kind))
        known.update(location / unquote(text) for text in named)
    lone = (path for path in location.rglob("*.parquet") if path not in known)
    own = [path for path in lone if path.relative_to(location).parts[0] != LOG and not path.name.startswith(".")]
    # A part of a write that has no rows is a file too, which Delta leaves out of its log.
    return [path for path in own if (footer := _footer(path)) is None or footer.num_rows]


def _actions(path: Path) -> list[dict[str, Any]] | None:
    """The lines of a file of the log; None where it is none any more."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError):
        return None
    return lines if lines and all(isinstance(line, dict) for line in lines) else None


def _footer(path: Path) -> Any:
    """The metadata of a Parquet file; None where it has none that can be read, or names a column by what is no text."""
    try:
        footer = parquet.read_metadata(path)
        footer.schema.to_arrow_schema()
        return footer
    except (ArrowException, OSError, UnicodeDecodeError):
        return None


def _unreadable(path: Path) -> str | None:
    """Why a Parquet file's rows can't be read; the checksums of its pages, which Spark writes, tell a flipped bit."""
    try:
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        for number in range(file.num_row_groups):
            file.read_row_group(number)
    except (ArrowException, OSError) as error:
        return " ".join(str(error).split())[:120]
    return None
