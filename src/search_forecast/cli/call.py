"""One call of the command line: what the flags of all commands say, and the lakehouse and registry that they name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_forecast.cli import output
from search_forecast.errors import DataError, UsageError, repeated
from search_forecast.parameters import local_directory

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from search_forecast.lakehouse.session import Size
    from search_forecast.lakehouse.tables import Lakehouse, Reader
    from search_forecast.models.registry import Registry

LAYERS = ("bronze", "silver", "gold")
DEFAULT_LAKEHOUSE = Path(".lakehouse")
# They work on what ingest took in.
_NEEDS_DATA = ("clean", "load-spellings", "aggregate", "reconcile", "trends", "correct", "erase", "maintain")
_MEDALLION = ("ingest", *_NEEDS_DATA)  # never two of them at once
_SHOW_STEPS = ("demo", "run")
LARGE_BYTES, TINY_BYTES = 64 * 2**20, 3 * 2**18
# Of layers below gold they read what is new, if anything.
_NEEDS_NEWS = ("ingest", "clean", "aggregate", "reconcile", "trends", "run")
_NEEDS_DAYS = ("trends", "run")  # of gold they read each day
COMPRESSION, ROW_BYTES = 10, 25  # bytes of CSV that a byte of Parquet holds, and a row, about


@dataclass
class Call:
    """What the flags that all commands have say; on Databricks `catalog` and the schemas take the lakehouse's place.

    Attributes:
        event_log: File that gets a JSON line about the command once it has ended.
        values: What it printed as its result.
        used: The lakehouse that it opened.
        task_lakehouse: The lakehouse to work on, for a task of a job that runs on this machine, whatever its flags say.
    """

    command: str = "search-forecast"
    lakehouse: Path = DEFAULT_LAKEHOUSE
    spark: str | None = None
    json: bool = False
    csv: bool = False
    quiet: bool = False
    debug: bool = False
    event_log: Path | None = None
    catalog: str | None = None
    bronze_schema: str | None = None
    silver_schema: str | None = None
    gold_schema: str | None = None
    staging: Path | None = None
    experiment: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    used: "Lakehouse | None" = None
    task_lakehouse: "Lakehouse | None" = None

    @staticmethod
    def now() -> datetime:
        """The time, UTC: the only clock there is, everything below is given it."""
        return datetime.now(timezone.utc)

    @property
    def root(self) -> Path:
        """The directory of the local lakehouse."""
        return local_directory(self.lakehouse)

    @property
    def schemas(self) -> dict[str, str | None]:
        """The schema of each layer, as the flags name them."""
        return {layer: getattr(self, f"{layer}_schema") for layer in LAYERS}

    @property
    def schema_flags(self) -> dict[str, str | None]:
        """The same by the flags' names."""
        return {f"--{layer}-schema": name for layer, name in self.schemas.items()}

    @contextmanager
    def opened(self, *, writes: bool, source: Path | None = None, reads_all: bool = False) -> "Iterator[Lakehouse]":
        """The lakehouse, locked against other writers if the command writes.

        Args:
            writes: Whether the command changes tables.
            source: Files to be read, by whose size the Spark session is chosen.
            reads_all: Whether more than what is new is read of the lakehouse, whatever the command.
        """
        if self.task_lakehouse is not None:
            self.used = self._of_task(self.task_lakehouse, source, reads_all=reads_all)
            yield self.used
        elif self.catalog is not None:
            lakehouse = self.used = self._in_workspace(writes=writes)
            from search_forecast.lakehouse import writers

            needs_lock = writes and self.command in _MEDALLION
            with writers.exclusive(lakehouse, self.command) if needs_lock else nullcontext():
                yield lakehouse
        else:
            if self.spark is not None:
                from search_forecast.lakehouse import clusters

                clusters.is_connect(self.spark)  # what is no address is refused before anything is made or started
            self.check_there(writes=writes and self.command not in _NEEDS_DATA)
            with self.locked() if writes else nullcontext():
                self.used = self._here(source, writes=writes, reads_all=reads_all)
                try:
                    yield self.used
                finally:
                    output.rest()

    def _in_workspace(self, *, writes: bool) -> "Lakehouse":
        from search_forecast.lakehouse.session import session
        from search_forecast.lakehouse.tables import Lakehouse

        flags = {**self.schema_flags, "--staging": self.staging}
        if self.spark is not None:
            raise UsageError(
                f"{self.command}: say --catalog, whose cluster the workspace chooses, or --spark, not both"
            )
        missing = ", ".join(flag for flag, value in flags.items() if not value)
        if missing or self.staging is None:
            raise UsageError(f"{self.command}: --catalog needs {missing} too")
        schemas = {layer: str(name) for layer, name in self.schemas.items()}
        return Lakehouse(session(), None, self.staging, str(self.catalog), schemas, is_writable=writes)

    def _of_task(self, lakehouse: "Lakehouse", source: Path | None, *, reads_all: bool) -> "Lakehouse":
        """A task's lakehouse: its job's session, which all tasks share, set to the size of what this one reads."""

        def spark() -> "SparkSession":
            from search_forecast.lakehouse.session import session

            job_session = lakehouse.spark
            if lakehouse.root is None or self.spark is not None:
                return job_session
            return session(size=self._size(lakehouse.root, source, reads_all=reads_all))

        return replace(lakehouse, source_of_spark=spark)

    def _here(self, source: Path | None, *, writes: bool, reads_all: bool) -> "Lakehouse":
        from search_forecast.lakehouse.tables import Lakehouse

        def spark() -> "SparkSession":
            with output.progress(f"{self.command}: starting Spark"):
                from search_forecast.lakehouse.session import session

                size = self._size(self.root, source, reads_all=reads_all)
                output.hush_spark()
                started = session(size=size, cluster=self.spark)
            if self.command not in _SHOW_STEPS:
                output.working(f"{self.command}: working")
            return started

        return Lakehouse(spark, self.root, self.root / "_staging", is_writable=writes, reader=reader(self.root))

    def _size(self, root: Path, source: Path | None, *, reads_all: bool) -> "Size":
        read = self._bytes_to_read(root, source, reads_all=reads_all)
        return "large" if read > LARGE_BYTES else "small" if read > TINY_BYTES else "tiny"

    def _bytes_to_read(self, root: Path, source: Path | None, *, reads_all: bool) -> int:
        """About how many bytes of CSV the command will read, at the source and in the lakehouse."""
        from search_forecast.lakehouse import delta_log
        from search_forecast.lakehouse.scratch import bytes_below
        from search_forecast.medallion import aggregate, batches, content_ids, reconcile, spellings
        from search_forecast.queries import snapshots

        stored, gold_rows, staging = 0, 0, root / "_staging"
        reads_all = reads_all or (self.command in ("aggregate", "run") and spellings.is_newer_than_gold(root))
        if reads_all or self.command not in _NEEDS_NEWS or (self.command == "run" and source is None):
            stored = sum(bytes_below(place, "*.parquet") for place in snapshots.places(root))
        elif self.command != "ingest":  # which reads none of the tables that grow
            stored = reconcile.unproven_bytes(root)
            # Rows of what is read whole: each delivery writes two of these tables anew, and what they were is there
            # until `maintain`.
            read_whole = aggregate.AGGREGATED if self.command in _NEEDS_DAYS else aggregate.BY_TERM
            for location in (root / "search_gold" / table.name for table in read_whole):
                row_count = delta_log.row_count(location)
                stored += bytes_below(location, "*.parquet") if row_count is None else 0
                gold_rows += row_count or 0
        new = 0
        if source is not None:  # a gzip file can hold a hundred times as much as it weighs: what is staged is counted
            new = max(content_ids.new_bytes(staging, source), ROW_BYTES * batches.staged_row_count(staging))
        return COMPRESSION * stored + ROW_BYTES * gold_rows + new

    def check_there(self, *, writes: bool = False) -> None:
        """Raise DataError where a command that only reads finds no local lakehouse, or half a one."""
        from search_forecast.lakehouse import half_restored

        if writes:
            return
        if not self.root.is_dir():
            raise DataError(
                f"{self.command}: no lakehouse at {self.root}; run demo or ingest first, or say --lakehouse DIR"
            )
        half_restored.refuse(self.root, self.command)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The lock on a local lakehouse; nothing for a task of a job, whose lakehouse is locked already."""
        if self.task_lakehouse is not None or self.catalog is not None:
            yield
            return
        from search_forecast.lakehouse import half_restored
        from search_forecast.lakehouse.lock import exclusive

        with exclusive(self.root, self.command):
            half_restored.refuse(self.root, self.command)
            yield

    def registry(self, *, writes: bool = False) -> "Registry":
        """The registry that belongs to the lakehouse."""
        from search_forecast.models.registry import DIRECTORY, Registry

        if self.task_lakehouse is not None and self.task_lakehouse.root is not None:
            return Registry(self.task_lakehouse.root / DIRECTORY)
        if self.catalog is None:
            self.check_there(writes=writes)
            return Registry(self.root / DIRECTORY)
        if not self.gold_schema:
            raise UsageError(f"{self.command}: --catalog needs --gold-schema too")
        prefix = f"{self.catalog}.{self.gold_schema}."
        return Registry(None, prefix=prefix, experiment=self.experiment or "/Shared/search_forecast")

    def result(self, values: Mapping[str, Any], *, next_step: str | None = None) -> int:
        """Print what a command did, and which command comes next."""
        self.values = values
        output.result(values, is_json=self.json)
        if next_step is not None and not self.json:
            self.hint(next_step)
        return 0

    def rows(self, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> int:
        """Print rows in the form that the flags ask for.

        Raises:
            UsageError: JSON is asked for, and would lose one of two columns of one name.
        """
        twice = repeated(columns) if self.json else None
        if twice is not None:
            advice = f"give one another name, such as: {twice} as {twice}_2"
            raise UsageError(f"{self.command}: JSON can't hold two columns called {twice}; {advice}")
        output.rows(columns, values, form="json" if self.json else "csv" if self.csv else "table")
        return 0

    @property
    def lakehouse_flag(self) -> str:
        """The flag that names the lakehouse in a command that comes next; empty where none is needed."""
        shown = output.printable(output.shell_word(self.lakehouse))
        return "" if self.lakehouse == DEFAULT_LAKEHOUSE else f"--lakehouse {shown}"

    def hint(self, command: str) -> None:
        """Say a command that comes next, with the lakehouse that was used."""
        if not self.quiet and self.task_lakehouse is None and self.catalog is None:
            output.note(output.printable(f"next: {output.program()} {command} {self.lakehouse_flag}".rstrip()))


def reader(root: Path) -> "Reader":
    """Answers what tasks ask of the tables in a directory; DuckDB starts with the first question."""
    from search_forecast.queries.local import LocalEngine

    return LocalEngine(root).rows
