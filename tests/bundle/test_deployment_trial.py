"""`make bundle-check` destroys nothing that it did not create: tried with a CLI that keeps deployments in a file."""

import json
import os
import subprocess
import sys

import pytest

from support.places import PROJECT

SCRIPT = PROJECT / "scripts/bundle_check.py"
# A stand-in for the Databricks CLI 1.13: the answers that the script reads, and a log of what it was asked to do.
CLI = """#!{python}
import json, sys
from pathlib import Path
here = Path(__file__).parent
words, workspace = sys.argv[1:], json.loads((here / "workspace.json").read_text())
with (here / "log").open("a") as log:
    log.write(" ".join(words) + chr(10))
command = words[1]
deployed = workspace["deployed"]
if command == workspace["fails_at"]:
    sys.exit(1)
if command == "validate" and "json" in words:
    print(json.dumps({{"bundle": {{"mode": workspace["mode"]}}, "workspace": {{"root_path": "/root"}},
        "resources": {{"schemas": {{"gold": {{"lifecycle": {{"prevent_destroy": workspace["protected"]}}}}}}}}}}))
if command == "list":
    print(json.dumps([{{"path": path}} for path in workspace["paths"]]))
if command == "plan":
    action = ("skip" if workspace["settled"] else "update") if deployed else "create"
    print(json.dumps({{"plan": {{"resources.schemas.gold": {{"action": action}}}}}}
        | ({{"lineage": "l", "serial": deployed}} if deployed or workspace["destroyed"] else {{}})))
if command == "deploy":
    created = 0 if workspace["rival"] else 1
    print(f"Resources: {{created}} created, 0 changed, 0 deleted, {{1 - created}} unchanged")
    workspace["deployed"] = 1
if command == "run" and workspace["deployed_meanwhile"]:
    workspace["deployed"] = 2
if command == "destroy":
    workspace["deployed"] = 0
(here / "workspace.json").write_text(json.dumps(workspace))
"""
EMPTY = {
    "mode": "development", "deployed": 0, "paths": ["/root/files"], "protected": False, "fails_at": None,
    "settled": True, "rival": False, "deployed_meanwhile": False, "destroyed": False,
}  # fmt: skip


@pytest.fixture
def check(tmp_path):
    cli = tmp_path / "databricks"
    cli.write_text(CLI.format(python=sys.executable))
    cli.chmod(0o755)

    def run(*arguments, **workspace):
        (tmp_path / "workspace.json").write_text(json.dumps(EMPTY | workspace))
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "DATABRICKS_HOST": "http://x"}
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        asked = [line.split()[1] for line in (tmp_path / "log").read_text().splitlines()]
        return done, asked, (tmp_path / "log").read_text()

    return run


def test_dev_alone_is_deployed_run_and_destroyed_by_default(check):
    done, asked, log = check()

    assert done.returncode == 0, done.stderr
    assert [word for word in asked if word in ("deploy", "run", "destroy")] == ["deploy", "run", "destroy"]
    assert "--target dev" in log
    assert "prod" not in log
    assert done.stdout.endswith("bundle-check: dev: nothing wrong\n")


@pytest.mark.parametrize(
    ("workspace", "arguments", "reason"),
    [
        pytest.param({"deployed": 7}, ["dev"], "something is deployed already: the plan would skip", id="live"),
        pytest.param({"deployed": 7, "settled": False}, ["dev"], "the plan would update", id="live, to be changed"),
        pytest.param({"paths": ["/root/state"]}, ["dev"], "/root/state is there from an earlier", id="leftovers"),
        pytest.param({"protected": True}, ["prod", "--confirm=prod"], "schemas.gold has lifecycle", id="protected"),
        pytest.param({"mode": "production"}, ["staging"], "not confirmed; type its name", id="not typed"),
        pytest.param({"mode": "production"}, ["staging", "--confirm=prod"], "not confirmed", id="another typed"),
        pytest.param({"mode": None}, ["sandbox"], "not confirmed", id="no mode at all"),
        pytest.param({"fails_at": "plan"}, ["dev"], "bundle plan --target dev` failed", id="no plan"),
    ],
)
def test_a_target_that_is_not_its_own_to_destroy_is_refused_before_a_deployment(check, workspace, arguments, reason):
    done, asked, _ = check(*arguments, **workspace)

    assert done.returncode == 1
    assert reason in done.stderr
    assert not {"deploy", "run", "destroy"} & set(asked)


def test_a_target_that_was_destroyed_can_be_tried_again(check):
    assert check(destroyed=True)[0].returncode == 0  # the CLI still knows the old deployment's lineage


def test_a_target_that_is_not_development_is_tried_once_its_name_is_typed(check):
    done, asked, _ = check("staging", "--confirm=staging", mode="production")

    assert done.returncode == 0, done.stderr
    assert asked[-1] == "destroy"


@pytest.mark.parametrize(
    "workspace",
    [
        pytest.param({"fails_at": "deploy"}, id="failed"),
        pytest.param({"rival": True}, id="somebody else deployed between plan and deployment"),
    ],
)
def test_a_deployment_that_failed_or_was_not_the_only_one_is_left_alone(check, workspace):
    done, asked, _ = check(**workspace)

    assert done.returncode == 1
    assert "what it left stays" in done.stderr
    assert "destroy" not in asked


@pytest.mark.parametrize("workspace", [{"fails_at": "run"}, {"settled": False}])
def test_what_it_created_is_destroyed_where_a_later_step_fails(check, workspace):
    done, asked, _ = check(**workspace)

    assert done.returncode == 1
    assert asked[-1] == "destroy"


def test_nothing_is_destroyed_once_somebody_else_has_deployed(check):
    done, asked, _ = check(deployed_meanwhile=True)

    assert done.returncode == 1
    assert "somebody has deployed to it since: nothing destroyed" in done.stderr
    assert "destroy" not in asked


def test_without_a_workspace_it_ends_with_3(monkeypatch, check):
    monkeypatch.setenv("PATH", "/nowhere")
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert "needs the Databricks CLI" in done.stderr
