"""A run here refuses what the checks refuse of jobs that others write; the rest it does as the workspace does."""

import json

import pytest

from search_forecast import cli
from search_forecast.bundle import checks, conditions, runner, streams
from search_forecast.bundle.attempts import Backend
from search_forecast.bundle.configuration import User, load
from search_forecast.bundle.graph import State, read_job
from search_forecast.errors import UsageError
from search_forecast.lakehouse import task_values
from support.bundles import root, write
from support.jobs import NOW, after, wheel


def bundle_of(tmp_path, jobs, more="", **flags):
    write(tmp_path, root(f"resources: {json.dumps({'jobs': jobs})}\n{more}"))
    return load(tmp_path, user=User("ann"), **flags)


def started(tmp_path, jobs, key="flow", **parameters):
    return runner.start(bundle_of(tmp_path, jobs), runner.Order(key, parameters), tmp_path / "lake", None, NOW)


def run(tmp_path, jobs, does=lambda *_: None, **parameters):
    """A run, and the command lines that it called."""
    called = []

    def execute(words):
        called.append(" ".join(words))
        does(*words)

    bundle = bundle_of(tmp_path, jobs)
    job, pending = runner.start(bundle, runner.Order("flow", parameters), tmp_path / "lake", None, NOW)
    backend = Backend(execute, lambda key: None, lambda key: None, str)
    with streams.split():
        return runner.Runner(bundle, job, pending, backend, lambda _: None).execute(), called


def condition(key, **settings):
    return {"task_key": key, "condition_task": {"op": "EQUAL_TO", "left": "a", "right": "b", **settings}}


def loop(task, inputs="[1]"):
    return {"task_key": f"each_{task['task_key']}", "for_each_task": {"inputs": inputs, "task": task}}


CALL = {"task_key": "call", "run_job_task": {"job_id": "${resources.jobs.other.id}"}}


