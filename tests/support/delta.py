"""Rows of the contracts' tables as Arrow's, and as Delta tables written without Spark."""

from collections.abc import Mapping, Sequence
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
