"""A table without its past: neither rows that it held nor the log that tells of them, whose statistics hold values."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

from search_forecast.errors import DataError
from search_forecast.lakehouse import delta_log
from search_forecast.lakehouse.contracts import Table
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.tables import Lakehouse

logger = logging.getLogger(__name__)

# With the first every commit writes a checkpoint, with the second that forgets the files which are no more.
_AT_ONCE = {
    "delta.checkpointInterval": "1",
    "delta.deletedFileRetentionDuration": "interval 0 hours",
    "delta.logRetentionDuration": "interval 0 hours",
}
_LOG_FILE = re.compile(r"\.?(\d{20})\..*")
_VECTORS = "deletionVectors"


def purge(lakehouse: Lakehouse, table: Table) -> None:
    """Remove data files that a table does not use any more, and its log up to now; doing it again does no harm.

    How far its source was read is said anew, or the table would be made from all of it the next time.
    On Databricks the files go by VACUUM; the log's old entries go with the checkpoints that the table writes later.
    Whoever reads an older version meanwhile fails, and what follows its changes from one must begin anew.

    Raises:
        DataError: Delta wrote no checkpoint, without which its log must stay.
    """
    name, location = lakehouse.open(table), lakehouse.location(table)
    if location is None or _VECTORS in delta_log.read(location).reader_features:
        lakehouse.spark.sql(f"reorg table {name} apply (purge)")  # rows that are marked as deleted and still there
    position = lakehouse.position(table)
    settings = ", ".join(f"'{key}' = '{value}'" for key, value in _AT_ONCE.items())
    lakehouse.spark.sql(f"alter table {name} set tblproperties ({settings})")
    if location is None:
        lakehouse.spark.sql(f"vacuum {name}")
    else:
        log = delta_log.read(location)
        if not list((location / "_delta_log").glob(f"{log.version:020d}.checkpoint*.parquet")):
            raise DataError(
                f"{table.full_name}: no checkpoint of version {log.version} in {location}; erase it once more"
            )
        _remove(_unused(location, set(log.files)))
        _remove(_older(location / "_delta_log", log.version))
    lakehouse.spark.sql(f"alter table {name} unset tblproperties ({literals(_AT_ONCE)})")
    if position is not None and lakehouse.position(table) != position:
        lakehouse.note_position(table, position)
    logger.info("purged %s", table.full_name)


def _unused(location: Path, used: set[Path]) -> Iterator[Path]:
    """All below a table's directory but its log and the files that it consists of."""
    for path in location.rglob("*"):
        inside = path.relative_to(location).parts
        if path.is_file() and inside[0] != "_delta_log" and path not in used and path.suffix != ".bin":
            yield path


def _older(log: Path, version: int) -> Iterator[Path]:
    """What a log says of versions before one that has a checkpoint."""
    for path in log.rglob("*"):
        number = _LOG_FILE.fullmatch(path.name)
        if path.is_file() and number is not None and int(number[1]) < version:
            yield path


def _remove(paths: Iterator[Path]) -> None:
    for path in list(paths):
        path.unlink()
