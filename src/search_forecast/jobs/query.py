"""`query`: run one of the gold queries."""

from collections.abc import Mapping
from typing import Any

from search_forecast.contracts import TABLES
from search_forecast.errors import DataError
from search_forecast.queries import Query
from search_forecast.tables import Lakehouse


def query(lakehouse: Lakehouse, wanted: Query, bound: Mapping[str, object]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query with its values bound (never pasted into the text).

    Returns:
        Column names and rows.

    Raises:
        DataError: a table it reads has not been written yet.
    """
    for table in TABLES:
        if table.layer == "gold" and table.name in wanted.inputs:
            if not lakehouse.exists(table):
                raise DataError(f"query {wanted.name}: {table.full_name} is not there yet; run aggregate first")
            lakehouse.open(table)
    lakehouse.spark.sql(f"use `{lakehouse.catalog}`.`{lakehouse.schemas['gold']}`")
    answer = lakehouse.spark.sql(wanted.sql, args=dict(bound))
    return answer.columns, [tuple(row) for row in answer.collect()]
