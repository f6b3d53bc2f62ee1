"""`run` as people type it: dry runs, wrong usage, the session's size; and a task as the workspace calls it."""

import json

import pytest

from search_forecast.cli import entry, main
from search_forecast.cli.bundle import VOLUMES, _largest_source
from search_forecast.lakehouse import task_values
from support.jobs import bundle_of, start, wheel


def test_files_in_a_volume_here_count_for_the_size_of_the_session(tmp_path):
    bundle = bundle_of(tmp_path, [wheel("a", "x")])
    landing = tmp_path / "lake" / VOLUMES / "main/b/landing"
    landing.mkdir(parents=True)
    _, pending = start(bundle, tmp_path)

    pending.parameters = {"text": "x" * 5000, "source": "/Volumes/main/b/landing"}
    assert _largest_source(pending, tmp_path / "lake", bundle) == landing


def test_dry_run_prints_the_resolved_graph_and_starts_nothing(tmp_path, capsys):
    lake = tmp_path / "lake"

    assert main(["--lakehouse", str(lake), "run", "medallion", "--dry-run", "--param", "source=files"]) == 0

    shown = capsys.readouterr().out
    assert "parameter source=files" in shown
    assert "aggregate (after clean; up to 2 retries)" in shown
    assert "--gold-schema=search_gold" in shown
    assert not lake.exists()


def test_dry_run_of_a_target_shows_its_names_as_json(tmp_path, capsys):
    assert main(["--lakehouse", str(tmp_path), "run", "medallion", "--dry-run", "--json", "--target", "dev"]) == 0

    plan = json.loads(capsys.readouterr().out)
    assert [task["task"] for task in plan["tasks"]] == ["ingest", "clean", "aggregate", "reconcile", "trends"]
    assert any(text.startswith("--gold-schema=dev_") for text in plan["tasks"][2]["parameters"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "medalion"], "no job medalion; did you mean medallion?"),
        (["run", "medallion", "--target", "production"], "no target production; there are: dev, prod, staging"),
        (["run", "medallion", "--param", "source"], "is no k=v"),
        (["run", "medallion", "--param", "sauce=x"], "no parameter sauce"),
        (["run", "medallion", "--task", "clan"], "no task clan"),
        (["run", "medallion", "--var", "nope=1"], "no variable nope"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    code = main(["--lakehouse", str(tmp_path / "lake"), *arguments])

    said = capsys.readouterr().err
    assert code == 2
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["report"], "job flow: a: report is no command for a task; nothing was started"),
        (["aggregate", "--catalog=main", "--gold-schema=g"],
         "job flow: a: aggregate needs --bronze-schema, --silver-schema too, to find the tables in a workspace"),
        (["aggregate", "--bronze-schema=b", "--silver-schema=s", "--gold-schema=g"],
         "job flow: a: aggregate needs --catalog too, to find the tables in a workspace; nothing was started"),
    ],
)  # fmt: skip
def test_a_command_that_could_not_run_in_a_workspace_is_refused(tmp_path, capsys, monkeypatch, command, message):
    bundle_of(tmp_path, [wheel("a", *command)])
    monkeypatch.chdir(tmp_path)

    assert main(["run", "flow"]) == 2

    assert message in capsys.readouterr().err
    assert not (tmp_path / ".lakehouse").exists()


def test_in_a_workspace_task_values_go_to_the_workspaces_own_keeper(monkeypatch):
    import sys
    import types

    kept = {}
    keeper = types.SimpleNamespace(set=lambda key, value: kept.update({key: value}))
    runtime = types.SimpleNamespace(dbutils=types.SimpleNamespace(jobs=types.SimpleNamespace(taskValues=keeper)))
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", runtime)
    task_values.publish({"n": 1})
    assert kept == {}

    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4")
    task_values.publish({"n": 1, "none": None})

    assert kept == {"n": 1}


def test_a_workspace_that_refuses_task_values_fails_no_task(monkeypatch, caplog):
    import sys
    import types

    def refuse(**_):
        raise RuntimeError("not in a notebook")

    dbutils = types.SimpleNamespace(jobs=types.SimpleNamespace(taskValues=types.SimpleNamespace(set=refuse)))
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", types.SimpleNamespace(dbutils=dbutils))
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4")

    task_values.publish({"n": 1, "m": 2})

    assert [record.getMessage() for record in caplog.records] == [
        "the workspace takes no task values (not in a notebook): later tasks can't read them"
    ]


def test_a_wheel_task_fails_by_an_exception_and_succeeds_without_one(monkeypatch, capsys):
    import sys

    monkeypatch.setattr(sys, "argv", ["search_forecast", "query", "nope"])
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 2

    monkeypatch.setattr(sys, "argv", ["search_forecast", "query"])
    assert entry() is None
    assert "top_terms" in capsys.readouterr().out
