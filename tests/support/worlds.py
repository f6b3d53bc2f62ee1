"""Where a bundle's jobs run, behind one interface, so that one set of assertions holds for both.

`Here` runs them on this machine, by the local runner; `There` runs what is deployed in a workspace. Neither deploys
or removes anything.
"""

import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import date, datetime
from decimal import Decimal
from getpass import getuser
from pathlib import Path
from typing import Any, Protocol

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.sql import StatementResponse, StatementState
from rich.console import Console

from search_forecast.bundle import remote
from search_forecast.bundle.configuration import Bundle, User, load
from search_forecast.cli import main
from search_forecast.errors import DataError, UsageError
from support.delta import tables_in_duckdb
from support.places import PROJECT

Row = tuple[Any, ...]
POLL_SECONDS, STATEMENT_SECONDS = 2.0, 900.0
# How the text of a value is read, by its type; the API writes all values as text.
_READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("BYTE", "SHORT", "INT", "LONG"), int),
    **dict.fromkeys(("FLOAT", "DOUBLE"), float),
    **dict.fromkeys(("ARRAY", "MAP", "STRUCT"), json.loads),
    "BOOLEAN": {"true": True, "false": False}.__getitem__,
    "DATE": date.fromisoformat,
    "DECIMAL": Decimal,
    "TIMESTAMP": lambda text: datetime.fromisoformat(text.replace("Z", "+00:00")),
}


class World(Protocol):
    """What the assertions need.

    Attributes:
        name: For people.
        landing: The volume that files are delivered into.
        latest_run: Where to look at the latest run: a link, or its directory.
    """

    name: str
    landing: str
    latest_run: str

    def deliver(self, files: Sequence[Path]) -> None:
        """Put files into the landing volume."""

    def run(self, job: str) -> None:
        """Run a job to its end; AssertionError says which task failed, why, and where to look."""

    def rows(self, sql: str) -> list[Row]:
        """Ask a question about the tables, named `{gold}.term_summary`, in the SQL that both worlds share."""


def schemas(bundle: Bundle) -> dict[str, str]:
    return {layer: schema["name"] for layer, schema in bundle.resources("schemas").items()}


class Here:
    """A target's jobs and tables in a lakehouse on this machine."""

    def __init__(self, lakehouse: Path, target: str) -> None:
        self.name, self.latest_run = f"{target}, on this machine", "no run yet"
        self.bundle = load(PROJECT, user=User(getuser()), target=target)
        self.landing = remote.landing(self.bundle)
        self._lakehouse = lakehouse

    def deliver(self, files: Sequence[Path]) -> None:
        volume = self._lakehouse / "_volumes" / self.landing.removeprefix("/Volumes/")
        volume.mkdir(parents=True, exist_ok=True)
        for file in files:
            (volume / file.name).write_bytes(file.read_bytes())

    def run(self, job: str) -> None:
        words = ["--lakehouse", str(self._lakehouse), "run", job, "--target", self.bundle.target, "--json"]
        with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as complaint:
            code = main(words)
        if said.getvalue():
            self.latest_run = json.loads(said.getvalue())["directory"]
        assert code == 0, f"{self.name}: job {job}: {complaint.getvalue().splitlines()[-1]}"

    def rows(self, sql: str) -> list[Row]:
        statement = sql.format(**schemas(self.bundle))
        with tables_in_duckdb(self._lakehouse, statement) as connection:
            return connection.execute(statement).fetchall()


class There:
    """A target that is deployed in a workspace.

    Raises:
        EnvironmentProblem: no login, or it does not work.
        UsageError: the target is not in development mode: what is delivered stays in its tables.
    """

    def __init__(self, target: str, console: Console) -> None:
        self._client, user = remote.connect()
        self.bundle = load(PROJECT, user=user, target=target, environment=os.environ)
        if self.bundle.config["bundle"]["mode"] != "development":
            raise UsageError(f"{target} is not in development mode: what this delivers would stay in its tables")
        self.name, self.latest_run = f"{target}, in the workspace", "no run yet"
        self.landing = remote.landing(self.bundle)
        self._console = console
        self._catalog = self.bundle.resources("schemas")["gold"]["catalog_name"]
        self._warehouse = warehouse(self._client, self.bundle)

    def deliver(self, files: Sequence[Path]) -> None:
        remove = f"databricks bundle destroy --target {self.bundle.target}"
        told = f"what {len(files)} files bring stays in {self.landing} and the tables, until `{remove}`"
        self._console.print(told, soft_wrap=True)
        remote.upload(self._client, self.landing, files, self._console)

    def run(self, job: str) -> None:
        ended = remote.run(self._client, self.bundle, job, {}, self._console)
        self.latest_run = ended["run_page_url"]
        assert ended["error"] is None, f"{self.name}: job {job}: {ended['error']}; see {self.latest_run}"

    def rows(self, sql: str) -> list[Row]:
        return answer(self._client, self._warehouse, self._catalog, sql.format(**schemas(self.bundle)))


def warehouse(client: WorkspaceClient, bundle: Bundle) -> str:
    """The id of the warehouse that the bundle's dashboard uses; looked up by name where a variable says so.

    Raises:
        DataError: the workspace has none of that name.
    """
    number = bundle.resources("dashboards")["search_demand"]["warehouse_id"]
    if not bundle.unresolved(number):
        return str(number)
    name = bundle.raw["variables"]["warehouse_id"]["lookup"]["warehouse"]
    ids = {each.name: each.id for each in client.warehouses.list()}
    if name not in ids:
        raise DataError(f"no SQL warehouse {name!r}; set BUNDLE_VAR_warehouse_id to the id of one: {ids}")
    return ids[name]


def answer(client: WorkspaceClient, warehouse_id: str, catalog: str, sql: str) -> list[Row]:
    """All rows of a statement, however long it takes to start a warehouse, and however many parts it comes in.

    Raises:
        DataError: it failed, took too long, or rows are missing.
    """
    statements, deadline = client.statement_execution, time.monotonic() + STATEMENT_SECONDS
    got = statements.execute_statement(sql, warehouse_id, catalog=catalog, wait_timeout="30s")
    while _state(got) in (StatementState.PENDING, StatementState.RUNNING):
        if time.monotonic() > deadline:
            statements.cancel_execution(got.statement_id)
            raise DataError(f"statement {got.statement_id} took longer than {STATEMENT_SECONDS:g} s, cancelled: {sql}")
        time.sleep(POLL_SECONDS)
        got = statements.get_statement(got.statement_id)
    if _state(got) is not StatementState.SUCCEEDED:
        reason = got.status.error.message if got.status and got.status.error else "no message"
        raise DataError(f"statement {got.statement_id} {got.status.state.value}: {reason}: {sql}")
    texts, part = [], got.result
    while part is not None:
        texts += part.data_array or []
        following = part.next_chunk_index
        part = None if following is None else statements.get_statement_result_chunk_n(got.statement_id, following)
    if got.manifest.truncated or len(texts) != got.manifest.total_row_count:
        total = got.manifest.total_row_count
        raise DataError(f"statement {got.statement_id} gave {len(texts)} of {total} rows: {sql}")
    readers = [_READERS.get(column.type_name.value, str) for column in got.manifest.schema.columns]
    return [
        tuple(None if text is None else read(text) for read, text in zip(readers, row, strict=True)) for row in texts
    ]


def _state(got: StatementResponse) -> StatementState | None:
    return got.status.state if got.status else None
