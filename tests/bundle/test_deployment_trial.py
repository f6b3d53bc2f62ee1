"""`make bundle-check` destroys nothing that it did not create: tried with a stand-in for the Databricks CLI."""

import json
import runpy
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from support.places import PROJECT

main = runpy.run_path(str(PROJECT / "scripts/bundle_check.py"))["main"]


class Workspace:
    """What the CLI 1.13 answers, as far as the script reads it, about a workspace in the state that a test names."""

    mode, is_protected, is_settled, has_rival, is_deployed_meanwhile = "development", False, True, False, False
    deployed, lineage, paths, fails_at = 0, None, ("/root/files",), None

    def __init__(self, **state):
        self.__dict__.update(state)
        self.asked = []

    def __call__(self, command, **_):
        self.asked.append(" ".join(command))
        word = command[2]
        answer = getattr(self, word, lambda: "")()
        return SimpleNamespace(returncode=int(word == self.fails_at), stdout=answer)

    def validate(self):
        gold = {"lifecycle": {"prevent_destroy": self.is_protected}}
        bundle = {"bundle": {"mode": self.mode}, "workspace": {"root_path": "/root"}}
        return json.dumps({**bundle, "resources": {"schemas": {"gold": gold}}})

    def list(self):
        return json.dumps([{"path": path} for path in self.paths])

    def plan(self):
        action = ("skip" if self.is_settled else "update") if self.deployed else "create"
        known = {"lineage": "l", "serial": self.deployed} if self.deployed else {"lineage": self.lineage}
        return json.dumps({"plan": {"resources.schemas.gold": {"action": action}}, **known})

    def deploy(self):
        self.deployed = 1
        created = 0 if self.has_rival else 1
        return f"Resources: {created} created, 0 changed, 0 deleted, {1 - created} unchanged\n"

    def run(self):
        self.deployed += self.is_deployed_meanwhile


@pytest.fixture
def check(monkeypatch, capsys):
    def run(*arguments, **state):
        workspace = Workspace(**state)
        monkeypatch.setattr(subprocess, "run", workspace)
        monkeypatch.setattr(shutil, "which", lambda _: "databricks")
        monkeypatch.setattr(sys, "argv", ["bundle-check", *arguments])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
        monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1")
        code = main()
        said = capsys.readouterr()
        return code, said.out + said.err, [line.split()[2] for line in workspace.asked], workspace.asked

    return run


def test_dev_alone_is_deployed_run_and_destroyed_by_default(check):
    code, said, words, asked = check()

    assert code == 0, said
    assert [word for word in words if word in ("deploy", "run", "destroy")] == ["deploy", "run", "destroy"]
    assert all(line.endswith("--target dev") for line in asked if line.split()[2] in ("deploy", "run", "destroy"))
    assert said.endswith("bundle-check: dev: nothing wrong\n")


@pytest.mark.parametrize(
    ("state", "arguments", "reason"),
    [
        pytest.param({"deployed": 7}, ["dev"], "something is deployed already: the plan would skip", id="live"),
        pytest.param({"deployed": 7, "is_settled": False}, ["dev"], "the plan would update", id="live, to be changed"),
        pytest.param({"paths": ["/root/state"]}, ["dev"], "/root/state is there from an earlier", id="leftovers"),
        pytest.param({"is_protected": True}, ["prod", "--confirm=prod"], "schemas.gold has lifecycle", id="protected"),
        pytest.param({"mode": "production"}, ["staging"], "not confirmed; type its name", id="not typed"),
        pytest.param({"mode": "production"}, ["staging", "--confirm=prod"], "not confirmed", id="another typed"),
        pytest.param({"mode": None}, ["sandbox"], "not confirmed", id="no mode at all"),
        pytest.param({"fails_at": "plan"}, ["dev"], "bundle plan --target dev` failed", id="no plan"),
    ],
)
def test_a_target_that_is_not_its_own_to_destroy_is_refused_before_a_deployment(check, state, arguments, reason):
    code, said, words, _ = check(*arguments, **state)

    assert code == 1
    assert reason in said
    assert not {"deploy", "run", "destroy"} & set(words)


def test_a_target_that_was_destroyed_can_be_tried_again(check):
    assert check(lineage="l")[0] == 0  # the CLI still knows the old deployment's lineage


def test_a_target_that_is_not_development_is_tried_once_its_name_is_typed(check):
    code, said, words, _ = check("staging", "--confirm=staging", mode="production")

    assert code == 0, said
    assert words[-1] == "destroy"


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"fails_at": "deploy"}, id="failed"),
        pytest.param({"has_rival": True}, id="somebody else deployed between plan and deployment"),
    ],
)
def test_a_deployment_that_failed_or_was_not_the_only_one_is_left_alone(check, state):
    code, said, words, _ = check(**state)

    assert code == 1
    assert "what it left stays" in said
    assert "destroy" not in words


@pytest.mark.parametrize("state", [{"fails_at": "run"}, {"is_settled": False}])
def test_what_it_created_is_destroyed_where_a_later_step_fails(check, state):
    code, _, words, _ = check(**state)

    assert code == 1
    assert words[-1] == "destroy"


def test_nothing_is_destroyed_once_somebody_else_has_deployed(check):
    code, said, words, _ = check(is_deployed_meanwhile=True)

    assert code == 1
    assert "somebody has deployed to it since: nothing destroyed" in said
    assert "destroy" not in words


def test_without_the_cli_it_ends_with_3(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["bundle-check"])

    assert main() == 3
    assert "needs the Databricks CLI" in capsys.readouterr().err
