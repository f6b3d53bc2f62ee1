"""Our reading of the bundle is the CLI's own: compared with `databricks bundle validate -o json` where there is one."""

import json

import pytest

from search_forecast.bundle.configuration import User, load
from search_forecast.bundle.references import static_paths
from support import databricks_cli
from support.places import PROJECT

VALUES = {"service_principal": "0b9e8f2c-0000-4000-8000-000000000000", "alert_recipient": "ops@example.com",
          "warehouse_id": "abc123"}  # fmt: skip
# What the CLI rewrites on its way to the workspace, and what it adds.
REWRITTEN = {"environments", "file_path", "permissions"}
ADDED = {"deployment", "edit_mode", "format", "parent_path", "run_as", "serialized_dashboard", "tags", "volume_type"}

pytestmark = pytest.mark.skipif(not databricks_cli.IS_HERE, reason="the Databricks CLI is not on the PATH")


@pytest.fixture(scope="module")
def host():
    with databricks_cli.workspace() as address:
        yield address


def resolved(bundle, value):
    """What the CLI leaves for the deployment to fill in, filled in: `${resources.schemas.gold.name}`."""
    text = json.dumps(value)
    for path in set(static_paths(value)):
        filled = bundle.config
        for step in path.split("."):
            filled = filled.get(step, "${" + path + "}")  # an id is known to the workspace alone
        text = text.replace("${" + path + "}", filled)
    return json.loads(text)


def without(resource, keys):
    written = {key: value for key, value in resource.items() if key not in keys}
    if "tasks" in written:
        written["tasks"] = sorted(written["tasks"], key=lambda task: task["task_key"])
    return written


@pytest.mark.parametrize("target", ["dev", "staging", "prod"])
def test_targets_variables_names_and_resources_are_what_the_cli_makes_of_them(host, tmp_path, target):
    values = dict(VALUES) if target != "dev" else {"warehouse_id": VALUES["warehouse_id"]}
    theirs, said = databricks_cli.validate(PROJECT, host, tmp_path, "--target", target, **values)
    assert theirs, said

    ours = load(PROJECT, user=User(databricks_cli.USER), target=target, variables=values)

    for name in ("root_path", "file_path", "artifact_path", "resource_path", "state_path"):
        assert ours.config["workspace"][name] == theirs["workspace"][name]
    assert ours.config["bundle"]["target"] == theirs["bundle"]["target"] == target
    assert set(ours.raw["variables"]) == set(theirs["variables"])
    assert set(ours.config["resources"]) == set(theirs["resources"]) >= {"jobs", "registered_models", "schemas"}
    for kind, resources in theirs["resources"].items():
        assert set(ours.resources(kind)) == set(resources)
        for key, resource in resources.items():
            own = ours.resources(kind)[key]
            expected = without(resolved(ours, resource), REWRITTEN | (ADDED - set(own)))
            assert without(own, REWRITTEN) == expected, f"{kind}.{key}"
