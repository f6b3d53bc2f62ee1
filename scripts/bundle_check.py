"""Try the bundle in a workspace with the Databricks CLI: validate, plan, deploy, run, plan again, destroy.

It deploys for real and drops what it deployed, tables included. So it refuses a target where anything is deployed
already, one whose resources must not be destroyed, and one that is not in development mode until its name is typed; and
it destroys only what its own deployment created and nobody has deployed to since.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from typing import Any


class Refused(Exception):
    """A reason not to go on; nothing was changed unless it says so."""


def bundle(target: str, *words: str) -> None:
    """Run a command of `databricks bundle` and show what it says."""
    print(f"\n== {target}: {' '.join(words)}", flush=True)
    if subprocess.run(["databricks", "bundle", *words, "--target", target], check=False).returncode:
        raise Refused(f"`databricks bundle {' '.join(words)}` failed")


def answer(*words: str) -> Any:
    """What a command of the CLI says as JSON."""
    done = subprocess.run(["databricks", *words, "-o", "json"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Refused(f"`databricks {' '.join(words)}` failed")
    return json.loads(done.stdout)


def state(target: str) -> tuple[object, object, set[str]]:
    """The deployment that the target has (lineage and serial, None without one) and what a deployment would do."""
    plan = answer("bundle", "plan", "--target", target)
    actions = {item["action"] for item in plan.get("plan", {}).values()}
    return plan.get("lineage"), plan.get("serial"), actions


def check_untouched(target: str, confirmed: list[str]) -> None:
    """Refuse a target that holds, or may hold, anything that is not this run's own."""
    config = answer("bundle", "validate", "--target", target)
    resources = [
        (f"{kind}.{key}", item) for kind, items in config.get("resources", {}).items() for key, item in items.items()
    ]
    kept = [name for name, item in resources if (item.get("lifecycle") or {}).get("prevent_destroy")]
    if kept:
        raise Refused(f"{kept[0]} has lifecycle.prevent_destroy, so this could not clean up; try another target")
    root = config["workspace"]["root_path"]
    if left := [item["path"] for item in answer("workspace", "list", root) if item["path"] != f"{root}/files"]:
        raise Refused(f"{left[0]} is there from an earlier deployment; this is for a target without one")
    if (actions := state(target)[2]) != {"create"}:
        raise Refused(f"something is deployed already: the plan would {', '.join(sorted(actions))}, not just create")
    if config["bundle"].get("mode") != "development" and target not in confirmed:
        print(f"{target} is not in development mode. This deploys to {root}, runs the jobs, and destroys it all again.")
        if not sys.stdin.isatty() or input("Type the target's name to go on: ") != target:
            raise Refused(f"not confirmed; type its name, or say CONFIRM={target}")


def deploy(target: str) -> tuple[object, object]:
    """Deploy to a target where nothing is; give the lineage and serial of the deployment."""
    print(f"\n== {target}: deploy", flush=True)
    command = ["databricks", "bundle", "deploy", "--target", target]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout, flush=True)
    lone = re.search(r"^Resources: [1-9]\d* created, 0 changed, 0 deleted, 0 unchanged", done.stdout, re.MULTILINE)
    if done.returncode or not lone:
        raise Refused(
            "the deployment failed, or was not the only one; what it left stays: look at `databricks bundle summary "
            f"--target {target}`, remove it with `databricks bundle destroy --target {target}`"
        )
    return state(target)[:2]


def check(target: str, confirmed: list[str]) -> None:
    """All steps for one target."""
    bundle(target, "validate", "--strict")
    check_untouched(target, confirmed)
    deployment = deploy(target)
    try:
        bundle(target, "summary")
        bundle(target, "run", "medallion")
        if (actions := state(target)[2]) != {"skip"}:
            raise Refused(f"a second plan would {', '.join(sorted(actions))}, not leave all as it is")
    finally:
        if state(target)[:2] != deployment:
            raise Refused("somebody has deployed to it since: nothing destroyed")
        bundle(target, "destroy", "--auto-approve")


def main() -> int:
    """Check the targets that the command line names, dev without any."""
    parser = argparse.ArgumentParser(prog="bundle-check", description="Try the bundle in a workspace made for it.")
    parser.add_argument("targets", nargs="*", default=["dev"])
    parser.add_argument("--confirm", action="append", default=[], metavar="TARGET", help="type it beforehand")
    options = parser.parse_args()
    target = ""
    try:
        if not shutil.which("databricks"):
            raise Refused("needs the Databricks CLI 1.13 or newer on the PATH")
        if not os.environ.get("DATABRICKS_HOST") and not os.environ.get("DATABRICKS_CONFIG_PROFILE"):
            raise Refused("needs a workspace: set DATABRICKS_HOST and a login, or DATABRICKS_CONFIG_PROFILE")
        for target in options.targets:
            check(target, options.confirm)
    except Refused as error:
        print(f"bundle-check: {target + ': ' if target else ''}{error}", file=sys.stderr)
        return 1 if target else 3
    print(f"\nbundle-check: {' '.join(options.targets)}: nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