@pytest.mark.parametrize(
    ("flow", "other", "message"),
    [
        ({}, [], "has no tasks"),
        ({"tasks": []}, [], "has no tasks"),
        ({"tasks": [wheel("a", "x"), wheel("b", "x", depends_on=after("c"))]}, [], "b depends on c, which is no task"),
        ({"tasks": [wheel("a", "x", depends_on=after("a"))]}, [], "tasks wait for each other: a -> a"),
        ({"tasks": [wheel("a", "x", depends_on=["b"]), wheel("b", "x")]}, [], "depends_on: expected mappings, got a"),
        ({"tasks": [wheel("a", "x", depends_on={"task_key": "b"})]}, [], "depends_on: expected a list, got a mapping"),
        ({"tasks": [wheel("a", "x", depends_on=[{"task_key": "b", "outcome": "true"}]), wheel("b", "x")]}, [],
         "a waits for the outcome true of b, which is no condition_task"),
        ({"tasks": [wheel("a", "x", depends_on=[{"task_key": "b", "outcome": "maybe"}]), condition("b")]}, [],
         "a waits for the outcome maybe of b; it is true or false"),
        ({"tasks": [wheel("a", "x", run_if="SOMETIMES")]}, [], "run_if SOMETIMES is none of"),
        ({"tasks": [condition("a", op="LIKE")]}, [], "op LIKE is none of"),
        ({"tasks": [wheel("a", "x", **condition("b"))]}, [], "is python_wheel_task and condition_task"),
        ({"tasks": [{"task_key": "a"}]}, [], "is no task of any kind"),
        ({"tasks": [wheel("a b", "x")]}, [], "its key has other characters"),
        ({"tasks": [loop(loop(wheel("a", "x")))]}, [], "repeats a for_each_task, which none can"),
        ({"tasks": [loop(wheel("a", "x"), "clean, aggregate")]}, [], "inputs 'clean, aggregate' are no JSON list"),
        ({"tasks": [loop(wheel("a", "x"), '{"a": 1}')]}, [], "inputs '{\"a\": 1}' are no JSON list"),
        ({"tasks": [loop(wheel("a", "x"), ["clean"])]}, [], "inputs ['clean'] are no JSON list"),
        ({"tasks": [wheel("a", "x", timeout_seconds="soon")]}, [],
         "timeout_seconds: expected a whole number, got 'soon'"),
        ({"tasks": [wheel("a", "x", timeout_seconds=-5)]}, [], "a: timeout_seconds is less than 0"),
        ({"tasks": [wheel("a", "x", timeout_seconds=10**10)]}, [], "a: timeout_seconds is more than 292 years"),
        ({"tasks": [wheel("a", "x", min_retry_interval_millis=-1)]}, [], "a: min_retry_interval_millis is less than 0"),
        ({"tasks": [wheel("a", "x", timeout_seconds=1.5)]}, [], "timeout_seconds: expected a whole number, got 1.5"),
        ({"tasks": [wheel("a", "x", max_retries=".inf")]}, [], "max_retries: expected a whole number, got '.inf'"),
        ({"tasks": [wheel("a", "x", max_retries="1_0")]}, [], "max_retries: expected a whole number, got '1_0'"),
        ({"tasks": [wheel("a", "x", max_retries=True)]}, [], "max_retries: expected a whole number, got True"),
        ({"tasks": [wheel("a", "x")], "timeout_seconds": -5}, [], "timeout_seconds is less than 0"),
        ({"tasks": [wheel("a", "{{job.parameters.`a b`}}")], "parameters": [{"name": "a b", "default": 1}]}, [],
         "the parameter a b: its name has other characters than letters, digits, -, _ and ."),
        ({"tasks": [wheel("a", "{{job.parameters.p}}")], "parameters": [{"name": "p"}]}, [], "p has no default"),
        ({"tasks": [wheel("a", "x")], "parameters": [{"name": "p", "default": "{{job.naem}}"}]}, [], "job.name?"),
        ({"tasks": [wheel("a", "{{job.parameters.p}}")]}, [], "the job has no parameter p"),
        ({"tasks": [wheel("a", "{{tasks.b.values.n}}"), wheel("b", "x", depends_on=after("a"))]}, [],
         "{{tasks.b.values.n}}: b is not run before"),
        ({"tasks": [wheel("a", "{{tasks.c.result_state}}")]}, [], "the job has no task c"),
        ({"tasks": [wheel("a", "{{job.naem}}")]}, [], "{{job.naem}} is nothing that a job knows; did you mean"),
        ({"tasks": [wheel("a", "{{job.id + 1}}")]}, [], "{{job.id + 1}} is nothing that a job knows"),
        ({"tasks": [wheel("a", "{{input}}")]}, [], "{{input}} is known to the task of a for_each_task only"),
        ({"tasks": [{**CALL, "run_job_task": {**CALL["run_job_task"], "job_parameters": {"n": 1}}}]}, [wheel("a", "x")],
         "job other: no parameter n"),
        ({"tasks": [CALL]}, [{"task_key": "back", "run_job_task": {"job_id": "${resources.jobs.flow.id}"}}],
         "jobs call each other: flow -> other -> flow"),
        ({"tasks": [CALL]}, [{"task_key": "more", "run_job_task": {"job_id": "${resources.jobs.other.id}"}}],
         "jobs call each other: flow -> other -> other"),
        ({"tasks": [CALL]}, [wheel("a", "{{job.parameters.p}}")], "the job has no parameter p"),
    ],
)  # fmt: skip
def test_what_a_run_refuses_the_checks_refuse(tmp_path, flow, other, message):
    jobs = {"flow": flow, "other": {"tasks": other}} if other else {"flow": flow}

    with pytest.raises(UsageError) as refused:
        started(tmp_path, jobs)

    assert message in str(refused.value)
    assert str(refused.value).startswith("databricks.yml:2: jobs.")
    assert not (tmp_path / "lake").exists()
    assert any(message in line for line in checks.check(tmp_path, cli.parse))


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
def test_what_is_no_number_at_all_is_refused_in_one_line(tmp_path, number):
    jobs = json.dumps({"jobs": {"flow": {"tasks": [wheel("a", "x", max_retries="N")]}}})
    write(tmp_path, root(f"resources: {jobs}\n".replace('"N"', number)))

    with pytest.raises(UsageError, match="max_retries: expected a whole number"):
        read_job(load(tmp_path, user=User("ann")), "flow")
    assert any("max_retries: expected a whole number" in line for line in checks.check(tmp_path, cli.parse))


