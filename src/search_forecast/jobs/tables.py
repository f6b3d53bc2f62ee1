"""`tables`: what is in the lakehouse."""

from typing import Any

from search_forecast.contracts import TABLES
from search_forecast.tables import Lakehouse


def list_tables(lakehouse: Lakehouse) -> tuple[list[str], list[tuple[Any, ...]]]:
    """One row per table of the contracts: its grain, rows, version and place; empty where it was never written."""
    rows: list[tuple[Any, ...]] = []
    for table in TABLES:
        if lakehouse.exists(table):
            count, version = lakehouse.read(table).count(), lakehouse.version(table)
            rows.append(
                (table.full_name, table.grain, count, version, str(lakehouse.location(table) or lakehouse.name(table)))
            )
        else:
            rows.append((table.full_name, table.grain, None, None, None))
    return ["table", "one row per", "row_count", "version", "location"], rows
