"""Jobs of a bundle run on this machine: references, targets, the task graph, retries, timeouts, repairs."""

import json
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from search_forecast.bundle import conditions, graph, runner, runs, streams
from search_forecast.bundle.attempts import Backend
from search_forecast.bundle.configuration import User, load
from search_forecast.bundle.graph import State
from search_forecast.bundle.references import at_run_time, substitute
from search_forecast.cli import entry, main
from search_forecast.cli.bundle import VOLUMES, _largest_source
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import task_values

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=timezone.utc)
TOP = """
bundle: {name: shop}
include: [resources/*.yml]
variables:
  catalog: {default: main}
  hours: {default: 24}
  place: {default: "${var.catalog}.${resources.schemas.gold.name}"}
  mail: {description: no default}
targets:
  dev: {mode: development, default: true}
  prod:
    mode: production
    workspace: {root_path: "/Workspace/Shared/${bundle.name}"}
    variables: {catalog: prod_catalog}
    resources:
      jobs:
        flow:
          tags: {cost: shop}
          tasks: [{task_key: first, max_retries: 5}]
"""
SCHEMA = "resources: {schemas: {gold: {catalog_name: '${var.catalog}', name: search_gold}}}"


def wheel(key: str, *command: str, **more: object) -> dict[str, object]:
    task = {"package_name": "search_forecast", "entry_point": "search-forecast", "parameters": list(command)}
    return {"task_key": key, "python_wheel_task": task, **more}


def after(*keys: str) -> list[dict[str, str]]:
    return [{"task_key": key} for key in keys]


def bundle_of(tmp_path: Path, tasks: list[dict[str, object]], target: str | None = None, **job: object):
    (tmp_path / "resources").mkdir(exist_ok=True)
    (tmp_path / "databricks.yml").write_text(TOP)
    (tmp_path / "resources/gold.schema.yml").write_text(SCHEMA)
    flow = {"name": "flow", "tasks": tasks, **job}
    (tmp_path / "resources/flow.job.yml").write_text(json.dumps({"resources": {"jobs": {"flow": flow}}}))
    return load(tmp_path, user=User("Ann.Lee@example.com"), target=target)


class Commands:
    """Stands for the commands: notes what was called, does what a test says."""

    def __init__(self, **does):
        self.called, self.does = [], does

    def execute(self, command):
        self.called.append(" ".join(command))
        does = self.does.get(command[0])
        if callable(does):
            does(*command[1:])
        elif does is not None:
            raise does

    def backend(self):
        return Backend(self.execute, lambda key: None, lambda key: None, str)


def start(bundle, tmp_path, order=None):
    return runner.start(bundle, order or runner.Order("flow", {}), tmp_path / "lake", None, NOW)


def run(bundle, tmp_path, commands, parameters=None, *, tasks=(), is_repair=False):
    order = runner.Order("flow", parameters or {}, tasks, is_repair)
    job, pending = start(bundle, tmp_path, order)
    with streams.split():
        return runner.Runner(bundle, job, pending, commands.backend(), lambda _: None).execute()


def states(done) -> dict[str, str]:
    return {key: task.state.value for key, task in done.tasks.items()}


# --- references and targets


def test_a_text_that_is_one_reference_takes_the_values_type():
    values = {"var.hours": 24, "var.on": True}

    assert substitute(["${var.hours}", "${var.hours} h", "${var.on}!"], values.__getitem__) == [24, "24 h", "true!"]


def test_a_long_text_without_a_reference_is_read_at_once():
    begin = time.monotonic()

    substitute("${" + "a" * 200 + "-" * 200 + "!", {}.__getitem__)

    assert time.monotonic() - begin < 1


def test_run_time_references_take_numbers_and_booleans_as_the_workspace_writes_them():
    values = {"tasks.a.values.is_on": True, "job.run_id": 3, "task.name": "x"}
    assert at_run_time("{{tasks.a.values.is_on}}-{{ job.run_id }}-{{task_key}}", values) == "true-3-x"
    with pytest.raises(UsageError, match=r"nothing has set \{\{job.id\}\}"):
        at_run_time("{{job.id}}", values)


