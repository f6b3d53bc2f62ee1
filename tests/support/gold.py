"""Tables of a lakehouse written without Spark, which takes seconds for each."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from search_forecast.lakehouse.contracts import DAILY_TERM_COUNTS, DAILY_TOTALS, Table
from search_forecast.lakehouse.tables import DEFAULT_SCHEMAS


def put(lake: Path, table: Table, rows: Iterable[Sequence[object]]) -> None:
    """Replace a table by these rows, whose fields stand in the contract's order."""
    records = [dict(zip(table.schema.names, row, strict=True)) for row in rows]
    content = pa.Table.from_pylist(records, schema=to_arrow_schema(table.schema))
    write_deltalake(str(lake / DEFAULT_SCHEMAS[table.layer] / table.name), content, mode="overwrite")


def put_counts(lake: Path, first: date, counts: Mapping[str, Sequence[int]]) -> None:
    """What gold counts where each term is searched so often on the days from `first` on, all of them complete."""
    days = [(first + timedelta(days=n), line) for n, line in enumerate(zip(*counts.values(), strict=True))]
    searches = ((day, term, count) for day, line in days for term, count in zip(counts, line, strict=True) if count)
    put(lake, DAILY_TERM_COUNTS, searches)
    put(lake, DAILY_TOTALS, [(day, sum(line), sum(map(bool, line)), True) for day, line in days])
