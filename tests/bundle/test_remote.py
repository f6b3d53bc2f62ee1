"""upload and run --remote against an HTTP server on loopback that answers as a workspace does."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from search_forecast.bundle import remote
from search_forecast.cli import main

LANDING = "/Volumes/main/dev_ann_search_bronze/landing"
JOB = "[dev ann] search_medallion"


class Workspace(ThreadingHTTPServer):
    """A workspace with a landing volume and one job, whose run goes on by one step at each look at it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.jobs, self.cancelled = {}, [], {JOB: 7}, []
        self.volumes = {LANDING}
        self.started = None
        self.steps = [("RUNNING", None, None), ("TERMINATED", "SUCCESS", None)]
        self.token, self.tasks = "secret", {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle_any(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, unquote(url.path)))
        if url.path == "/.well-known/databricks-config":
            return self.answer(404, {"error_code": "NOT_FOUND", "message": "no"})
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.answer(401, {"error_code": "UNAUTHENTICATED", "message": "Invalid access token."})
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        return self.route(unquote(url.path), query, body)

    do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815

    def route(self, path, query, body):
        server = self.server
        if path == "/api/2.0/preview/scim/v2/Me":
            return self.answer(200, {"id": "1", "userName": "ann@example.com"})
        if path.startswith("/api/2.0/fs/"):
            return self.put(path.removeprefix("/api/2.0/fs/"), query, body)
        if re.fullmatch(r"/api/2\.[12]/jobs/list", path):
            name = query["name"].casefold()  # as the API compares
            jobs = [{"job_id": n, "settings": {"name": k}} for k, n in server.jobs.items() if k.casefold() == name]
            return self.answer(200, {"jobs": jobs})
        if path.endswith("/jobs/run-now"):
            server.started = json.loads(body)
            return self.answer(200, {"run_id": 70})
        if path.endswith("/jobs/runs/get"):
            return self.answer(200, self.run())
        if path.endswith("/jobs/runs/get-output"):
            return self.answer(200, {"error": "DataError: batch-000001: silver holds 3 records,\n expected 4"})
        if path.endswith("/jobs/runs/cancel"):
            server.cancelled.append(json.loads(body)["run_id"])
            return self.answer(200, {})
        return self.answer(404, {"error_code": "NOT_FOUND", "message": f"no endpoint {path}"})

    def put(self, path, query, body):
        files = self.server.files
        kind, _, name = path.partition("/")
        name = f"/{name}"
        if name.rpartition("/")[0] not in self.server.volumes:
            return self.answer(404, {"error_code": "NOT_FOUND", "message": "volume does not exist"})
        if name in files and query.get("overwrite") == "false":
            return self.answer(
                409, {"error_code": "ALREADY_EXISTS", "message": "The file being created already exists."}
            )
        if kind == "directories":
            self.server.volumes.add(name)
        else:
            files[name] = body
        self.send_response(204)
        self.end_headers()
        return None

    def run(self):
        steps = self.server.steps
        life, result, failed = steps.pop(0) if len(steps) > 1 else steps[0]
        tasks = [
            {
                "task_key": "ingest",
                "run_id": 71,
                "state": {"life_cycle_state": life, "result_state": "SUCCESS" if result else None},
            }
        ]
        if failed:
            tasks.append(
                {"task_key": failed, "run_id": 72, "state": {"life_cycle_state": life, "result_state": "FAILED"}}
            )
        state = {"life_cycle_state": life} | ({"result_state": result} if result else {})
        return {"run_id": 70, "run_page_url": f"{self.server.url}/jobs/7/runs/70", "state": state, "tasks": tasks}


@pytest.fixture
def workspace(monkeypatch, tmp_path):
    server = Workspace()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    log_in(monkeypatch, tmp_path, server)
    monkeypatch.setattr(remote, "_POLL_SECONDS", 0.01)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def log_in(monkeypatch, tmp_path, server=None):
    """Nothing of this machine's own logins; the server's, if there is one."""
    import os

    for name in [name for name in os.environ if name.startswith(("DATABRICKS_", "ARM_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none.cfg"))
    if server is not None:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", server.token)


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / "a.csv", tmp_path / "b.csv.gz"]
    for number, file in enumerate(made):
        file.write_bytes(b"day,month,year,searchterm\n" * (number + 1000))
    return made


def test_upload_puts_files_into_the_landing_volume_of_the_target(workspace, files, capsys):
    assert main(["upload", *map(str, files), "--target", "dev", "--json"]) == 0

    assert workspace.files == {f"{LANDING}/{file.name}": file.read_bytes() for file in files}
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"directory": LANDING, "files": 2, "bytes": 26 * 2001}
    assert "a.csv: 26,000 bytes" in shown.err