@pytest.mark.parametrize("inputs", ["[1]", "{{job.parameters.p}}", "{{tasks.first.values.layers}}", '["${var.x}"]'])
def test_what_a_for_each_task_can_repeat_over_is_no_mistake(tmp_path, inputs):
    flow = {"tasks": [wheel("first", "x"), {**loop(wheel("m", "x"), inputs), "depends_on": after("first")}],
            "parameters": [{"name": "p", "default": "[1]"}]}  # fmt: skip

    bundle_of(tmp_path, {"flow": flow}, "variables: {x: {description: x}}\n")

    assert not [line for line in checks.check(tmp_path, cli.parse) if "inputs" in line]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"task_key": "n", "notebook_task": {"notebook_path": "/x"}}, "n is a notebook_task, which can't run on this"),
        ({"task_key": "n", "for_each_task": {"inputs": "[1]", "task": wheel("m", "x")}}, "n is a for_each_task"),
        (wheel("n", "{{workspace.url}}"), "{{workspace.url}}, which has no value on this machine"),
        (wheel("n", "{{job.trigger.file_arrival.location}}"), "which has no value on this machine"),
        (wheel("n", "${bundle.git.branch}"), "${bundle.git.branch}, which only a deployment knows"),
        ({"task_key": "n", "run_job_task": {"job_id": 12}}, "only a job of this bundle can run"),
    ],
)
def test_what_runs_in_a_workspace_only_is_refused_and_no_mistake(tmp_path, task, message):
    with pytest.raises(UsageError) as refused:
        started(tmp_path, {"flow": {"name": "flow", "tasks": [task]}})

    assert message in str(refused.value)
    said = checks.check(tmp_path, cli.parse)
    assert not [line for line in said if "environment" not in line and "no command" not in line], said


def test_a_parameter_that_only_a_workspace_fills_is_to_be_said_here(tmp_path):
    parameters = [{"name": "source", "default": "{{job.trigger.file_arrival.location}}"}]
    jobs = {"flow": {"tasks": [wheel("a", "{{job.parameters.source}}")], "parameters": parameters}}

    with pytest.raises(UsageError) as refused:
        started(tmp_path, jobs)

    said = "{{job.trigger.file_arrival.location}}, which has no value on this machine; say --param source=..."
    assert str(refused.value) == f"job flow: the parameter source is {said}"
    named = {
        "flow": {**jobs["flow"], "parameters": [*parameters, {"name": "p", "default": "{{job.parameters.source}}"}]}
    }
    with pytest.raises(UsageError, match=r"the parameter p is \{\{job.parameters.source\}\}, which has no value on"):
        started(tmp_path, named, source="files")
    assert run(tmp_path, jobs, source="files")[1] == ["files"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{job.parameters.day}}", "2024-03-01"),
        ("{{ job.parameters.[day] }}", "2024-03-01"),
        ("{{job.parameters.`day`}}", "2024-03-01"),
        ("{{job.parameters.`odd.name`}}", "7"),
        ("{{job.parameters.started}}", "started 2026-11-23"),
        ("{{job.start_time.iso_datetime}} {{job.start_time.is_weekday}}", "2026-11-23T07:00:00 true"),
        ("{{start_date}} {{task_key}}", "2026-11-23 first"),
        ("{{job.trigger.type}} {{job.repair_count}} {{task.execution_count}}", "one_time 0 1"),
        ("{{my.value}} {{ jinja }} {{job.name}", "{{my.value}} {{ jinja }} {{job.name}"),  # no references: text
    ],
)
def test_a_reference_is_filled_as_in_the_workspace(tmp_path, text, expected):
    parameters = [{"name": "day", "default": "2024-03-01"}, {"name": "odd.name", "default": 7},
                  {"name": "started", "default": "started {{job.start_time.iso_date}}"}]  # fmt: skip

    _, called = run(tmp_path, {"flow": {"tasks": [wheel("first", text)], "parameters": parameters}})

    assert called == [expected]


def test_a_later_task_knows_how_an_earlier_one_went(tmp_path):
    text = "{{tasks.a-b.result_state}} {{tasks.`a-b`.values.n}}"
    flow = {"tasks": [wheel("a-b", "x"), wheel("c", text, depends_on=after("a-b"))]}

    _, called = run(tmp_path, {"flow": flow}, lambda word: word == "x" and task_values.set_value("n", 5))

    assert called[1] == "success 5"


