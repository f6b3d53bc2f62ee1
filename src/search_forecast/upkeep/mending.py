"""Which command mends a table that is damaged."""

from pathlib import Path

from search_forecast.lakehouse import contracts as c
from search_forecast.lakehouse.contracts import Table
from search_forecast.medallion.aggregate import AGGREGATED
from search_forecast.medallion.publish_trends import PUBLISHED

# These replace all rows of their tables, and look for lost files themselves.
_REPLACING = {table.name: "aggregate --full" for table in AGGREGATED}
_REPLACING |= {table.name: "trends --full" for table in PUBLISHED}
# These make the table anew where it isn't there.
_MAKING = _REPLACING | {
    c.SEARCH_EVENTS.name: "clean and aggregate --full",
    c.REJECTED_RECORDS.name: "clean",
    c.BATCHES.name: "reconcile",
    c.CALENDAR_EVENTS.name: "load-calendar",
    c.ACCEPTED_SPELLINGS.name: "load-spellings",
    c.FORECAST_ACCURACY.name: "monitor",
    c.DEMAND_DRIFT.name: "monitor",
    c.INFANT_GROWTH.name: "load-measurements",
}


def of_rows(table: Table, location: Path) -> str:
    """What mends a table whose data files are lost or damaged while its log is whole."""
    command = _REPLACING.get(table.name)
    return of_log(table, location) if command is None else f"run {command}"


def of_log(table: Table, location: Path) -> str:
    """What mends a table whose log is damaged, or that another program made."""
    command = _MAKING.get(table.name)
    if command is None:
        return f"bring {location} back from a backup: no command can make its rows again"
    return f"move {location} away, then run {command}"
