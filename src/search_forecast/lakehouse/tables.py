"""The only module that reads and writes Delta tables, always through their contracts.

Plain SQL and DataFrames only: that works on classic Spark, on Spark Connect and on Databricks serverless alike.
"""

import getpass
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from search_forecast.errors import ContractError
from search_forecast.lakehouse import delta_log, evolution
from search_forecast.lakehouse.contracts import Table
from search_forecast.lakehouse.contracts.base import FINGERPRINT, literal

if TYPE_CHECKING:
    from deltalake import DeltaTable

# Answers a query of Spark's SQL on tables, by their full names, without Spark: column names and rows; None if it can't.
Reader = Callable[[str, Sequence[str]], tuple[Sequence[str], Sequence[tuple[Any, ...]]] | None]
DEFAULT_SCHEMAS = {"bronze": "search_bronze", "silver": "search_silver", "gold": "search_gold"}
# Commits that move data without changing it, or change no data: they don't end a position's validity.
_NEUTRAL_OPERATIONS = (
    *("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "CLUSTER BY", "SET TBLPROPERTIES", "UNSET TBLPROPERTIES"),
    *("ADD CONSTRAINT", "DROP CONSTRAINT", "ADD COLUMNS", "CHANGE COLUMN"),
)


@dataclass(frozen=True)
class Lakehouse:
    """A set of tables: a directory on this machine (`root`), or schemas of a catalog on Databricks (`root` is None).

    Where it is writable, a table that an earlier release made is brought up to its contract when it is opened. A
    `reader` answers what `ask` asks of tables in a directory, faster than Spark does.
    """

    source_of_spark: SparkSession | Callable[[], SparkSession]
    root: Path | None
    staging: Path
    catalog: str = "spark_catalog"
    schemas: Mapping[str, str] = field(default_factory=lambda: DEFAULT_SCHEMAS)
    is_writable: bool = True
    reader: Reader | None = None
    commits: Counter[str] = field(default_factory=Counter, repr=False)  # of this run, by the table's full name
    _opened: set[str] = field(default_factory=set, repr=False)
    _empty: set[str] = field(default_factory=set, repr=False)  # made by this run, which has the lock, and not written

    @cached_property
    def spark(self) -> SparkSession:
        """The session that works on the tables."""
        return self.source_of_spark() if callable(self.source_of_spark) else self.source_of_spark

    @property
    def has_spark(self) -> bool:
        """Whether the session has been asked for."""
        return "spark" in vars(self)

    def user(self) -> str:
        """Who is at work, by name."""
        if self.root is None:
            return str(self.spark.sql("select current_user() as user").collect()[0]["user"])
        try:
            return getpass.getuser()
        except (OSError, KeyError):  # a container's user that has no name
            return "unknown"

    def name(self, table: Table) -> str:
        """The table's three-level name, quoted for SQL."""
        return ".".join(f"`{part}`" for part in (self.catalog, self.schemas[table.layer], table.name))

    def location(self, table: Table) -> Path | None:
        """The table's directory on this machine; None on Databricks."""
        return None if self.root is None else self.root / self.schemas[table.layer] / table.name

    def exists(self, table: Table) -> bool:
        """Whether the table has been created."""
        location = self.location(table)
        if location is None:
            return bool(self.spark.catalog.tableExists(self.name(table)))
        return delta_log.is_there(location)

    def open(self, table: Table) -> str:
        """Create the table from its contract if it isn't there, attach it, bring it up to date, and return its name.

        Raises:
            ContractError: a table lies there whose columns are not the contract's.
        """
        name, location = self.name(table), self.location(table)
        shown = f"search_forecast.location.{name}"
        # The session's in-memory catalog may show another lakehouse's table under that name, or one that was removed.
        is_shown = location is None or self.spark.conf.get(shown, None) == str(location)
        if name in self._opened and is_shown:
            return name
        is_new = not self.exists(table)
        is_shown = is_shown and (location is None or not is_new)
        if location is not None and not is_shown:
            self.spark.sql(f"create schema if not exists `{self.catalog}`.`{self.schemas[table.layer]}`")
            self.spark.sql(f"drop table if exists {name}")  # external: its files stay
        place = "" if location is None else f"location {literal(location.as_posix())}"
        if is_new:
            if location is not None:
                delta_log.remove_unmade(location)
            self.spark.sql(table.create_statement(name, place))
        elif location is not None and not is_shown:
            self.spark.sql(f"create table {name} using delta {place}")
        if location is not None:
            self.spark.conf.set(shown, str(location))
        if not is_new:
            self._adopt(table, name)
        elif location is not None:
            self._empty.add(name)
        self._opened.add(name)
        return name

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """The table's rows, now or as of a version."""
        return self.at(self.open(table), version)

    def ask(self, sql: str, *tables: Table) -> list[dict[str, Any]]:
        """The rows of a query, few enough for one machine; times are in UTC and say so.

        Args:
            sql: Spark's SQL, in which `{name}` stands for a table.
            tables: those that it names.
        """
        answer = self._read(sql.format(**{table.name: table.full_name for table in tables}), *tables)
        if answer is not None:
            return [dict(zip(answer[0], map(_saying_utc, row), strict=True)) for row in answer[1]]
        rows = self.spark.sql(sql.format(**{table.name: self.open(table) for table in tables})).collect()
        return [{name: _to_utc(value) for name, value in row.asDict().items()} for row in rows]

    def write(self, df: DataFrame, table: Table, *, where: str | None = None, position: str | None = None) -> None:
        """Replace the rows that match `where` (all rows without it) by `df`, in one commit.

        Writing the same twice leaves the same table: that is what makes every job safe to run again.

        Args:
            df: the new rows; with `where`, each of them matches it.
            table: the contract.
            where: SQL predicate on the table's columns.
            position: how far the source of `df` was read, kept with the commit; see `position`.

        Raises:
            ContractError: names or types are not the contract's.
        """
        table.check(df)
        name = self.open(table)
        rows = df.select(*table.schema.names)
        is_empty = name in self._empty
        self._empty.discard(name)  # whatever comes of it: a commit may land although the call fails
        # To look for what is to be replaced costs more than to write a few rows. Without it no rows are no commit,
        # though, and a position needs one.
        if is_empty or (where is not None and position is None and self.holds_none(table, where)):
            outside = F.lit(f"{table.full_name}: a row to be written is not of those that it replaces: {where}")
            matching = rows if where is None else rows.where(F.assert_true(F.expr(where), outside).isNull())
            writer = matching.write.format("delta").mode("append")
        else:  # without a replaceWhere Delta recreates the table and forgets its clustering
            replaced = "true" if where is None else where
            writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", replaced)
        if position is not None:
            writer = writer.option("userMetadata", position)
        location = self.location(table)
        if location is None:
            writer.saveAsTable(name)
        else:  # to overwrite by name is planned as a replacement of the table, which takes longer
            writer.save(str(location))
        self.commits[table.full_name] += 1
        if location is not None and position is not None and self.position(table) != position:
            self.note_position(table, position)

    def note_position(self, table: Table, position: str) -> None:
        """Say by a commit without rows how far the table's source was read."""
        nothing = self.create([], table).write.format("delta").mode("overwrite").option("replaceWhere", "false")
        nothing.option("userMetadata", position).saveAsTable(self.open(table))  # by place it would be no commit

    def holds_none(self, table: Table, where: str) -> bool:
        """Whether it is known, without Spark, that no row of the table matches a predicate."""
        found = self._read(f"select 1 as n from {table.full_name} where {where} limit 1", table)  # noqa: S608
        return found is not None and not found[1]

    def _read(self, sql: str, *tables: Table) -> tuple[Sequence[str], Sequence[tuple[Any, ...]]] | None:
        """What the reader answers; None where only Spark can answer, or must bring a table up to date first."""
        if self.reader is None or not all(self._is_up_to_date(table) for table in tables):
            return None
        return self.reader(sql, [table.full_name for table in tables])

    def add(
        self, df: DataFrame, table: Table, keys: tuple[str, ...], *, shared: Mapping[str, date] | None = None
    ) -> int:
        """Add the rows whose key the table does not hold yet, in one commit; adding them again changes nothing.

        Args:
            df: the rows; of several with one key, one is added.
            table: the contract.
            keys: the columns that tell rows apart.
            shared: date columns of which all rows have one value: other files are not looked into.

        Returns:
            The number of rows added.

        Raises:
            ContractError: names or types are not the contract's.
        """
        table.check(df)
        name = self.open(table)
        same = " and ".join(
            [
                *(f"present.`{key}` <=> news.`{key}`" for key in keys),
                *(f"present.`{column}` = date'{day}'" for column, day in (shared or {}).items()),
            ]
        )
        columns = ", ".join(f"`{column}`" for column in table.schema.names)
        values = ", ".join(f"news.`{column}`" for column in table.schema.names)
        df.dropDuplicates(list(keys)).createOrReplaceTempView(f"news_of_{table.name}")
        self._empty.discard(name)
        merged = self.spark.sql(
            f"merge into {name} present using news_of_{table.name} news on {same} "  # noqa: S608 - names from contracts
            f"when not matched then insert ({columns}) values ({values})"
        )
        added = int(merged.collect()[0]["num_inserted_rows"])
        self.commits[table.full_name] += 1
        return added

    def latest(self, source: str) -> int:
        """The latest version of a table that `names.resolve` named."""
        return int(self.spark.sql(f"describe history {source} limit 1").collect()[0]["version"])

    def at(self, source: str, version: int | None) -> DataFrame:
        """The rows of a table that `names.resolve` named, as of a version (None: now)."""
        as_of = "" if version is None else f" version as of {version}"
        return self.spark.sql(f"select * from {source}{as_of}")  # noqa: S608 - `open` or `names.resolve` named it

    def create(self, rows: Sequence[tuple[object, ...]], table: Table) -> DataFrame:
        """A DataFrame of the contract's schema from a few rows."""
        return self.spark.createDataFrame(rows, table.schema)

    def history(self, table: Table) -> Iterator[dict[str, Any]]:
        """The table's commits, newest first (Delta keeps 30 days of them).

        Each has version, operation, userMetadata and operationMetrics, whose values may be texts.
        """
        columns = ("version", "operation", "userMetadata", "operationMetrics")
        location = self.location(table)
        if location is not None and self.exists(table) and self._is_up_to_date(table):
            for commit in delta_log.history(location):
                yield {column: commit.get(column) for column in columns}
        else:
            commits = self.spark.sql(f"describe history {self.open(table)}").select(*columns)
            yield from (commit.asDict() for commit in commits.collect())

    def version(self, table: Table) -> int:
        """The table's latest version."""
        log = self._log(table) if self._is_up_to_date(table) else None
        return self.latest(self.open(table)) if log is None else int(log.version())

    def position(self, table: Table) -> str | None:
        """What the last write said about how far it had read; None where something else changed the table since."""
        if not self.exists(table):
            return None
        for commit in self.history(table):
            if commit["operation"] not in _NEUTRAL_OPERATIONS:
                said = str(commit["userMetadata"] or "")
                return said if re.search(r"@\d+$", said) else None  # others' commits may carry a word of theirs
        return None

    def has_changed(self, table: Table, after: int) -> bool:
        """Whether a commit later than a version changed the table's rows, as far as its log goes back."""
        commits = takewhile(lambda commit: commit["version"] > after, self.history(table))
        return any(commit["operation"] not in _NEUTRAL_OPERATIONS for commit in commits)

    def lost_files(self, table: Table) -> list[Path]:
        """Data files of the table that are gone; on Databricks, whose storage is not looked into, none.

        Raises:
            DataError: the table's log can't be read.
        """
        location = self.location(table)
        if location is None or not self.exists(table):
            return []
        return [path for path in delta_log.read(location).files if not path.exists()]

    def changes(self, table: Table, after: int, until: int) -> DataFrame:
        """Rows that came and went in versions after+1..until: the table's columns and `change` (1 came, -1 went)."""
        feed = self.spark.read.option("readChangeFeed", "true")
        feed = feed.option("startingVersion", after + 1).option("endingVersion", until)
        came = F.col("_change_type").isin("insert", "update_postimage")
        rows = feed.table(self.open(table)).withColumn("change", F.when(came, 1).otherwise(-1))
        return rows.select(*table.schema.names, "change")

    def _log(self, table: Table) -> "DeltaTable | None":
        """The log of a table on this machine, which answers in milliseconds; None where only Spark can read it."""
        location = self.location(table)
        if location is None or not self.exists(table):
            return None
        return delta_log.opened(location)

    def _is_up_to_date(self, table: Table) -> bool:
        """Whether a table on this machine isn't there yet, or was made or brought up to date for this contract."""
        if self.name(table) in self._opened or not self.exists(table):
            return True
        log = self._log(table)
        return log is not None and log.metadata().configuration.get(FINGERPRINT) == table.fingerprint

    def _adopt(self, table: Table, name: str) -> None:
        """Check a table that was there, once it is brought up to its contract where this lakehouse is writable."""
        missing, others = table.differences(self.spark.table(name).schema)
        may_change = self.is_writable and not others
        # Asked of the log first: Spark answers only once it has replayed all of it.
        if may_change and not self._is_up_to_date(table) and evolution.is_outdated(self.spark, table, name):
            evolution.follow(self.spark, table, name)
            missing, others = table.differences(self.spark.table(name).schema)
        if missing or others:
            older = "" if self.is_writable or others else "run a command that writes, which adds columns, or "
            raise ContractError(
                f"{table.full_name}: {'; '.join(missing + others)}; the table was made by another version of "
                f"search_forecast or another program: {older}move it away or use another lakehouse"
            )


def _saying_utc(value: Any) -> Any:
    """A value of a reader, whose times are in UTC without saying so."""
    return value.replace(tzinfo=timezone.utc) if isinstance(value, datetime) else value


def _to_utc(value: Any) -> Any:
    """A value that Spark collected, whose times are in this process's time zone without saying so."""
    return value.astimezone(timezone.utc) if isinstance(value, datetime) else value