def test_upload_puts_files_of_a_layout_into_its_folder(workspace, files, capsys):
    assert main(["upload", str(files[0]), "--target", "dev", "--layout", "ubi", "--json"]) == 0
    assert main(["upload", str(files[1]), "--target", "dev", "--layout", "ubi"]) == 0

    assert workspace.files == {f"{LANDING}/ubi/{file.name}": file.read_bytes() for file in files}
    assert main(["upload", str(files[0]), "--layout", "../x"]) == 2
    assert "'../x' is no name of a layout, such as ubi" in capsys.readouterr().err


def test_upload_leaves_a_file_of_that_name_alone(workspace, files, capsys):
    workspace.files[f"{LANDING}/a.csv"] = b"old"

    assert main(["upload", str(files[0])]) == 1

    assert workspace.files[f"{LANDING}/a.csv"] == b"old"
    assert "has a a.csv already; deliver new records under a new name" in capsys.readouterr().err


def test_upload_before_the_first_deployment_says_what_to_do(workspace, files, capsys):
    workspace.volumes.clear()

    assert main(["upload", str(files[0])]) == 1
    assert f"no volume {LANDING}: deploy the bundle first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"), [("none.csv", "no file"), ("a.xlsx", "a.xlsx: it must end in .csv, .tsv")]
)
def test_upload_checks_the_files_before_it_logs_in(workspace, tmp_path, capsys, name, message):
    (tmp_path / "a.xlsx").write_text("x")

    assert main(["upload", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    assert workspace.asked == []


def test_upload_refuses_two_files_of_one_name(workspace, files, tmp_path, capsys):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.csv").write_text("x")

    assert main(["upload", str(files[0]), str(tmp_path / "more/a.csv")]) == 2
    assert "two files named a.csv" in capsys.readouterr().err


def test_a_remote_run_is_started_and_followed_to_its_end(workspace, capsys):
    assert main(["run", "medallion", "--remote", "--param", "source=/Volumes/x", "--json"]) == 0

    assert workspace.started == {"job_id": 7, "job_parameters": {"source": "/Volumes/x"}}
    shown = capsys.readouterr()
    assert json.loads(shown.out)["state"] == "SUCCESS"
    said = shown.err.splitlines()
    assert said[0] == f"run 70: {workspace.url}/jobs/7/runs/70"
    assert said[1:] == ["ingest: RUNNING", "ingest: SUCCESS"]


def test_a_failed_remote_run_ends_with_1_and_the_tasks_error(workspace, capsys):
    workspace.steps = [("RUNNING", None, None), ("TERMINATED", "FAILED", "clean")]

    assert main(["run", "medallion", "--remote"]) == 1

    said = capsys.readouterr().err.splitlines()[-1]
    assert "task clean FAILED: DataError: batch-000001: silver holds 3 records, expected 4" in said
    assert f"see {workspace.url}/jobs/7/runs/70" in said


def test_a_job_whose_name_differs_by_case_is_another(workspace):
    workspace.jobs[JOB.upper()] = 8

    assert main(["run", "medallion", "--remote"]) == 0
    assert workspace.started["job_id"] == 7


def test_a_job_that_is_not_deployed_says_so(workspace, capsys):
    workspace.jobs.clear()

    assert main(["run", "medallion", "--remote"]) == 1
    assert (
        "0 jobs named '[dev ann] search_medallion', expected 1: run `databricks bundle deploy"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(("answer", "cancelled"), [("y\n", [70]), ("\n", []), (None, [])])
def test_ctrl_c_asks_whether_to_cancel(workspace, monkeypatch, capsys, answer, cancelled):
    import io
    import sys

    def interrupt(_):
        raise KeyboardInterrupt

    keyboard = io.StringIO(answer or "")
    keyboard.isatty = lambda: answer is not None
    monkeypatch.setattr(sys, "stdin", keyboard)
    monkeypatch.setattr(remote, "time", SimpleNamespace(sleep=interrupt))  # other threads must go on sleeping

    assert main(["run", "medallion", "--remote"]) == 130

    assert workspace.cancelled == cancelled
    assert ("is being cancelled" if cancelled else "goes on in the workspace") in capsys.readouterr().err


@pytest.mark.parametrize("command", [["upload", "FILE"], ["run", "medallion", "--remote"]])
def test_no_login_is_one_line_and_exit_code_3(monkeypatch, tmp_path, files, capsys, command):
    log_in(monkeypatch, tmp_path)

    assert main([str(files[0]) if word == "FILE" else word for word in command]) == 3

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no workspace login" in said
    assert "databricks auth login" in said


def test_a_refused_login_is_one_line_and_exit_code_3(workspace, monkeypatch, capsys):
    monkeypatch.setenv("DATABRICKS_TOKEN", "old")

    assert main(["run", "medallion", "--remote"]) == 3

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Invalid access token" in said


def test_flags_of_local_runs_do_not_go_with_remote(workspace, capsys):
    assert main(["run", "medallion", "--remote", "--from-failed"]) == 2
    assert "are for runs on this machine" in capsys.readouterr().err
    assert workspace.asked == []
