"""The Databricks CLI, where it is on the PATH, with as much of a workspace as `bundle validate` asks for."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

IS_HERE = shutil.which("databricks") is not None
USER = "Ann.Lee+test@example.com"


_ANSWERS = {
    "/api/2.0/preview/scim/v2/Me": {"id": "1", "userName": USER},
    "/api/2.0/workspace/get-status": {"object_type": "DIRECTORY", "object_id": 1},
    "/api/2.0/permissions/directories/1": {"object_id": "/directories/1", "access_control_list": []},
}


class _Workspace(BaseHTTPRequestHandler):
    """Says who is logged in, and that each directory is there."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(_ANSWERS.get(self.path.partition("?")[0], {"error_code": "NOT_FOUND", "message": "no"}))

    def _answer(self, answer: Mapping[str, Any]) -> None:
        content = json.dumps(answer)
        self.send_response(404 if "error_code" in answer else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())


@contextmanager
def workspace() -> Iterator[str]:
    """The address of a workspace that knows who is logged in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Workspace)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def version() -> str:
    return json.loads(_run(["databricks", "version", "-o", "json"], Path.cwd(), {}).stdout)["Version"]


def validate(bundle: Path, host: str, home: Path, *flags: str, **variables: str) -> tuple[dict[str, Any], str]:
    """What the CLI makes of a bundle, and what it says of it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DATABRICKS_", "BUNDLE_"))}
    environment |= {"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": "x", "HOME": str(home)}
    environment |= {f"BUNDLE_VAR_{name}": value for name, value in variables.items()}
    done = _run(["databricks", "bundle", "validate", "-o", "json", *flags], bundle, environment)
    return json.loads(done.stdout or "{}"), done.stderr


def _run(command: list[str], directory: Path, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    environment = environment or os.environ
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
