"""`query`: run one of the gold queries."""

from collections.abc import Mapping
from typing import Any

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import TABLES
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.queries.catalogue import Query

_WRITERS = {
    "batches": "reconcile",
    "backtest_metrics": "train",
    "term_forecasts": "train, promote search_demand and score",
    "forecast_accuracy": "train, promote search_demand, score and monitor",
    "demand_drift": "train, promote search_demand, score and monitor",
}


def query(lakehouse: Lakehouse, asked: Query, values: Mapping[str, object]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query with its values bound (never pasted into the text).

    Returns:
        Column names and rows.

    Raises:
        DataError: a table it reads has not been written yet.
    """
    for table in TABLES:
        if table.layer == "gold" and table.name in asked.inputs:
            if not lakehouse.exists(table):
                writer = _WRITERS.get(table.name, "aggregate")
                raise DataError(f"query {asked.name}: {table.full_name} is not there yet; run {writer} first")
            lakehouse.open(table)
    lakehouse.spark.sql(f"use `{lakehouse.catalog}`.`{lakehouse.schemas['gold']}`")
    answer = lakehouse.spark.sql(asked.sql, args=dict(values))
    return answer.columns, [tuple(row) for row in answer.collect()]