def test_development_prefixes_names_and_pauses_schedules(tmp_path):
    schedule = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"}
    bundle = bundle_of(tmp_path, [wheel("first", "clean", "${var.place}")], schedule=schedule)
    flow = bundle.resources("jobs")["flow"]

    assert flow["name"] == "[dev ann_lee] flow"
    assert flow["tags"] == {"dev": "ann_lee"}
    assert flow["max_concurrent_runs"] == 4
    assert flow["schedule"]["pause_status"] == "PAUSED"
    assert graph.read_job(bundle, "flow").tasks[0].command == ["clean", "main.dev_ann_lee_search_gold"]
    assert bundle.config["workspace"]["root_path"] == "/Workspace/Users/Ann.Lee@example.com/.bundle/shop/dev"


def test_a_target_overrides_variables_and_single_tasks(tmp_path):
    bundle = bundle_of(tmp_path, [wheel("first", "clean", "${var.place}"), wheel("second", "clean")], target="prod")
    flow = graph.read_job(bundle, "flow")

    assert flow.task("first").command == ["clean", "prod_catalog.search_gold"]
    assert (flow.task("first").max_retries, flow.task("second").max_retries) == (5, 0)
    assert bundle.config["workspace"]["root_path"] == "/Workspace/Shared/shop"
    assert "schedule" not in bundle.resources("jobs")["flow"]


def test_a_variable_is_taken_from_the_command_line_then_the_environment_then_the_overrides(tmp_path):
    bundle_of(tmp_path, [])
    overrides = tmp_path / ".databricks/bundle/dev/variable-overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(json.dumps({"catalog": "from_file", "hours": 1}))

    def catalog(given, environment):
        loaded = load(tmp_path, user=User("ann"), variables=given, environment=environment)
        return loaded.resources("schemas")["gold"]["catalog_name"]

    assert catalog({}, {}) == "from_file"
    assert catalog({}, {"BUNDLE_VAR_catalog": "from_env"}) == "from_env"
    assert catalog({"catalog": "given"}, {"BUNDLE_VAR_catalog": "from_env"}) == "given"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${var.nope}", "no variable nope"),
        ("${resources.schemas.nope.name}", "no schemas.nope"),
        ("${bundle.nope}", "there is no nope"),
        ("${var.mail}", "mail has no value; say --var mail="),
        ("{{job.parameters.nope}}", "the job has no parameter nope"),
        ("{{tasks.later.values.x}}", "later is not run before"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_before_anything_starts(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        start(bundle_of(tmp_path, [wheel("first", "clean", text), wheel("later", "clean")]), tmp_path)


# --- what can't run here


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([{"task_key": "n", "notebook_task": {"notebook_path": "x"}}], "n is a notebook_task, which can't run"),
        ([wheel("a", "clean", depends_on=after("b"))], "a depends on b, which is no task"),
        ([wheel("a", "c", depends_on=after("b")), wheel("b", "c", depends_on=after("a"))], "wait for each other"),
        ([wheel("a", "clean", run_if="SOMETIMES")], "run_if SOMETIMES"),
        ([{"task_key": "r", "run_job_task": {"job_id": 12}}], "only a job of this bundle"),
        ([{"task_key": "r", "run_job_task": {"job_id": "${resources.jobs.flow.id}"}}], "jobs call each other"),
    ],
)
def test_a_job_that_cannot_run_here_is_refused_before_anything_starts(tmp_path, tasks, message):
    bundle = bundle_of(tmp_path, [wheel("z", "clean"), *tasks])

    with pytest.raises(UsageError, match=message):
        start(bundle, tmp_path)
    assert not (tmp_path / "lake").exists()


# --- running


def test_tasks_run_after_what_they_depend_on_with_parameters_and_values(tmp_path):
    parameters = [{"name": "source", "default": "here"}]
    tasks = [
        wheel(
            "second",
            "clean",
            "--n={{tasks.first.values.n}}",
            "--on={{tasks.first.values.on}}",
            depends_on=after("first"),
        ),
        wheel("first", "ingest", "{{job.parameters.source}}"),
    ]
    commands = Commands(ingest=lambda source: task_values.publish({"n": 3, "on": True, "none": None, "list": [1]}))

    done = run(bundle_of(tmp_path, tasks, parameters=parameters), tmp_path, commands, {"source": "there"})

    assert commands.called == ["ingest there", "clean --n=3 --on=true"]
    assert done.state == "SUCCESS"
    assert done.tasks["first"].values == {"n": 3, "on": True}


