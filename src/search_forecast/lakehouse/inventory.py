"""`tables`: what is in the lakehouse."""

from typing import Any

from search_forecast.lakehouse.contracts import TABLES
from search_forecast.lakehouse.tables import Lakehouse


def list_tables(lakehouse: Lakehouse) -> tuple[list[str], list[tuple[Any, ...]]]:
    """One row per table of the contracts: its rows, version and grain; None where it isn't there yet."""
    rows: list[tuple[Any, ...]] = []
    for table in TABLES:
        is_there = lakehouse.exists(table)
        count, version = (lakehouse.read(table).count(), lakehouse.version(table)) if is_there else (None, None)
        rows.append((table.full_name, count, version, table.grain))
    return ["table", "row_count", "version", "one row per"], rows
