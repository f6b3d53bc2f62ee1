"""Answers by a SQL warehouse, for a server in a workspace that has no Spark of its own."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.sql import (
    ExecuteStatementRequestOnWaitTimeout,
    ResultData,
    StatementParameterListItem,
    StatementResponse,
    StatementState,
)

from search_forecast.errors import DataError, EnvironmentProblem
from search_forecast.queries import catalogue
from search_forecast.queries.answers import Answer, filled_by

_MOST_ROWS = 100_000
_WAIT_SECONDS = 50  # the longest that the API waits for a statement
_TABLES_SECONDS = 60  # for which a list of tables is believed


def _moment(text: str) -> datetime:
    """A moment as Spark gives it: in UTC, without saying so."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)


# How a value is read, by its type; the API writes all as text.
_READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("BYTE", "SHORT", "INT", "LONG"), int),
    **dict.fromkeys(("FLOAT", "DOUBLE"), float),
    **dict.fromkeys(("ARRAY", "MAP", "STRUCT"), json.loads),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_NTZ"), _moment),
    "BOOLEAN": {"true": True, "false": False}.__getitem__,
    "DATE": date.fromisoformat,
    "DECIMAL": Decimal,
}


class WarehouseEngine:
    """Runs queries on the tables of one schema, with the rights of whom the client is logged in as.

    Args:
        client: of the workspace.
        warehouse_id: of the warehouse, which a statement starts where it has stopped.
        catalog: of the schema.
        schema: gold's, whose tables queries name without it.
    """

    def __init__(self, client: WorkspaceClient, warehouse_id: str, catalog: str, schema: str) -> None:
        self._client, self._warehouse, self._catalog, self._schema = client, warehouse_id, catalog, schema
        self._tables: frozenset[str] = frozenset()
        self._listed_at = -float("inf")

    def has(self, table: str) -> bool:
        """Whether a table is there, and may be seen; as it was a minute ago at most."""
        if time.monotonic() > self._listed_at + _TABLES_SECONDS:
            try:
                listed = self._client.tables.list(self._catalog, self._schema, omit_columns=True, omit_properties=True)
                self._tables = frozenset(str(each.name) for each in listed)
            except (DatabricksError, OSError) as error:
                raise EnvironmentProblem(f"no list of the tables of {self._schema}: {_one_line(error)}") from error
            self._listed_at = time.monotonic()
        return table.rpartition(".")[2] in self._tables

    def version(self, table: str) -> int:
        """The version of a table that is there."""
        return int(self.run(f"describe history {table.rpartition('.')[2]} limit 1", {}, []).rows[0][0])

    def run(self, sql: str, values: Mapping[str, object], inputs: Sequence[str]) -> Answer:
        """Run a query with its values bound, never pasted into the text.

        Raises:
            DataError: an input isn't there (to read it as empty would take its columns' types), the query failed, or
                has too many rows.
            EnvironmentProblem: the workspace refuses, or no answer came in time.
        """
        for table in inputs:
            if not self.has(table):
                raise DataError(f"no {table} in {self._schema}; run {filled_by(table)} first")
        kinds = catalogue.types(sql)
        statements = self._client.statement_execution
        try:
            got = statements.execute_statement(
                sql,
                self._warehouse,
                catalog=self._catalog,
                schema=self._schema,
                parameters=[_bound(name, kinds.get(name), value) for name, value in values.items()],
                row_limit=_MOST_ROWS,
                wait_timeout=f"{_WAIT_SECONDS}s",
                on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CANCEL,
            )
            _check_state(got)
            part, texts = got.result, list[list[str]]()
            while part is not None:
                texts += part.data_array or []
                part = self._following(str(got.statement_id), part)
        except (DatabricksError, OSError) as error:
            raise EnvironmentProblem(f"the warehouse refused or did not answer: {_one_line(error)}") from error
        return _answer(got, texts)

    def _following(self, statement: str, part: ResultData) -> ResultData | None:
        if part.next_chunk_index is None:
            return None
        return self._client.statement_execution.get_statement_result_chunk_n(statement, part.next_chunk_index)


def _bound(name: str, kind: str | None, value: object) -> StatementParameterListItem:
    """A value with its type: what the query's header says, so that null has one too."""
    of_value = "INT" if isinstance(value, int) else "DATE" if isinstance(value, date) else "STRING"
    return StatementParameterListItem(name, kind or of_value, None if value is None else str(value))


def _check_state(got: StatementResponse) -> None:
    state = got.status.state if got.status else None
    if state is StatementState.CANCELED:
        text = f"no answer within {_WAIT_SECONDS} s; a warehouse that had stopped is starting now: ask again"
        raise EnvironmentProblem(text)
    if state is not StatementState.SUCCEEDED:
        reason = got.status.error.message if got.status and got.status.error else None
        raise DataError(f"the query failed: {_one_line(reason or state)}")


def _answer(got: StatementResponse, texts: list[list[str]]) -> Answer:
    """The rows as Python's values; never fewer than there are."""
    manifest = got.manifest
    columns = (manifest.schema.columns if manifest and manifest.schema else None) or []
    if manifest is None or manifest.truncated or len(texts) != manifest.total_row_count:
        raise DataError(f"the query has more than {_MOST_ROWS:,} rows, or more than the API sends; ask for less")
    readers = [_READERS.get(column.type_name.value if column.type_name else "", str) for column in columns]
    rows = [tuple(None if text is None else read(text) for read, text in zip(readers, row, strict=True))
            for row in texts]  # fmt: skip
    return Answer([str(column.name) for column in columns], rows)


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split())[:300]
