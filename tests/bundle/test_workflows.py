"""The workflows: nothing is deployed before the checks, and no action changes under our feet."""

import re

import pytest
import yaml

from support.places import PROJECT

WORKFLOWS = PROJECT / ".github/workflows"


def jobs(name):
    return yaml.safe_load((WORKFLOWS / name).read_text())["jobs"]


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_their_tag_beside(path):
    actions = re.findall(r"uses: (.*)", path.read_text())

    assert actions
    for action in actions:
        assert action.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action), action


def test_a_deployment_waits_for_the_checks_of_what_it_deploys():
    assert jobs("deploy.yml")["checks"]["uses"] == "./.github/workflows/checks.yml"
    assert jobs("deploy.yml")["deploy"]["needs"] == "checks"


def test_the_checks_have_the_cli_that_the_bundle_is_compared_with():
    (versions,) = {
        step["with"]["version"]
        for name in ("checks.yml", "deploy.yml")
        for job in jobs(name).values()
        for step in job.get("steps", [])
        if "setup-cli" in step.get("uses", "")
    }
    bundle = yaml.safe_load((PROJECT / "databricks.yml").read_text())["bundle"]

    assert bundle["databricks_cli_version"] == f">= {versions}"
    assert any("setup-cli" in step.get("uses", "") for step in jobs("checks.yml")["checks"]["steps"])