@pytest.mark.parametrize(
    "flow",
    [
        {"timeout_seconds": "${var.t}", "tasks": [wheel("a", "x", existing_cluster_id="c")]},
        {"tasks": [wheel("a", "x", existing_cluster_id="c", max_retries="${var.t}")]},
        {"tasks": [wheel("a", "x", job_cluster_key="${var.t}")]},
        {"tasks": [wheel("a", "x", environment_key="${var.t}")]},
    ],
)
def test_a_variable_that_is_yet_to_be_given_is_no_mistake_and_asked_for_by_a_run(tmp_path, flow):
    bundle = bundle_of(tmp_path, {"flow": flow}, "variables: {t: {description: given later}}\n")

    said = [line for line in checks.check(tmp_path, cli.parse) if "no command" not in line]
    with pytest.raises(UsageError, match="job flow: the variable t has no value; say --var t="):
        runner.start(bundle, runner.Order("flow", {}), tmp_path / "lake", None, NOW)

    assert said == []


def test_scalars_are_passed_on_as_the_workspace_gets_them(tmp_path):
    write(tmp_path, root("""resources:
  jobs:
    flow:
      parameters: [{name: n, default: 1.0}, {name: is_on, default: true}]
      tasks:
        - task_key: a
          python_wheel_task:
            package_name: search_forecast
            entry_point: search-forecast
            parameters: [NO, on, true, 22:30, 0123, 2024-03-01, 1.0, "{{job.parameters.n}}", "{{job.parameters.is_on}}"]
"""))  # fmt: skip

    job = read_job(load(tmp_path, user=User("ann")), "flow")

    assert job.tasks[0].command[:7] == ["NO", "on", "true", "22:30", "123", "2024-03-01", "1"]
    assert job.parameters == {"n": "1", "is_on": "true"}


def test_a_timeout_that_is_given_as_text_is_a_number(tmp_path):
    jobs = {"flow": {"timeout_seconds": "${var.seconds}", "tasks": [wheel("a", "x", max_retries="${var.seconds}")]}}
    more = "variables: {seconds: {default: 60}}\n"

    job = read_job(bundle_of(tmp_path, jobs, more, variables={"seconds": "90"}), "flow")

    assert (job.timeout_seconds, job.tasks[0].max_retries) == (90, 90)
    with pytest.raises(UsageError, match="max_retries: expected a whole number, got 'long'"):
        read_job(bundle_of(tmp_path, jobs, more, variables={"seconds": "long"}), "flow")


