"""References, variables and targets: what a bundle means before anything of it runs."""

import json

import pytest

from search_forecast.bundle import graph
from search_forecast.bundle.configuration import User, load
from search_forecast.bundle.references import at_run_time, substitute
from search_forecast.errors import UsageError
from support.jobs import after, bundle_of, start, wheel


def test_a_text_that_is_one_reference_takes_the_values_type():
    values = {"var.hours": 24, "var.on": True}

    assert substitute(["${var.hours}", "${var.hours} h", "${var.on}!"], values.__getitem__) == [24, "24 h", "true!"]


def test_a_long_text_without_a_reference_is_read_at_once():
    text = "${" + "a" * 200 + "-" * 200 + "!"  # without end, where each way to part it is tried

    assert substitute(text, {}.__getitem__) == text


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