def test_an_unknown_parameter_names_the_right_ones(tmp_path):
    bundle = bundle_of(tmp_path, [wheel("first", "clean")], parameters=[{"name": "source", "default": ""}])

    with pytest.raises(UsageError, match=r"no parameter sauce; did you mean source\?"):
        run(bundle, tmp_path, Commands(), {"sauce": "x"})


def test_independent_tasks_run_side_by_side(tmp_path):
    both = threading.Barrier(2)
    commands = Commands(left=lambda: both.wait(20), right=lambda: both.wait(20))  # alone, one would wait in vain

    assert run(bundle_of(tmp_path, [wheel("a", "left"), wheel("b", "right")]), tmp_path, commands).state == "SUCCESS"


def test_what_a_task_prints_and_logs_goes_to_its_own_log(tmp_path, capsys):
    import logging

    def speak(word):
        print(word)
        logging.getLogger("search_forecast").warning("log %s", word)

    logging.getLogger("search_forecast").setLevel(logging.INFO)
    done = run(bundle_of(tmp_path, [wheel("a", "say", "one"), wheel("b", "say", "two")]), tmp_path, Commands(say=speak))

    for key, word, other in (("a", "one", "two"), ("b", "two", "one")):
        log = Path(done.tasks[key].log).read_text()
        assert f"{word}\n" in log
        assert f"log {word}" in log
        assert other not in log
    assert capsys.readouterr().out == ""


def test_a_path_that_is_no_unicode_stops_no_task_and_spoils_no_record(tmp_path):
    tasks = [wheel("a", "ingest", "{{job.parameters.source}}")]
    bundle = bundle_of(tmp_path, tasks, parameters=[{"name": "source", "default": "x"}])
    seen = []

    def ingest(source):
        print(source)
        seen.append(source)

    done = run(bundle, tmp_path, Commands(ingest=ingest), {"source": "shop-\udce9"})

    assert (seen, done.state) == (["shop-\udce9"], "SUCCESS")
    assert runs.last(tmp_path / "lake", "flow", None).state == "SUCCESS"


def test_a_failure_leaves_out_what_depends_on_it_and_is_explained(tmp_path):
    tasks = [
        wheel("first", "clean"),
        wheel("second", "aggregate", depends_on=after("first")),
        wheel("third", "reconcile", depends_on=after("second")),
        wheel("other", "tables"),
    ]
    commands = Commands(aggregate=DataError("batch-000001 is wrong"))

    done = run(bundle_of(tmp_path, tasks), tmp_path, commands)

    assert states(done) == {"first": "SUCCESS", "second": "FAILED", "third": "UPSTREAM_FAILED", "other": "SUCCESS"}
    assert done.state == "FAILED"
    assert runner.first_failed(done) == "second: batch-000001 is wrong"
    assert "DataError: batch-000001 is wrong" in Path(done.tasks["second"].log).read_text()


