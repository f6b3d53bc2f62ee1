"""Whether the settings outside of the resources are such that the CLI deploys: fields, paths, and whom jobs run as."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from search_forecast.bundle.checks import local_files
from search_forecast.bundle.checks.problem import Problem
from search_forecast.bundle.configuration import Bundle, targets
from search_forecast.bundle.documents import as_text
from search_forecast.bundle.files import ROOT_FIELDS
from search_forecast.bundle.shapes import is_true, mapping
from search_forecast.errors import did_you_mean

_PATHS = ("root_path", "file_path", "resource_path", "artifact_path", "state_path")
_VERSION = r"(>=|<=|>|<|!=)? ?(\d+\.\d+\.\d+(-\w+)?|\d+\.\d+\.\*|\d+\.\*)"
_VERSIONS = rf"({_VERSION}(, {_VERSION})?)?"
_LEVELS = ("CAN_MANAGE", "CAN_RUN", "CAN_VIEW")  # of the whole bundle
_TARGET = {"artifacts", "bundle", "cluster_id", "compute_id", "default", "git", "mode", "permissions", "presets",
           "resources", "run_as", "sync", "variables", "workspace"}  # fmt: skip
_FIELDS = {
    "bundle": {"cluster_id", "compute_id", "databricks_cli_version", "deployment", "engine", "git", "mode", "name",
               "terraform", "uuid"},
    "experimental": {"immutable_folder", "pydabs", "python", "python_wheel_wrapper", "record_deployment_history",
                     "scripts", "skip_artifact_cleanup", "skip_name_prefix_for_schema", "use_legacy_run_as"},
    "presets": {"artifacts_dynamic_version", "jobs_max_concurrent_runs", "name_prefix", "pipelines_development",
                "source_linked_deployment", "tags", "trigger_pause_status"},
    "python": {"mutators", "resources", "venv_path"},
    "run_as": {"group_name", "service_principal_name", "user_name"},
    "sync": {"exclude", "include", "paths"},
    "workspace": {"account_id", "artifact_path", "auth_type", "azure_client_id", "azure_environment",
                  "azure_login_app_id", "azure_tenant_id", "azure_use_msi", "azure_workspace_resource_id", "client_id",
                  "experimental_is_unified_host", "file_path", "google_service_account", "host", "profile",
                  "resource_path", "root_path", "state_path", "workspace_id"},
}  # fmt: skip
_FIELDS_OF_EACH = {
    "artifacts": {"build", "dynamic_version", "executable", "files", "path", "type"},
    "scripts": {"content", "env"},
    "variables": {"default", "description", "lookup", "type", "value"},
}


def as_written(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Two default targets, and fields outside of the resources that the CLI leaves out with a warning."""
    default = [name for name, target in targets(content).items() if is_true(target.get("default"))]
    if len(default) > 1:
        yield Problem("", f"targets {' and '.join(default)} are both the default one; one can be")
    for name in set(content) - ROOT_FIELDS:
        near = get_close_matches(name, ROOT_FIELDS, n=1, cutoff=0.7)
        if near and abs(len(near[0]) - len(name)) < 3:  # anything else may hold anchors
            yield Problem("", f"databricks.yml: unknown field {name}; did you mean {near[0]}?")
    yield from _unknown(content, "")
    for name, target in targets(content).items():
        yield from _not_in(target, _TARGET, f"targets.{name}")
        yield from _unknown({key: value for key, value in target.items() if key != "variables"}, f"targets.{name}.")


def _unknown(section: Mapping[str, Any], path: str) -> Iterator[Problem]:
    for name, known in _FIELDS.items():
        yield from _not_in(section.get(name), known, f"{path}{name}")
    for name, known in _FIELDS_OF_EACH.items():
        items = section.get(name)
        for key, item in items.items() if isinstance(items, dict) else ():
            yield from _not_in(item, known, f"{path}{name}.{key}")


def _not_in(fields: Any, known: set[str], path: str) -> Iterator[Problem]:
    for name in fields if isinstance(fields, dict) else ():
        if name not in known:
            yield Problem("", f"{path}: unknown field {name}{did_you_mean(name, known)}")


def problems(bundle: Bundle) -> Iterator[Problem]:
    """What the CLI refuses of a target."""
    for text in (*_top(bundle), *_run_as(bundle), *_paths(bundle), *_permissions(bundle), *local_files.of_sync(bundle)):
        yield Problem("", f"target {bundle.target}: {text}")


def _top(bundle: Bundle) -> Iterator[str]:
    settings, workspace = bundle.raw["bundle"], mapping(bundle.raw.get("workspace"), "workspace")
    if settings.get("engine") not in (None, "", "direct", "terraform"):
        yield f"bundle.engine {settings['engine']} is neither direct nor terraform"
    if not re.fullmatch(_VERSIONS, as_text(settings.get("databricks_cli_version"))):
        yield f"bundle.databricks_cli_version {settings['databricks_cli_version']} is nothing like >= 1.13.0, <= 2.0.0"
    texts = {"bundle.name": settings["name"], **{f"workspace.{n}": workspace.get(n) for n in ("host", "profile")}}
    yield from (f"{name} can't hold a reference" for name, text in texts.items() if "${" in as_text(text))
    config = bundle.config
    if config["bundle"]["mode"] == "development" and config["presets"].get("trigger_pause_status") == "UNPAUSED":
        yield "mode development can't have the preset trigger_pause_status UNPAUSED"


def _run_as(bundle: Bundle) -> Iterator[str]:
    if "run_as" not in bundle.config:
        return
    for key, dashboard in bundle.resources("dashboards").items():
        if is_true(dashboard.get("embed_credentials")):
            yield f"dashboards.{key} embeds the credentials of who deploys, which goes with no run_as"
    run_as = bundle.config["run_as"] if isinstance(bundle.config["run_as"], dict) else {}
    named = [name for name in ("user_name", "service_principal_name") if as_text(run_as.get(name))]
    if len(named) != 1:
        yield f"run_as names {'a user_name and a' if named else 'neither a user_name nor a'} service_principal_name"


def _paths(bundle: Bundle) -> Iterator[str]:
    workspace, mode = bundle.config["workspace"], bundle.config["bundle"].get("mode")
    paths = {name: as_text(workspace[name]) for name in _PATHS}
    for name, path in paths.items():
        if path.startswith("/Volumes/") and name != "artifact_path":
            yield f"workspace.{name} is in a volume, where only artifact_path can be"
    own = mapping(targets(bundle.files.content)[bundle.target].get("workspace"), "workspace")
    all_run_as = all(job.get("run_as") for job in bundle.resources("jobs").values())
    if mode == "production" and not own.get("root_path") and not all_run_as:
        yield "mode production needs a workspace.root_path, said in the target, or a run_as"
    users = [workspace["current_user"][name] for name in ("userName", "short_name")]
    shared = [name for name, path in paths.items() if not any(user in path for user in users)]
    if mode == "development" and shared and shared[0] != "root_path" and "${" not in paths[shared[0]]:
        yield f"workspace.{shared[0]} is {paths[shared[0]]} for every developer; they would overwrite each other's"


def _permissions(bundle: Bundle) -> Iterator[str]:
    permissions = bundle.config.get("permissions")
    for item in permissions if isinstance(permissions, list) else []:
        level = item.get("level") if isinstance(item, dict) else None
        if level not in _LEVELS:
            yield f"no permission {level}{did_you_mean(str(level), _LEVELS)}"
        elif not any(as_text(item.get(name)) for name in ("user_name", "service_principal_name", "group_name")):
            yield f"the permission {level} is given to nobody"
