"""A workspace on loopback: a landing volume, jobs, SQL statements. It answers over HTTP as the real one does.

`Workspace` says what a test tells it to; `LocalWorkspace` runs the bundle's jobs in a lakehouse on this machine and
asks Spark.
"""

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from search_forecast.bundle.configuration import Bundle
from search_forecast.cli import main

Answer = dict[str, Any]
LANDING = "/Volumes/main/dev_ann_search_bronze/landing"
JOB = "[dev ann] search_medallion"
WAREHOUSE = "Serverless Starter Warehouse"


class Workspace(ThreadingHTTPServer):
    """One job, whose run goes on by one step at each look at it, and statements that take as many looks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.user, self.display_name, self.token = "ann@example.com", "Ann", "secret"
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.jobs, self.warehouses, self.volumes = {JOB: 7}, {WAREHOUSE: "w1"}, {LANDING}
        self.started: Answer | None = None
        self.cancelled: list[int] = []
        self.steps: list[tuple[str, str | None, str | None]] = [
            ("RUNNING", None, None),
            ("TERMINATED", "SUCCESS", None),
        ]
        self.statements: dict[str, Answer] = {}
        self.statement_steps = ["PENDING", "RUNNING", "SUCCEEDED"]
        self.chunk_rows, self.lost_rows = 2, 0
        self.tables: list[str] = []
        self.refusal, self.columns, self.rows = "", [("n", "LONG")], [["1"]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def log_in(self, monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
        log_out(monkeypatch, config)
        monkeypatch.setenv("DATABRICKS_HOST", self.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", self.token)

    def has_volume(self, directory: str) -> bool:
        return directory in self.volumes

    def has_file(self, name: str) -> bool:
        return name in self.files

    def keep(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def start(self, asked: Answer) -> int:
        self.started = asked
        return 70

    def run(self) -> Answer:
        life, result, failed = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        tasks = [task("ingest", 71, life, "SUCCESS" if result else None)]
        if failed:
            tasks.append(task(failed, 72, life, "FAILED"))
        return {"state": state(life, result), "tasks": tasks}

    def task_error(self, run_id: int) -> str | None:
        return "DataError: batch-000001: silver holds 3 records,\n expected 4"

    def answer(self, asked: Answer) -> tuple[list[tuple[str, str]], list[list[str | None]]]:
        """Columns of a statement with their types, and rows as text; ValueError where the warehouse refuses it."""
        if self.refusal:
            raise ValueError(self.refusal)
        return self.columns, self.rows

    def execute(self, asked: Answer) -> Answer:
        number = f"s{len(self.statements) + 1}"
        self.statements[number] = {"asked": asked, "steps": list(self.statement_steps)}
        return self.statement(number)

    def statement(self, number: str) -> Answer:
        """How far a statement is; once it has ended, its first rows."""
        statement = self.statements[number]
        steps = statement["steps"]
        now = steps.pop(0) if len(steps) > 1 else steps[0]
        status: Answer = {"state": now}
        if now == "SUCCEEDED":
            try:
                columns, statement["rows"] = self.answer(statement["asked"])
            except ValueError as error:
                status = {"state": "FAILED", "error": {"error_code": "BAD_REQUEST", "message": str(error)}}
            else:
                names = [{"name": name, "type_name": kind} for name, kind in columns]
                manifest = {"schema": {"columns": names}, "total_row_count": len(statement["rows"]) + self.lost_rows}
                return {"statement_id": number, "status": status, "manifest": manifest, "result": self.chunk(number, 0)}
        return {"statement_id": number, "status": status}

    def chunk(self, number: str, index: int) -> Answer:
        rows, start = self.statements[number]["rows"], index * self.chunk_rows
        more = {"next_chunk_index": index + 1} if start + self.chunk_rows < len(rows) else {}
        return {"chunk_index": index, "data_array": rows[start : start + self.chunk_rows], **more}


def state(life: str, result: str | None) -> Answer:
    return {"life_cycle_state": life} | ({"result_state": result} if result else {})


def task(key: str, run_id: int, life: str, result: str | None) -> Answer:
    return {"task_key": key, "run_id": run_id, "state": state(life, result)}


def log_out(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    """Nothing of this machine's own logins."""
    for name in [name for name in os.environ if name.startswith(("DATABRICKS_", "ARM_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(config))


class LocalWorkspace(Workspace):
    """Has a target of the bundle deployed: volumes and tables lie in a lakehouse, where `run` runs the jobs.

    Args:
        lakehouse: Its directory.
        bundle: As resolved for the target.
    """

    def __init__(self, lakehouse: Path, bundle: Bundle) -> None:
        super().__init__()
        self.lakehouse, self.bundle = lakehouse, bundle
        self.user = bundle.config["workspace"]["current_user"]["userName"]
        self._keys = dict(enumerate(bundle.resources("jobs"), 7))
        self.jobs = {bundle.resources("jobs")[key]["name"]: number for number, key in self._keys.items()}
        self.volumes = {volume["volume_path"] for volume in bundle.resources("volumes").values()}
        self._thread: threading.Thread | None = None
        self._runs, self._before = lakehouse / "_runs", set[Path]()

    def path(self, name: str) -> Path:
        return self.lakehouse / "_volumes" / name.removeprefix("/Volumes/")

    def has_file(self, name: str) -> bool:
        return self.path(name).exists()

    def keep(self, name: str, content: bytes) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(content)

    def start(self, asked: Answer) -> int:
        words = ["--lakehouse", str(self.lakehouse), "run", self._keys[asked["job_id"]], "--target", self.bundle.target]
        words += [word for pair in asked.get("job_parameters", {}).items() for word in ("--param", "=".join(pair))]
        self._before = set(self._runs.glob("*/*/run.json"))
        self._thread = threading.Thread(target=_run, args=(words,), daemon=True)
        self._thread.start()
        return 70

    def run(self) -> Answer:
        is_over = self._thread is not None and not self._thread.is_alive()
        run = self._saved()
        if not run:
            return {"state": state(*(("INTERNAL_ERROR", "FAILED") if is_over else ("PENDING", None)))}
        tasks = [
            task(key, 71 + number, *_ended(each["state"])) for number, (key, each) in enumerate(run["tasks"].items())
        ]
        return {"state": state("TERMINATED", run["state"]) if is_over else state("RUNNING", None), "tasks": tasks}

    def task_error(self, run_id: int) -> str | None:
        return list(self._saved()["tasks"].values())[run_id - 71]["error"]

    def answer(self, asked: Answer) -> tuple[list[tuple[str, str]], list[list[str | None]]]:
        """By Spark, whose SQL is the warehouse's; the job has attached the tables under their names."""
        try:
            result = SparkSession.builder.getOrCreate().sql(asked["statement"])
            rows = [[as_text(value) for value in row] for row in result.collect()]
        except PySparkException as error:
            raise ValueError(str(error)) from error
        kinds = [field.dataType.typeName().upper().replace("INTEGER", "INT") for field in result.schema.fields]
        return list(zip(result.columns, kinds, strict=True)), rows

    def _saved(self) -> Answer:
        """What the run has written of itself."""
        paths = set(self._runs.glob("*/*/run.json")) - self._before
        return json.loads(min(paths).read_text(encoding="utf-8")) if paths else {}


def _run(words: list[str]) -> None:
    SparkSession.builder.getOrCreate().createDataFrame([], "n int")  # makes it the active session of this thread too
    main(words)


def _ended(name: str) -> tuple[str, str | None]:
    return (name, None) if name in ("PENDING", "RUNNING") else ("TERMINATED", name)


def as_text(value: Any) -> str | None:
    if isinstance(value, bool | list):
        return json.dumps(value)
    return None if value is None else str(value)


class _Handler(BaseHTTPRequestHandler):
    server: Workspace

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: Answer | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status: int, code: str, message: str) -> None:
        self.answer(status, {"error_code": code, "message": message})

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        path, body = unquote(url.path), self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, path))
        oidc = f"{self.server.url}/oidc"  # where a service principal gets its token
        before_login: dict[str, Answer] = {
            "/.well-known/databricks-config": {"oidc_endpoint": oidc},
            "/oidc/.well-known/oauth-authorization-server": {"token_endpoint": f"{oidc}/token"},
            "/oidc/token": {"access_token": self.server.token, "token_type": "Bearer", "expires_in": 3600},
        }
        if path in before_login:
            return self.answer(200, before_login[path])
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.refuse(401, "UNAUTHENTICATED", "Invalid access token.")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if path.startswith("/api/2.0/fs/files"):
            return self.put(path.removeprefix("/api/2.0/fs/files"), query, body)
        if path.startswith("/api/2.0/fs/directories"):
            return self.make(path.removeprefix("/api/2.0/fs/directories").rstrip("/"))
        answer = self.route(re.sub(r"^/api/2\.\d/", "", path), {**query, **(json.loads(body) if body else {})})
        if answer is None:
            return self.refuse(404, "NOT_FOUND", f"no endpoint {path}")
        return self.answer(200, answer)

    do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815

    def route(self, path: str, asked: Answer) -> Answer | None:
        server = self.server
        if path.startswith("sql/statements"):
            return self.statement(path, asked)
        if path == "jobs/list":
            name = asked["name"].casefold()  # as the API compares
            jobs = [{"job_id": n, "settings": {"name": k}} for k, n in server.jobs.items() if k.casefold() == name]
            return {"jobs": jobs}
        if path == "jobs/run-now":
            return {"run_id": server.start(asked)}
        if path == "jobs/runs/get":
            return {"run_id": 70, "run_page_url": f"{server.url}/jobs/7/runs/70", **server.run()}
        if path == "jobs/runs/get-output":
            return {"error": server.task_error(int(asked["run_id"]))}
        if path == "jobs/runs/cancel":
            server.cancelled.append(asked["run_id"])
        fixed: dict[str, Answer] = {
            "jobs/runs/cancel": {},
            "unity-catalog/tables": {"tables": [{"name": name} for name in server.tables]},
            "preview/scim/v2/Me": {"id": "1", "userName": server.user, "displayName": server.display_name},
            "sql/warehouses": {"warehouses": [{"id": n, "name": name} for name, n in server.warehouses.items()]},
        }
        return fixed.get(path)

    def statement(self, path: str, asked: Answer) -> Answer:
        number, _, rest = path.removeprefix("sql/statements").removeprefix("/").partition("/")
        if not number:
            return self.server.execute(asked)
        if rest == "cancel":
            self.server.statements[number]["steps"] = ["CANCELED"]
            return {}
        return self.server.chunk(number, int(rest.rpartition("/")[2])) if rest else self.server.statement(number)

    def make(self, directory: str) -> None:
        """Make a directory in a volume; once more is no error."""
        if not self.server.has_volume(directory.rpartition("/")[0]):
            return self.refuse(404, "NOT_FOUND", "volume does not exist")
        self.server.volumes.add(directory)
        return self.answer(204)

    def put(self, name: str, query: dict[str, str], body: bytes) -> None:
        if not self.server.has_volume(name.rpartition("/")[0]):
            return self.refuse(404, "NOT_FOUND", "volume does not exist")
        if self.server.has_file(name) and query.get("overwrite") == "false":
            return self.refuse(409, "ALREADY_EXISTS", "The file being created already exists.")
        self.server.keep(name, body)
        return self.answer(204)


@contextmanager
def answering(server: Workspace) -> Iterator[Workspace]:
    """The workspace, which answers while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
