"""Our reading of the bundle is the CLI's own: compared with `databricks bundle validate -o json` where there is one."""

import json
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from search_forecast.bundle.configuration import User, load
from search_forecast.bundle.references import static_paths
from support.places import PROJECT

USER = "Ann.Lee+test@example.com"
VALUES = {"service_principal": "0b9e8f2c-0000-4000-8000-000000000000", "alert_recipient": "ops@example.com",
          "warehouse_id": "abc123"}  # fmt: skip
# What the CLI rewrites on its way to the workspace, and what it adds.
REWRITTEN = {"environments", "file_path", "permissions"}
ADDED = {"deployment", "edit_mode", "format", "parent_path", "run_as", "serialized_dashboard", "tags", "volume_type"}

pytestmark = pytest.mark.skipif(shutil.which("databricks") is None, reason="the Databricks CLI is not on the PATH")


class Me(BaseHTTPRequestHandler):
    """As much of a workspace as `validate` asks for: who am I."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        known = self.path.startswith("/api/2.0/preview/scim/v2/Me")
        content = json.dumps({"id": "1", "userName": USER} if known else {"error_code": "NOT_FOUND", "message": "no"})
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())


@pytest.fixture(scope="module")
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Me)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


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
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DATABRICKS_", "BUNDLE_"))}
    environment |= {"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": "x", "HOME": str(tmp_path)}
    variables = dict(VALUES) if target != "dev" else {"warehouse_id": VALUES["warehouse_id"]}
    environment |= {f"BUNDLE_VAR_{name}": value for name, value in variables.items()}
    command = ["databricks", "bundle", "validate", "-o", "json", "--target", target]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    theirs = json.loads(done.stdout)

    ours = load(PROJECT, user=User(USER), target=target, variables=variables)

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
