"""Rows of the contracts' tables as Arrow's, and as Delta tables written without Spark."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
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


@contextmanager
def tables_in_duckdb(root: Path, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the tables of a lakehouse that a statement names, `schema.table`; read without Spark or our code."""
    with duckdb.connect() as connection:
        for schema, name in set(re.findall(r"\b(\w+)\.(\w+)\b", sql)):
            if (root / schema / name / "_delta_log").is_dir():
                connection.register("rows", DeltaTable(str(root / schema / name)).to_pyarrow_table())
                connection.execute(f"create schema if not exists {schema}")
                connection.execute(f"create table {schema}.{name} as select * from rows")
                connection.unregister("rows")
        yield connection