@pytest.mark.parametrize(
    ("run_if", "states_before", "expected"),
    [
        ("ALL_SUCCESS", ("SUCCESS", "FAILED"), "UPSTREAM_FAILED"),
        ("ALL_SUCCESS", ("SUCCESS", "EXCLUDED"), "RUNNING"),
        ("ALL_SUCCESS", ("EXCLUDED", "EXCLUDED"), "EXCLUDED"),
        ("AT_LEAST_ONE_SUCCESS", ("SUCCESS", "FAILED"), "RUNNING"),
        ("AT_LEAST_ONE_SUCCESS", ("TIMEDOUT", "FAILED"), "UPSTREAM_FAILED"),
        ("NONE_FAILED", ("SUCCESS", "EXCLUDED"), "RUNNING"),
        ("NONE_FAILED", ("SUCCESS", "FAILED"), "UPSTREAM_FAILED"),
        ("ALL_DONE", ("FAILED", "UPSTREAM_FAILED"), "RUNNING"),
        ("AT_LEAST_ONE_FAILED", ("SUCCESS", "FAILED"), "RUNNING"),
        ("AT_LEAST_ONE_FAILED", ("SUCCESS", "SUCCESS"), "EXCLUDED"),
        ("ALL_FAILED", ("FAILED", "UPSTREAM_FAILED"), "RUNNING"),
        ("ALL_FAILED", ("SUCCESS", "FAILED"), "EXCLUDED"),
    ],
)
def test_run_if_decides_as_the_workspace_does(tmp_path, run_if, states_before, expected):
    tasks = [wheel("a", "x"), wheel("b", "x"), wheel("c", "x", depends_on=after("a", "b"), run_if=run_if)]
    task = graph.read_job(bundle_of(tmp_path, tasks), "flow").task("c")

    before = dict(zip(("a", "b"), map(State, states_before), strict=True))
    assert conditions.decide(task, before, {}) is State(expected)


def test_a_failure_that_a_later_task_handles_does_not_fail_the_run(tmp_path):
    tasks = [wheel("a", "bad"), wheel("clean_up", "tidy", depends_on=after("a"), run_if="AT_LEAST_ONE_FAILED")]

    done = run(bundle_of(tmp_path, tasks), tmp_path, Commands(bad=DataError("no")))

    assert (done.state, states(done)["clean_up"]) == ("SUCCESS_WITH_FAILURES", "SUCCESS")


@pytest.mark.parametrize(("drift", "retrained"), [("0.3", "SUCCESS"), ("0.05", "EXCLUDED")])
def test_a_condition_takes_one_branch(tmp_path, drift, retrained):
    condition = {"op": "GREATER_THAN", "left": "{{tasks.monitor.values.drift}}", "right": "0.1"}
    tasks = [
        wheel("monitor", "monitor"),
        {"task_key": "is_high", "condition_task": condition, "depends_on": after("monitor")},
        wheel("retrain", "train", depends_on=[{"task_key": "is_high", "outcome": "true"}]),
        wheel("report", "report", depends_on=after("retrain"), run_if="ALL_DONE"),
    ]
    commands = Commands(monitor=lambda: task_values.set_value("drift", float(drift)))

    done = run(bundle_of(tmp_path, tasks), tmp_path, commands)

    assert done.state == "SUCCESS"
    assert states(done)["retrain"] == retrained
    assert ("train" in commands.called) is (retrained == "SUCCESS")


@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [
        ("EQUAL_TO", "12.0", "12", False),  # text, as in the workspace
        ("NOT_EQUAL", "a", "b", True),
        ("GREATER_THAN_OR_EQUAL", "12.0", "12", True),
        ("LESS_THAN", "9", "10", True),
        ("LESS_THAN_OR_EQUAL", "11", "10", False),
    ],
)
def test_conditions_compare_text_or_numbers(op, left, right, expected):
    assert conditions.holds({"op": op}, left, right) is expected


def test_a_job_can_run_another_job_with_parameters(tmp_path):
    bundle = bundle_of(tmp_path, [wheel("first", "clean")])
    inner = {
        "name": "inner",
        "parameters": [{"name": "n", "default": "1"}],
        "tasks": [wheel("deep", "train", "{{job.parameters.n}}")],
    }
    call = {
        "task_key": "call",
        "run_job_task": {"job_id": "${resources.jobs.inner.id}", "job_parameters": {"n": "{{tasks.first.values.k}}"}},
        "depends_on": after("first"),
    }
    (tmp_path / "resources/inner.job.yml").write_text(json.dumps({"resources": {"jobs": {"inner": inner}}}))
    bundle = bundle_of(tmp_path, [wheel("first", "clean"), call])
    commands = Commands(clean=lambda: task_values.set_value("k", 7))

    assert run(bundle, tmp_path, commands).state == "SUCCESS"
    assert commands.called == ["clean", "train 7"]

    failing = Commands(clean=lambda: task_values.set_value("k", 7), train=DataError("too few days"))
    done = run(bundle, tmp_path, failing)
    assert done.state == "FAILED"
    assert "job inner ended FAILED: deep: too few days" in done.tasks["call"].error


