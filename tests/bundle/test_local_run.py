"""Jobs of a bundle run on this machine: the task graph, conditions, values, logs."""

import json
import threading
from pathlib import Path

import pytest

from search_forecast.bundle import conditions, graph, runner, runs
from search_forecast.bundle.graph import State
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import task_values
from support.jobs import Commands, after, bundle_of, run, states, wheel


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
        ("AT_LEAST_ONE_SUCCESS", ("FAILED", "EXCLUDED"), "RUNNING"),  # excluded counts as succeeded
        ("AT_LEAST_ONE_SUCCESS", ("DISABLED", "EXCLUDED"), "RUNNING"),
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


def test_a_variable_of_databricks_that_is_empty_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "")

    task_values.set_value("drift", 0.5)  # else it looks for dbutils, of which the SDK has a copy that logs in


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

    own = [{"name": "n", "default": "5"}, {"name": "other", "default": "x"}]
    pushed = Commands(clean=lambda: task_values.set_value("k", 7))
    assert (
        run(bundle_of(tmp_path, [wheel("first", "clean"), call], parameters=own), tmp_path, pushed).state == "SUCCESS"
    )
    assert pushed.called == ["clean", "train 5"]  # a job's own parameters come above what its task says

    failing = Commands(clean=lambda: task_values.set_value("k", 7), train=DataError("too few days"))
    done = run(bundle, tmp_path, failing)
    assert done.state == "FAILED"
    assert "job inner ended FAILED: deep: too few days" in done.tasks["call"].error
