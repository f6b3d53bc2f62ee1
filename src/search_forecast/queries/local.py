"""Answers on this machine in a second: DuckDB over the files that Delta's log lists; Spark where that won't do."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
from sqlglot import exp

from search_forecast.errors import DataError, UsageError, did_you_mean
from search_forecast.queries import snapshots, translation
from search_forecast.queries.answers import Answer, Engine, filled_by
from search_forecast.queries.snapshots import NeedsSpark, Snapshot

logger = logging.getLogger(__name__)
SparkStart = Callable[[], Engine]
_NO_COLUMN = re.compile(r'(?P<where>Referenced column|does not have a column named) "(?P<name>[^"]+)"')


class LocalEngine:
    """Runs queries on the lakehouse in a directory. Each sees the tables as they are when it begins.

    Args:
        root: The directory.
        spark: Starts what answers in `run` and `ask` where DuckDB can't; None to refuse that.
    """

    def __init__(self, root: Path, spark: SparkStart | None = None) -> None:
        self._root, self._start_spark = root.resolve(), spark
        self._connection, self._one_at_a_time = duckdb.connect(), Lock()
        self._seen: dict[str, tuple[object, Snapshot]] = {}
        self._shown: dict[str, Snapshot] = {}
        allowed = ", ".join(_text(form) for place in snapshots.places(self._root) for form in (place, _escaped(place)))
        for statement in (
            *(f"create schema {schema}" for schema in snapshots.SCHEMAS),
            *translation.MACROS,
            f"set search_path = '{','.join((*snapshots.SCHEMAS, 'main'))}'",
            "set timezone = 'UTC'",
            "set parquet_metadata_cache = true",
            f"set allowed_directories = [{allowed}]",
            "set enable_external_access = false",
            "set lock_configuration = true",
        ):
            self._connection.execute(statement)

    @cached_property
    def _spark(self) -> Engine:
        if self._start_spark is None:
            raise DataError("only Spark can answer this, or a file of the lakehouse is damaged: the command check says")
        return self._start_spark()

    def has(self, table: str) -> bool:
        """Whether a table is there."""
        return snapshots.full_name(self._root, table) is not None

    def version(self, table: str) -> int:
        """The version of a table that is there."""
        try:
            return self._snapshot(table).version
        except NeedsSpark:
            return self._spark.version(table)

    def run(self, sql: str, values: Mapping[str, object], inputs: Sequence[str]) -> Answer:
        """Run a query of Spark's SQL.

        Args:
            sql: the query.
            values: of its markers.
            inputs: the tables that it reads; one that isn't there is read as empty.
        """
        try:
            return self._run(sql, values, inputs)
        except (NeedsSpark, duckdb.Error) as error:
            reason = " ".join(str(error).split())
            if isinstance(error, duckdb.BinderException) and (found := _NO_COLUMN.search(reason)):
                self._refuse(found["name"], inputs, is_sure=found["where"].startswith("Ref"), error=error)
            return replace(self._spark.run(sql, values, inputs), note=f"answered by Spark: {reason[:200]}")

    def _refuse(self, column: str, inputs: Sequence[str], *, is_sure: bool, error: Exception) -> None:
        """Raise where a table lacks a column of its contract, or (if that is sure) no table has one of that name."""
        columns = {
            name: self._snapshot(name).columns for table in inputs if (name := snapshots.full_name(self._root, table))
        }
        for name, present in columns.items():
            if column not in present and column in _declared(name)[1]:
                full = " --full" if (command := filled_by(name)) in ("aggregate", "trends") else ""
                raise DataError(
                    f"{name} has no column {column}, as an earlier release made it; "
                    f"search-forecast {command}{full} adds it"
                ) from error
        if is_sure:
            alike = did_you_mean(column, sorted({each for present in columns.values() for each in present}))
            raise DataError(f"no column {column} in {', '.join(inputs)}{alike}") from error

    def rows(self, sql: str, inputs: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]] | None:
        """Column names and rows of a query without values; None where Spark is needed."""
        try:
            answer = self._run(sql, {}, inputs)
        except (NeedsSpark, duckdb.Error) as error:
            logger.debug("DuckDB can't answer: %s", error)
            return None
        return answer.columns, answer.rows

    def _run(self, sql: str, values: Mapping[str, object], inputs: Sequence[str]) -> Answer:
        translated = translation.duckdb_sql(sql, values)
        with self._one_at_a_time:
            for table in inputs:
                self._show(table)
            asked = self._connection.execute(translated)
            columns = [str(column[0]) for column in asked.description or []]
            return Answer(columns, [tuple(map(_plain, row)) for row in asked.fetchall()])

    def ask(self, sql: str) -> Answer:
        """Run a query of one's own, on tables of any layer; those of gold need no schema before their name.

        Raises:
            UsageError: it does more than read tables of the lakehouse.
            DataError: one of them has not been written yet.
        """
        query = translation.parse(sql)
        translation.refuse_markers(query)
        inputs = []
        for name in translation.tables(query):
            full = snapshots.full_name(self._root, name)
            if full is None and _declared(name.lower())[1]:
                raise DataError(f"sql: no {name} yet; run {filled_by(name)} first")
            if full is None:
                known = snapshots.names(self._root)
                alike = known if "." in name else [table.partition(".")[2] for table in known]
                raise UsageError(f"sql: no table {name}{did_you_mean(name.lower(), alike)}")
            inputs.append(full if "." in name else full.partition(".")[2])
        return self.run(translation.as_read(sql, query), {}, inputs)

    def _snapshot(self, full: str) -> Snapshot:
        """A table as it is now."""
        table = snapshots.opened(self._root, full)
        before, known = self._seen.get(full, (None, None))
        if known is None or table is not before:
            known = snapshots.snapshot(self._root, full, table)
            self._seen[full] = (table, known)
        return known

    def _show(self, name: str) -> None:
        """Make a table visible to DuckDB under its name, as it is now."""
        full = snapshots.full_name(self._root, name)
        if full is None:
            full, columns, files = *_declared(name), []
            self._shown.pop(full, None)
        else:
            table = self._snapshot(full)
            if self._shown.get(full) is table:
                return
            self._shown[full] = table
            columns, files = table.columns, table.files
        # A column that came later is missing in older files; one that none has yet comes from the empty part.
        rows = f"select {_casts(columns, 'null')} where false"
        if files:
            listed = ", ".join(_text(_escaped(file)) for file in files)
            rows += f" union all by name select * from read_parquet([{listed}], union_by_name = true)"  # noqa: S608
        view = f"{full.partition('.')[0]}.{_quoted(full.partition('.')[2])}"
        self._connection.execute(f"create or replace view {view} as select {_casts(columns)} from ({rows})")  # noqa: S608


def _declared(name: str) -> tuple[str, dict[str, str]]:
    """The full name and columns of a table that isn't there yet."""
    from search_forecast.lakehouse.contracts import TABLES  # noqa: PLC0415 - imports Spark

    table = next((table for table in TABLES if name in (table.name, table.full_name)), None)
    if table is None:  # somebody's own
        return name, {}
    kinds = {c.name: exp.DataType.build(c.type.simpleString(), dialect="databricks") for c in table.columns}
    types = {name: kind.sql("duckdb").replace("TIMESTAMPTZ", "TIMESTAMP") for name, kind in kinds.items()}
    return table.full_name, types


def _casts(columns: Mapping[str, str], value: str | None = None) -> str:
    return ", ".join(f"cast({value or _quoted(name)} as {kind}) as {_quoted(name)}" for name, kind in columns.items())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _escaped(path: Path) -> str:
    """A path that is no pattern: `shop [old]` is a directory like any other."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))


def _plain(value: Any) -> Any:
    """A value as Spark gives it: moments in UTC, without saying so."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:  # DuckDB adds whole numbers up to 128 bits
        raise NeedsSpark(f"{value} is more than a BIGINT holds")
    return value
