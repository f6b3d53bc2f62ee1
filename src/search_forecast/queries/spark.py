"""Answers by Spark: in a workspace, and where nothing else on this machine can give them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Row

from search_forecast.lakehouse.contracts import TABLES
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.queries.answers import Answer

_TABLES = {name: table for table in TABLES for name in (table.name, table.full_name)}


class SparkEngine:
    """Runs queries on the tables of a lakehouse that the contracts have."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._lakehouse = lakehouse

    def has(self, table: str) -> bool:
        """Whether a table is there."""
        return self._lakehouse.exists(_TABLES[table])

    def version(self, table: str) -> int:
        """The version of a table that is there."""
        return self._lakehouse.version(_TABLES[table])

    def run(self, sql: str, values: Mapping[str, object], inputs: Sequence[str]) -> Answer:
        """Run a query with its values bound (never pasted into the text); a table that isn't there is read as empty."""
        tables = [_TABLES[name] for name in inputs if name in _TABLES]
        spark = self._lakehouse.spark
        try:
            for table in tables:
                is_there = self._lakehouse.exists(table)
                rows = self._lakehouse.read(table) if is_there else self._lakehouse.create([], table)
                rows.createOrReplaceTempView(table.name)
            result = spark.sql(sql, args=dict(values))
            return Answer(result.columns, [tuple(map(_plain, row)) for row in result.collect()])
        finally:
            for table in tables:
                spark.catalog.dropTempView(table.name)


def _plain(value: Any) -> Any:
    """A value as DuckDB gives it: a struct by the names of its fields, in lists and maps too."""
    return Row(value=value).asDict(recursive=True)["value"]
