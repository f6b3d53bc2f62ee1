"""Rows of the contracts' tables as Arrow's, and as Delta tables written without Spark."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from search_forecast.lakehouse.contracts import TABLES

Rows = Sequence[Mapping[str, Any]]  # a column that a row lacks is null
CONTRACTS = {table.name: table for table in TABLES}


def arrow_table(name: str, rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(list(map(dict, rows)), to_arrow_schema(CONTRACTS[name].schema, timezone="UTC"))


def write(root: Path, tables: Mapping[str, Rows]) -> Path:
    """Write tables into a lakehouse, in two files each, and return its directory."""
    for name, rows in tables.items():
        place = root / f"search_{CONTRACTS[name].layer}" / name
        for half in (rows[::2], rows[1::2]):
            write_deltalake(str(place), arrow_table(name, half), mode="append")
    return root


def write_counts(root: Path, first: date, counts: Mapping[str, Sequence[int]]) -> Path:
    """Write gold's counts where each term is searched so often on the days from `first` on, all of them complete."""
    days = [(first + timedelta(days=n), line) for n, line in enumerate(zip(*counts.values(), strict=True))]
    searches = [
        {"event_date": day, "term": term, "search_count": count}
        for day, line in days
        for term, count in zip(counts, line, strict=True)
        if count
    ]
    totals = [
        {
            "event_date": day,
            "search_count": sum(line),
            "distinct_term_count": sum(map(bool, line)),
            "is_complete_day": True,
        }
        for day, line in days
    ]
    return write(root, {"daily_term_counts": searches, "daily_totals": totals})