def test_an_accident_is_retried_and_a_finding_is_not(tmp_path):
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("disk hiccup")

    tasks = [wheel("a", "flaky", max_retries=2), wheel("b", "bad", max_retries=2)]
    done = run(bundle_of(tmp_path, tasks), tmp_path, Commands(flaky=flaky, bad=DataError("wrong")))

    assert (done.tasks["a"].state, done.tasks["a"].attempts) == (State.SUCCESS, 3)
    assert (done.tasks["b"].state, done.tasks["b"].attempts) == (State.FAILED, 1)


def test_a_task_that_takes_too_long_is_stopped(tmp_path):
    def endless():
        while True:
            time.sleep(0.01)

    bundle = bundle_of(tmp_path, [wheel("a", "endless", timeout_seconds=1), wheel("b", "x", depends_on=after("a"))])
    begin = time.monotonic()
    done = run(bundle, tmp_path, Commands(endless=endless))

    assert states(done) == {"a": "TIMEDOUT", "b": "UPSTREAM_FAILED"}
    assert done.state == "TIMEDOUT"
    assert time.monotonic() - begin < 10
    assert "took longer than 1" in done.tasks["a"].error


def test_a_job_that_takes_too_long_is_stopped(tmp_path):
    def endless():
        while True:
            time.sleep(0.01)

    tasks = [wheel("a", "endless"), wheel("b", "x", depends_on=after("a"))]
    done = run(bundle_of(tmp_path, tasks, timeout_seconds=1), tmp_path, Commands(endless=endless))

    assert states(done) == {"a": "TIMEDOUT", "b": "CANCELED"}


def test_nothing_starts_once_the_job_has_taken_too_long(tmp_path):
    def endless():
        end = time.monotonic() + 10
        while time.monotonic() < end:
            time.sleep(0.01)

    tasks = [wheel(f"t{number}", "endless", timeout_seconds=600) for number in range(runner._SIDE_BY_SIDE + 1)]
    commands = Commands(endless=endless)
    done = run(bundle_of(tmp_path, tasks, timeout_seconds=1), tmp_path, commands)

    assert len(commands.called) < len(tasks)
    assert (set(states(done).values()), done.state) == ({"TIMEDOUT"}, "TIMEDOUT")
    assert {task.error for task in done.tasks.values()} == {"took longer than the job may take"}


def test_a_task_that_waits_for_another_attempt_gets_none_once_the_job_has_taken_too_long(tmp_path):
    def fail():
        raise OSError("disk hiccup")

    commands = Commands(flaky=fail)
    tasks = [wheel("a", "flaky", max_retries=3, min_retry_interval_millis=1500)]
    done = run(bundle_of(tmp_path, tasks, timeout_seconds=1), tmp_path, commands)

    assert (commands.called, states(done), done.state) == (["flaky"], {"a": "TIMEDOUT"}, "TIMEDOUT")


def test_files_in_a_volume_here_count_for_the_size_of_the_session(tmp_path):
    bundle = bundle_of(tmp_path, [wheel("a", "x")])
    landing = tmp_path / "lake" / VOLUMES / "main/b/landing"
    landing.mkdir(parents=True)
    _, pending = start(bundle, tmp_path)

    pending.parameters = {"text": "x" * 5000, "source": "/Volumes/main/b/landing"}
    assert _largest_source(pending, tmp_path / "lake", bundle) == landing


# --- repairs


def test_a_repair_runs_what_failed_and_what_was_left_out_with_the_values_of_before(tmp_path):
    tasks = [
        wheel("first", "ingest"),
        wheel("second", "aggregate", "{{tasks.first.values.n}}", depends_on=after("first")),
        wheel("third", "reconcile", depends_on=after("second")),
    ]
    bundle = bundle_of(tmp_path, tasks, parameters=[{"name": "source", "default": "x"}])
    failing = Commands(ingest=lambda: task_values.set_value("n", 5), aggregate=DataError("no"))
    first = run(bundle, tmp_path, failing, {"source": "y"})
    mended = Commands()

    done = run(bundle, tmp_path, mended, is_repair=True)

    assert mended.called == ["aggregate 5", "reconcile"]
    assert (done.state, done.run_id, done.repairs, done.parameters) == ("SUCCESS", first.run_id, 1, {"source": "y"})
    assert runs.last(tmp_path / "lake", "flow", None).state == "SUCCESS"