@pytest.mark.parametrize(
    "task",
    [
        CALL,
        {"task_key": "n", "notebook_task": {"notebook_path": "/x"}},
        {"task_key": "c", "run_job_task": {"job_id": 12}},
        {"task_key": "s", "sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}}},
    ],
)
def test_a_parameter_that_is_pushed_down_to_a_task_is_used(tmp_path, task):
    days = [{"name": "days", "default": "30"}]
    other = {"tasks": [wheel("a", "{{job.parameters.days}}")], "parameters": days}
    bundle_of(tmp_path, {"flow": {"tasks": [task], "parameters": days}, "other": other})

    assert not [line for line in checks.check(tmp_path, cli.parse) if "nothing uses the parameter" in line]
    bundle_of(tmp_path, {"flow": {"tasks": [CALL], "parameters": [{"name": "dyas", "default": "1"}]}, "other": other})
    assert [line for line in checks.check(tmp_path, cli.parse) if "nothing uses the parameter dyas" in line]


# --- disabled tasks


@pytest.mark.parametrize(
    ("run_if", "others", "expected"),
    [
        ("ALL_SUCCESS", ["SUCCESS"], "DISABLED"),
        ("AT_LEAST_ONE_SUCCESS", ["SUCCESS"], "RUNNING"),
        ("AT_LEAST_ONE_SUCCESS", ["FAILED"], "UPSTREAM_FAILED"),
        ("AT_LEAST_ONE_SUCCESS", [], "DISABLED"),
        ("NONE_FAILED", ["EXCLUDED"], "RUNNING"),
        ("NONE_FAILED", ["FAILED"], "UPSTREAM_FAILED"),
        ("NONE_FAILED", [], "DISABLED"),
        ("ALL_DONE", [], "RUNNING"),
        ("AT_LEAST_ONE_FAILED", ["FAILED"], "RUNNING"),
        ("AT_LEAST_ONE_FAILED", ["SUCCESS"], "EXCLUDED"),
        ("ALL_FAILED", ["FAILED"], "DISABLED"),
    ],
)
def test_what_comes_after_a_disabled_task_runs_as_the_vendor_documents(tmp_path, run_if, others, expected):
    keys = [f"t{number}" for number in range(len(others))]
    tasks = [wheel("off", "x", disabled=True), *(wheel(key, "x") for key in keys)]
    tasks.append(wheel("last", "x", depends_on=after("off", *keys), run_if=run_if))
    task = read_job(bundle_of(tmp_path, {"flow": {"tasks": tasks}}), "flow").task("last")

    states = {"off": State.DISABLED, **dict(zip(keys, map(State, others), strict=True))}

    assert conditions.decide(task, states, {}) is State(expected)


@pytest.mark.parametrize("disabled", [True, "yes"])
def test_a_disabled_task_is_left_out_and_fails_nothing(tmp_path, disabled):
    tasks = [wheel("off", "x", disabled=disabled), wheel("next", "x", depends_on=after("off")), wheel("own", "y")]

    ended, called = run(tmp_path, {"flow": {"tasks": tasks}})

    assert called == ["y"]
    assert {key: task.state.value for key, task in ended.tasks.items()} == {
        "off": "DISABLED", "next": "DISABLED", "own": "SUCCESS"
    }  # fmt: skip
    assert ended.state == "SUCCESS"


# --- the command line


@pytest.fixture
def shop(tmp_path, monkeypatch):
    flags = ["--bronze-schema=b", "--silver-schema=s", "--gold-schema=g", "--catalog=${var.catalog}"]
    flow = {"name": "flow", "tasks": [wheel("a", "aggregate", *flags)]}
    text = f"resources: {json.dumps({'jobs': {'flow': flow}})}\nvariables: {{catalog: {{default: main}}}}\n"
    write(tmp_path, root(f"{text}targets: {{dev: {{default: true}}, prod: {{variables: {{catalog: live}}}}}}\n"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_a_job_that_is_called_are_checked_before_anything_starts(tmp_path, monkeypatch, capsys):
    flags = ["--bronze-schema=b", "--silver-schema=s", "--gold-schema=g", "--catalog=main"]
    first = wheel("first", "aggregate", *flags)
    settings = {**CALL["run_job_task"], "job_parameters": {"days": "{{job.parameters.days}}"}}
    flow = {"tasks": [first, {**CALL, "depends_on": after("first"), "run_job_task": settings}]}
    maintain = wheel("a", "maintain", "--retention-days={{job.parameters.days}}", *flags)
    days = [{"name": "days", "default": "30"}]
    bundle_of(tmp_path, {"flow": {**flow, "parameters": days}, "other": {"tasks": [maintain], "parameters": days}})
    monkeypatch.chdir(tmp_path)

    assert cli.main(["run", "flow", "--param", "days=many"]) == 2

    assert "job other: a: maintain: Invalid value for '--retention-days': 'many' is not" in capsys.readouterr().err
    assert not (tmp_path / ".lakehouse").exists()
    assert cli.main(["run", "flow", "--param", "days=60", "--dry-run"]) == 0
    pushed = {"tasks": [first, CALL], "parameters": days}
    bundle_of(tmp_path, {"flow": pushed, "other": {"tasks": [maintain], "parameters": days}})
    assert cli.main(["run", "flow", "--param", "days=many", "--dry-run"]) == 2  # pushed down


@pytest.fixture
def planned(shop, capsys):
    """The parameters of the job's task, as a dry run shows them."""

    def dry_run(*words):
        assert cli.main(["run", "flow", "--dry-run", "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)["tasks"][0]["parameters"]

    return dry_run


@pytest.mark.parametrize(
    ("environment", "target", "catalog"),
    [
        ({}, None, "main"),
        ({"DATABRICKS_BUNDLE_TARGET": "prod"}, None, "live"),
        ({"DATABRICKS_BUNDLE_ENV": "prod"}, None, "live"),
        ({"DATABRICKS_BUNDLE_TARGET": "prod"}, "dev", "main"),
        ({"DATABRICKS_BUNDLE_TARGET": "prod", "BUNDLE_VAR_catalog": "own"}, None, "own"),
    ],
)
def test_the_target_is_taken_from_where_the_cli_takes_it(planned, monkeypatch, environment, target, catalog):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert f"--catalog={catalog}" in planned(*(["--target", target] if target else []))


def test_the_bundle_is_taken_from_where_the_cli_takes_it(shop, planned, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("DATABRICKS_BUNDLE_ROOT", str(shop))

    assert "--catalog=main" in planned()
