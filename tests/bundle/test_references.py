"""References, variables and targets: what a bundle means before anything of it runs."""

import json

import pytest

from search_forecast import cli
from search_forecast.bundle import checks, graph
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


def test_a_name_that_ends_in_a_dash_is_no_reference():
    texts = ["${var.a_}", "${var.a-}", "${var.a--b}", "${var.a.b_}"]

    assert substitute(texts, lambda path: path) == ["${var.a_}", "${var.a-}", "var.a--b", "${var.a.b_}"]


@pytest.mark.parametrize("between", ["", "/"])
def test_a_workspace_path_has_its_beginning_once(tmp_path, between):
    bundle = bundle_of(tmp_path, [wheel("first", f"--at=/Workspace{between}${{workspace.file_path}}/x")], target="prod")

    assert graph.read_job(bundle, "flow").tasks[0].command == ["--at=/Workspace/Shared/shop/files/x"]


@pytest.mark.parametrize(
    ("written", "over"),
    [("${var.hours}", 60), (60, "${var.hours}"), ("${var.hours}", "60"), (60, "${resources.a.b.c}")],
)
def test_a_number_over_a_reference_is_refused_as_the_cli_refuses_it(tmp_path, written, over):
    resources = {"jobs": {"flow": {"name": "flow", "timeout_seconds": written}}}
    target = {"resources": {"jobs": {"flow": {"timeout_seconds": over}}}}
    files = {"bundle": {"name": "shop"}, "variables": {"hours": {"default": 1}}, "resources": resources}
    (tmp_path / "databricks.yml").write_text(json.dumps({**files, "targets": {"prod": target}}))

    with pytest.raises(UsageError) as refused:
        load(tmp_path, user=User("ann"))

    said = "target prod: resources.jobs.flow.timeout_seconds: a number can't be laid over a reference, nor one over it"
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("field", "written", "over"),
    [("timeout_seconds", "${var.hours}", "${var.more}"), ("timeout_seconds", 60, "70"), ("name", "${var.hours}", "70"),
     ("timeout_seconds", "${var.hours}", None), ("name", "${var.hours}", 70)],
)  # fmt: skip
def test_what_the_cli_lays_over_each_other_is_laid(tmp_path, field, written, over):
    files = {"bundle": {"name": "shop"}, "variables": {"hours": {"default": 1}, "more": {"default": 70}}}
    resources, target = ({"jobs": {"flow": {field: value}}} for value in (written, over))
    content = {**files, "resources": resources, "targets": {"prod": {"resources": target}}}
    (tmp_path / "databricks.yml").write_text(json.dumps(content))

    laid = load(tmp_path, user=User("ann")).resources("jobs")["flow"][field]

    assert str(laid) == ("1" if over is None else "70")


def test_a_mapping_that_merges_twice_is_refused_as_the_cli_refuses_it(tmp_path):
    text = "bundle: {name: shop}\nx: &a {name: a}\nresources: {jobs: {flow: {<<: *a, <<: *a}}}\n"
    (tmp_path / "databricks.yml").write_text(text)

    with pytest.raises(UsageError, match=r"databricks.yml:3: a second << in one mapping; write one with a list"):
        load(tmp_path, user=User("ann"))


@pytest.mark.parametrize(("mode", "name"), [("development", "[dev ann] flow"), ("production", "flow")])
def test_a_mode_may_stand_in_a_variable(tmp_path, mode, name):
    files = {"bundle": {"name": "shop"}, "variables": {"m": {"default": mode}}, "targets": {"t": {"mode": "${var.m}"}}}
    (tmp_path / "databricks.yml").write_text(json.dumps({**files, "resources": {"jobs": {"flow": {"name": "flow"}}}}))

    assert load(tmp_path, user=User("ann")).resources("jobs")["flow"]["name"] == name
    with pytest.raises(UsageError, match="target t: mode devel is neither development nor production"):
        load(tmp_path, user=User("ann"), variables={"m": "devel"})


def test_what_two_files_keep_anchors_under_is_not_joined(tmp_path):
    (tmp_path / "databricks.yml").write_text("bundle: {name: shop}\ninclude: [a.yml, b.yml]\n")
    (tmp_path / "a.yml").write_text("own: &own {name: a}\nresources: {jobs: {one: *own}}\n")
    (tmp_path / "b.yml").write_text("own: &own [x]\nresources: {jobs: {two: {name: b, tags: {}, tasks: []}}}\n")

    assert set(load(tmp_path, user=User("ann")).resources("jobs")) == {"one", "two"}


@pytest.mark.parametrize(
    ("name", "display_name", "short", "friendly"),
    [
        ("Jürg.Müller@example.com", "", "jürg_müller", "jurg-muller"),
        ("ann@example.com", "Ann of CI", "ann", "ann"),
        ("6f1c4d2e-8a57-4b0e-9c39-0123456789ab", "Ann of CI", "ann_of_ci", "ann-of-ci"),
        ("6f1c4d2e-8a57-4b0e-9c39-0123456789ab", "", "6f1c4d2e_8a57_4b0e_9c39_0123456789ab",
         "6f1c4d2e-8a57-4b0e-9c39-0123456789ab"),
    ],
)  # fmt: skip
def test_who_deploys_is_called_as_the_cli_calls_them(tmp_path, name, display_name, short, friendly):
    (tmp_path / "databricks.yml").write_text("bundle: {name: shop}\n")

    user = load(tmp_path, user=User(name, display_name)).config["workspace"]["current_user"]

    assert (user["short_name"], user["domain_friendly_name"]) == (short, friendly)


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


def test_a_variable_that_has_a_value_takes_no_other(tmp_path):
    definition = {"description": "d", "value": "main", "default": "other"}
    job = {"name": "${var.v}", "tasks": [wheel("a", "x", existing_cluster_id="c")]}
    content = {"bundle": {"name": "shop"}, "variables": {"v": definition}, "resources": {"jobs": {"flow": job}}}
    (tmp_path / "databricks.yml").write_text(json.dumps(content))

    loaded = load(tmp_path, user=User("ann"), environment={"BUNDLE_VAR_v": "from_env"})

    assert loaded.resources("jobs")["flow"]["name"] == "main"
    assert not [line for line in checks.check(tmp_path, cli.parse) if "unknown field" in line]
    with pytest.raises(UsageError, match="the variable v has a value already; say default instead of it"):
        load(tmp_path, user=User("ann"), variables={"v": "given"})


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