def test_a_killed_run_can_be_repaired(tmp_path):
    tasks = [wheel("first", "ingest"), wheel("second", "clean", depends_on=after("first"))]
    bundle = bundle_of(tmp_path, tasks)
    _, pending = start(bundle, tmp_path)
    pending.tasks["first"].state, pending.tasks["second"].state = State.SUCCESS, State.RUNNING
    pending.save()
    commands = Commands()

    done = run(bundle, tmp_path, commands, is_repair=True)

    assert (commands.called, done.state) == (["clean"], "SUCCESS")


def test_a_repair_without_an_earlier_run_says_so(tmp_path):
    with pytest.raises(UsageError, match="no earlier run"):
        run(bundle_of(tmp_path, [wheel("a", "x")]), tmp_path, Commands(), is_repair=True)


def test_one_task_runs_alone(tmp_path):
    tasks = [wheel("first", "ingest"), wheel("second", "clean", depends_on=after("first"))]
    commands = Commands()

    done = run(bundle_of(tmp_path, tasks), tmp_path, commands, tasks=("second",))

    assert (commands.called, states(done)) == (["clean"], {"second": "SUCCESS"})


def test_one_task_of_an_earlier_run_has_the_values_of_those_before_it(tmp_path):
    tasks = [
        wheel("first", "ingest"),
        wheel("second", "aggregate", "{{tasks.first.values.n}}", depends_on=after("first")),
        wheel("third", "reconcile", depends_on=after("second")),
    ]
    bundle = bundle_of(tmp_path, tasks)
    run(bundle, tmp_path, Commands(ingest=lambda: task_values.set_value("n", 5), aggregate=DataError("no")))
    one, rest = Commands(), Commands()

    done = run(bundle, tmp_path, one, tasks=("second",), is_repair=True)
    run(bundle, tmp_path, rest, is_repair=True)

    assert (one.called, done.state, rest.called) == (["aggregate 5"], "SUCCESS", ["reconcile"])


def test_ctrl_c_stops_the_tasks_and_keeps_the_run_for_a_repair(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    bundle = bundle_of(tmp_path, [wheel("a", "stop"), wheel("b", "x", depends_on=after("a"))])
    with pytest.raises(KeyboardInterrupt):
        run(bundle, tmp_path, Commands(stop=interrupt))

    assert runs.last(tmp_path / "lake", "flow", None).state == "CANCELED"


# --- the command


def test_a_failed_run_says_the_command_that_goes_on_with_it(tmp_path, capsys, monkeypatch):
    flags = ["--bronze-schema=b", "--silver-schema=s", "--gold-schema=g", "--catalog=${var.catalog}"]
    bundle_of(tmp_path, [wheel("first", "check", *flags)])
    monkeypatch.chdir(tmp_path)
    lake = tmp_path / "my lake"
    lake.mkdir()

    asked = ["run", "flow", "--target", "prod", "--var", "mail=to whom", "--lakehouse", str(lake)]
    assert main(asked) == 1

    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(f"run flow --from-failed --target prod --var 'mail=to whom' --lakehouse '{lake}'")
    assert main([*asked, "--task", "first"]) == 1
    assert "run flow --from-failed --target prod --task first --var " in capsys.readouterr().err
    assert main(["--lakehouse", str(lake), "runs"]) == 0
    assert f"run flow --from-failed --target prod --lakehouse '{lake}'" in capsys.readouterr().err


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


# --- in a workspace


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


def test_a_wheel_task_fails_by_an_exception_and_succeeds_without_one(monkeypatch, capsys):
    import sys

    monkeypatch.setattr(sys, "argv", ["search_forecast", "query", "nope"])
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 2

    monkeypatch.setattr(sys, "argv", ["search_forecast", "query"])
    assert entry() is None
    assert "top_terms" in capsys.readouterr().out
