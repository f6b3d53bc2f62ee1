"""A workspace on loopback with what MLflow asks one for: runs, their artifacts, and Unity Catalog's models.

It keeps Unity Catalog's rules: names of three levels, tags (keys without `. , - = / :`, values of at most 1,000
characters, at most 50), aliases only for who may MANAGE, a search without tags and aliases, pages, no stages. What it
was asked for stands in `calls`.
"""

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Fields = dict[str, Any]
UC = "/api/2.0/mlflow/unity-catalog/"
FILES, DIRECTORIES = "/api/2.0/fs/files", "/api/2.0/fs/directories"


class RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Workspace(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.clear()

    def clear(self) -> None:
        """Forget all: MLflow remembers a host, so the tests of a process share one."""
        self.models: dict[str, Fields] = {}
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, Fields] = {}
        self.files: dict[str, bytes] = {}
        self.calls: Counter[str] = Counter()
        self.may_manage, self.exists_code, self.page_size = True, "RESOURCE_ALREADY_EXISTS", 100

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    # Unity Catalog.

    def model(self, name: str) -> Fields:
        if name not in self.models:
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", f"Routine or Model '{name}' does not exist.")
        return self.models[name]

    def version(self, asked: Fields) -> Fields:
        versions = self.model(asked["name"])["versions"]
        if not asked["version"].isdigit() or not 1 <= int(asked["version"]) <= len(versions):
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", f"Model version {asked['version']} does not exist.")
        return versions[int(asked["version"]) - 1]

    def shown(self, version: Fields) -> Fields:
        aliases = self.models[version["name"]]["aliases"]
        own = [{"alias": alias, "version": number} for alias, number in aliases.items() if number == version["version"]]
        tags = [{"key": key, "value": value} for key, value in version["tags"].items()]
        return {"model_version": {**version, "tags": tags, "aliases": own}}

    def set_tags(self, version: Fields, tags: list[Fields]) -> None:
        changed = {**version["tags"], **{tag["key"]: tag["value"] for tag in tags}}
        for key, value in changed.items():
            if re.search(r"[.,\-=/:]", key) or len(key) > 255 or len(value) > 1000:
                raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"Tag {key!r} has an invalid key or value.")
        if len(changed) > 50:
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", "A securable has at most 50 tags.")
        version["tags"] = changed

    def registered_models_create(self, asked: Fields) -> Fields:
        if not re.fullmatch(r"[^./ ]+\.[^./ ]+\.[^./ ]+", asked["name"]):
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"{asked['name']}: specify all three levels")
        if asked["name"] in self.models:
            raise RefusedError(409, self.exists_code, f"'{asked['name']}' already exists")
        self.models[asked["name"]] = {"versions": [], "aliases": {}}
        return {"registered_model": {"name": asked["name"]}}

    def registered_models_get(self, asked: Fields) -> Fields:
        aliases = [{"alias": a, "version": n} for a, n in self.model(asked["name"])["aliases"].items()]
        return {"registered_model": {"name": asked["name"], "aliases": aliases}}

    def registered_models_search(self, asked: Fields) -> Fields:
        return {"registered_models": [{"name": name} for name in self.models]}

    def registered_models_alias(self, asked: Fields) -> Fields:
        aliases = self.model(asked["name"])["aliases"]
        if asked["method"] == "GET":
            if asked["alias"] not in aliases:
                raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", f"Alias '{asked['alias']}' does not exist.")
            return self.shown(self.version({"name": asked["name"], "version": aliases[asked["alias"]]}))
        if not self.may_manage:
            raise RefusedError(403, "PERMISSION_DENIED", f"User does not have MANAGE on Model '{asked['name']}'.")
        aliases[asked["alias"]] = self.version(asked)["version"]
        return {}

    def model_versions_create(self, asked: Fields) -> Fields:
        versions = self.model(asked["name"])["versions"]
        version = {key: asked[key] for key in ("name", "source", "run_id")}
        version |= {"version": str(len(versions) + 1), "status": "PENDING_REGISTRATION", "tags": {}}
        self.set_tags(version, asked.get("tags", []))
        versions.append(version)
        return self.shown(version)

    def model_versions_finalize(self, asked: Fields) -> Fields:
        self.version(asked)["status"] = "READY"
        return self.shown(self.version(asked))

    def model_versions_get(self, asked: Fields) -> Fields:
        return self.shown(self.version(asked))

    def model_versions_search(self, asked: Fields) -> Fields:
        name, start = re.fullmatch(r"name='(.*)'", asked["filter"])[1], int(asked.get("page_token", 0))
        versions = self.model(name)["versions"][::-1]
        page = [{k: v for k, v in version.items() if k != "tags"} for version in versions]
        more = {"next_page_token": str(start + self.page_size)} if start + self.page_size < len(page) else {}
        return {"model_versions": page[start : start + self.page_size], **more}

    def model_versions_set_tag(self, asked: Fields) -> Fields:
        self.set_tags(self.version(asked), [asked])
        return {}

    def model_versions_generate_temporary_credentials(self, asked: Fields) -> Fields:
        return {"credentials": {"storage_mode": "DEFAULT_STORAGE"}}

    # Runs and files.

    def experiments_get_by_name(self, asked: Fields) -> Fields:
        if asked["experiment_name"] not in self.experiments:
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", "no such experiment")
        return {"experiment": {"experiment_id": "1", "name": asked["experiment_name"], "lifecycle_stage": "active"}}

    def experiments_create(self, asked: Fields) -> Fields:
        # The workspace leaves /Workspace out of a name, and finds none by a name with it (mlflow/mlflow#11077).
        asked["name"] = asked["name"].removeprefix("/Workspace")
        if asked["name"] in self.experiments:
            raise RefusedError(400, "RESOURCE_ALREADY_EXISTS", "already exists")
        self.experiments[asked["name"]] = "1"
        return {"experiment_id": "1"}

    def runs_create(self, asked: Fields) -> Fields:
        run_id = uuid.uuid4().hex
        uri = f"dbfs:/databricks/mlflow-tracking/1/{run_id}/artifacts"
        info = {"run_id": run_id, "run_uuid": run_id, "artifact_uri": uri, "status": "RUNNING", "experiment_id": "1"}
        self.runs[run_id] = {"info": {**info, "lifecycle_stage": "active"}, "data": {}}
        return {"run": self.runs[run_id]}

    def runs_get(self, asked: Fields) -> Fields:
        return {"run": self.runs[asked["run_id"]]}

    def runs_update(self, asked: Fields) -> Fields:
        self.runs[asked["run_id"]]["info"]["status"] = asked["status"]
        return {"run_info": self.runs[asked["run_id"]]["info"]}

    def runs_log(self, asked: Fields) -> Fields:
        return {}

    def directory(self, path: str) -> Fields:
        inside = {file.removeprefix(f"{path}/").split("/")[0] for file in self.files if file.startswith(f"{path}/")}
        if not inside:
            raise RefusedError(404, "NOT_FOUND", f"no directory {path}")
        paths = [f"{path}/{name}" for name in sorted(inside)]
        return {"contents": [{"path": item, "is_directory": item not in self.files} for item in paths]}


