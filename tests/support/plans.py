"""What Spark means to do for each table that is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from search_forecast.lakehouse.contracts import Table
from search_forecast.lakehouse.tables import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@contextmanager
def of_writes() -> Iterator[dict[str, str]]:
    """The plans, logical and physical, of the tables that are written meanwhile, by name."""
    plans, write = dict[str, str](), Lakehouse.write

    def noting(house: Lakehouse, df: DataFrame, table: Table, **options: Any) -> None:
        plans[table.name] = df._jdf.queryExecution().toString()
        write(house, df, table, **options)

    with mock.patch.object(Lakehouse, "write", noting):
        yield plans
