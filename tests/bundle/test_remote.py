"""upload and run --remote against an HTTP server on loopback that answers as a workspace does."""

import json
from types import SimpleNamespace

import pytest

from search_forecast.bundle import remote
from search_forecast.cli import main
from support.workspace import JOB, LANDING, Workspace, answering, log_out


@pytest.fixture
def workspace(monkeypatch, tmp_path):
    with answering(Workspace()) as server:
        server.log_in(monkeypatch, tmp_path / "none.cfg")
        monkeypatch.setattr(remote, "_POLL_SECONDS", 0.01)
        yield server


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


def test_a_service_principals_copy_is_called_by_its_display_name_as_the_cli_does(workspace, files):
    workspace.user, workspace.display_name = "6f1c4d2e-8a57-4b0e-9c39-0123456789ab", "Ann's CI"
    workspace.volumes, landing = {LANDING.replace("_ann_", "_ann_s_ci_")}, LANDING.replace("_ann_", "_ann_s_ci_")
    workspace.jobs = {JOB.replace("ann", "ann_s_ci"): 7}

    assert main(["upload", str(files[0]), "--target", "dev"]) == 0
    assert main(["run", "medallion", "--remote", "--target", "dev"]) == 0

    assert list(workspace.files) == [f"{landing}/a.csv"]


def test_upload_to_a_bundle_without_a_landing_volume_is_one_line(workspace, files, capsys, monkeypatch, tmp_path):
    (tmp_path / "databricks.yml").write_text("bundle: {name: shop}\n")
    monkeypatch.chdir(tmp_path)

    assert main(["upload", str(files[0])]) == 2
    assert "upload: the bundle declares no volume landing" in capsys.readouterr().err


def test_the_run_that_comes_next_has_the_login_of_the_upload(workspace, files, capsys, monkeypatch, tmp_path):
    (tmp_path / "none.cfg").write_text(f"[my shop]\nhost = {workspace.url}\ntoken = {workspace.token}\n")
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name)

    assert main(["upload", str(files[0]), "--profile", "my shop"]) == 0

    assert "run medallion --remote --target dev --profile 'my shop'\n" in capsys.readouterr().err


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
    ("name", "message"),
    [
        ("none.csv", "no file"),
        ("a.xlsx", "a.xlsx: it must end in .csv, .tsv"),
        (".a.csv", ".a.csv, as its name begins with a dot"),
    ],
)
def test_upload_checks_the_files_before_it_logs_in(workspace, tmp_path, capsys, name, message):
    for there in ("a.xlsx", ".a.csv"):
        (tmp_path / there).write_text("x")

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

    assert len(workspace.started.pop("idempotency_token")) == 32  # asked again for want of an answer, it starts once
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


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (
            "jobs.JobsAPI.get_run",
            "run --remote: run 70 goes on in the workspace, out of sight from here: the workspace did",
        ),
        ("jobs.JobsAPI.list", "run --remote: the workspace did not answer: "),
        ("jobs.JobsAPI.run_now", "run --remote: the workspace did not answer: "),
        ("files.FilesAPI.upload", "upload: a.csv: the workspace did not answer: "),
    ],
)
@pytest.mark.usefixtures("workspace")
def test_a_workspace_that_answers_no_more_is_named(monkeypatch, files, capsys, lost, message):
    def no_answer(*_, **__):
        raise TimeoutError("Timed out after 0:01:00")

    monkeypatch.setattr(f"databricks.sdk.service.{lost}", no_answer)

    assert main(["upload", str(files[0])] if "upload" in lost else ["run", "medallion", "--remote"]) == 3

    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"search-forecast: {message}")
    assert said.endswith("Timed out after 0:01:00")


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
    log_out(monkeypatch, tmp_path / "none.cfg")

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


def test_a_parameter_that_the_job_does_not_have_starts_no_remote_run(workspace, capsys):
    assert main(["run", "medallion", "--remote", "--param", "sauce=/Volumes/x"]) == 2

    assert "job medallion: no parameter sauce; did you mean source?" in capsys.readouterr().err
    assert workspace.started is None


def test_flags_of_local_runs_do_not_go_with_remote(workspace, capsys):
    assert main(["run", "medallion", "--remote", "--from-failed"]) == 2
    assert "are for runs on this machine" in capsys.readouterr().err
    assert workspace.asked == []