class _Handler(BaseHTTPRequestHandler):
    server: Workspace
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        path, body = unquote(url.path), self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.startswith(FILES):
            file = path.removeprefix(FILES)
            if self.command == "PUT":
                self.server.files[file] = body
                return self.answer(204, b"")
            return self.answer(200 if file in self.server.files else 404, self.server.files.get(file, b""))
        asked = {**dict(parse_qsl(url.query)), **(json.loads(body) if body else {}), "method": self.command}
        try:
            return self.answer(200, json.dumps(self.route(path, asked)).encode())
        except RefusedError as error:
            return self.answer(error.status, json.dumps({"error_code": error.code, "message": str(error)}).encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815

    def route(self, path: str, asked: Fields) -> Fields:
        server = self.server
        if path == "/.well-known/databricks-config" or path.endswith("models-artifact-repository-enabled"):
            return {}
        if path.startswith("/api/2.0/fs/create-"):
            return {"url": f"{server.url}{FILES}{asked['path']}", "headers": []}
        if path.startswith(DIRECTORIES):
            return server.directory(path.removeprefix(DIRECTORIES).rstrip("/"))
        name = path.removeprefix(UC).removeprefix("/api/2.0/mlflow/").replace("-", "_").replace("/", "_")
        if path.startswith(UC):
            server.calls[path.removeprefix(UC)] += 1
        method = getattr(server, re.sub("^runs_log_.*", "runs_log", name), None)
        if method is None:
            raise RefusedError(404, "ENDPOINT_NOT_FOUND", f"no endpoint {path}")
        return method(asked)


@contextmanager
def workspace() -> Iterator[Workspace]:
    """A workspace that answers while the block runs."""
    server = Workspace()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
