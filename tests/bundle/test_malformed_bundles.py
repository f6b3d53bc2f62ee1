"""Whatever is written in a bundle's files, it is read or refused in one line: never a traceback."""

import json
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_forecast import cli
from search_forecast.bundle import checks, runner
from search_forecast.bundle.configuration import User, load
from search_forecast.bundle.documents import Document
from search_forecast.errors import UsageError
from support.bundles import write
from support.jobs import NOW
from support.mistakes import FLOW, RIGHT, ROOT

WORDS = st.sampled_from(
    ["a", "ingest", "${var.catalog}", "${var}", "${resources.jobs.flow}", "{{job.name}}", "{{tasks.a}}", "{{", "/x", ""]
)
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | WORDS
KEYS = st.sampled_from(
    ["name", "tasks", "task_key", "depends_on", "parameters", "default", "environments", "spec", "schedule", "grants"]
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
# Where something else is put: each is a path into one of the two files.
ROOT_PATHS = st.sampled_from([("bundle",), ("include",), ("variables",), ("variables", "catalog"), ("targets",),
                              ("targets", "dev"), ("targets", "dev", "presets"), ("targets", "dev", "variables"),
                              ("run_as",), ("presets",), ("workspace",), ("experimental",),
                              ("sync",), ("sync", "paths"), ("artifacts",), ("artifacts", "shop")])  # fmt: skip
JOB_FIELDS = ("name", "tags", "tasks", "parameters", "environments", "job_clusters", "schedule", "timeout_seconds")
TASK_FIELDS = ("task_key", "depends_on", "run_if", "disabled", "environment_key", "max_retries", "python_wheel_task",
               "condition_task", "run_job_task", "for_each_task")  # fmt: skip

KINDS = st.sampled_from(["schemas", "volumes", "registered_models", "alerts", "dashboards", "experiments"])


def read_and_checked(directory):
    """Read, check and plan it: one line where it is refused."""
    said = checks.check(directory, cli.parse)
    try:
        bundle = load(directory, user=User("ann"))
        runner.start(bundle, runner.Order("flow", {}), directory / "lake", None, NOW)
    except UsageError as error:
        said.append(str(error))
    assert all("\n" not in line for line in said)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bundle"), dict(RIGHT))


@cache
def as_json(text):
    import yaml

    return json.dumps(yaml.safe_load(text))


def parsed(text):
    return json.loads(as_json(text))


bounded = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@bounded
@given(path=ROOT_PATHS, value=VALUES)
def test_the_root_file(directory, path, value):
    content = parsed(RIGHT[ROOT])
    inner = content
    for step in path[:-1]:
        inner = inner.setdefault(step, {})
    inner[path[-1]] = value

    read_and_checked(write(directory, {**RIGHT, ROOT: json.dumps(content)}))


@bounded
@given(field=st.sampled_from([*JOB_FIELDS, None]), value=VALUES)
def test_a_job(directory, field, value):
    content = parsed(RIGHT[FLOW])
    jobs = content["resources"]["jobs"]
    jobs["flow"] = value if field is None else {**jobs["flow"], field: value}

    read_and_checked(write(directory, {**RIGHT, FLOW: json.dumps(content)}))


@bounded
@given(number=st.integers(0, 3), field=st.sampled_from(TASK_FIELDS), value=VALUES)
def test_a_task(directory, number, field, value):
    content = parsed(RIGHT[FLOW])
    content["resources"]["jobs"]["flow"]["tasks"][number][field] = value

    read_and_checked(write(directory, {**RIGHT, FLOW: json.dumps(content)}))


@bounded
@given(kind=KINDS, value=VALUES)
def test_another_resource(directory, kind, value):
    content = {"resources": {kind: {"x": value}}}

    read_and_checked(write(directory, {**RIGHT, "resources/x.yml": json.dumps(content)}))
    (directory / "resources/x.yml").unlink()


@bounded
@given(text=st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@`, \n\t\x00é"), max_size=30))
def test_text_that_may_be_no_yaml(directory, text):
    read_and_checked(write(directory, {**RIGHT, "resources/x.yml": text}))
    (directory / "resources/x.yml").unlink()


@pytest.mark.parametrize("opening", ["[", "- ", "{a: "])
def test_what_is_nested_too_deeply_is_refused_and_ends_no_process(tmp_path, opening):
    file = tmp_path / "x.yml"
    file.write_text(opening * 200_000)

    with pytest.raises(UsageError, match=r"^x\.yml: nested too deeply$"):
        Document(file, "x.yml")
