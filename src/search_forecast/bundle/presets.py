"""What a target's mode does to names, tags and schedules: the rules of the Databricks CLI (`mode: development`)."""

import re
from posixpath import basename, dirname
from typing import Any

_DEVELOPMENT_RUNS = 4


def normalized(text: str) -> str:
    """Lower case, with everything but letters and digits turned into single underscores."""
    mapped = "".join(c if c.isalpha() or c.isdigit() else "_" for c in text.lower())
    return re.sub("_+", "_", mapped).strip("_")


def workspace_paths(workspace: dict[str, Any], bundle: str, target: str, user: str) -> dict[str, Any]:
    """The workspace section with the paths that it leaves out."""
    root = workspace.get("root_path") or f"~/.bundle/{bundle}/{target}"
    if root.startswith("~/"):
        root = f"/Workspace/Users/{user}/{root[2:]}"
    names = ("file", "resource", "artifact", "state")
    folders = {f"{name}_path": f"{root}/{name if name == 'state' else name + 's'}" for name in names}
    return {**folders, **workspace, "root_path": root}


def apply(config: dict[str, Any], short_name: str, *, has_prefix: bool) -> None:
    """Change the resources as the target's mode and presets say.

    Args:
        config: Configuration, changed in place.
        short_name: Short name of who deploys.
        has_prefix: Whether names get their prefix.
    """
    presets = dict(config.get("presets") or {})
    if config["bundle"].get("mode") == "development":
        presets.setdefault("name_prefix", f"[dev {short_name}] ")
        presets.setdefault("trigger_pause_status", "PAUSED")
        presets.setdefault("jobs_max_concurrent_runs", _DEVELOPMENT_RUNS)
        presets["tags"] = {"dev": short_name, **(presets.get("tags") or {})}
    config["presets"] = presets
    resources = config.get("resources") or {}
    _prefix(resources, presets.get("name_prefix", "") if has_prefix else "")
    for job in (resources.get("jobs") or {}).values():
        if presets.get("tags"):
            job["tags"] = {**presets["tags"], **(job.get("tags") or {})}
        if presets.get("jobs_max_concurrent_runs"):
            job.setdefault("max_concurrent_runs", presets["jobs_max_concurrent_runs"])
        if config.get("run_as"):
            job.setdefault("run_as", config["run_as"])
    pause = presets.get("trigger_pause_status")
    for kind, otherwise in (("jobs", pause or "UNPAUSED"), ("alerts", pause)):
        for resource in (resources.get(kind) or {}).values():
            for name in ("schedule", "trigger", "continuous"):
                if otherwise and resource.get(name):
                    resource[name].setdefault("pause_status", otherwise)


def _prefix(resources: dict[str, Any], prefix: str) -> None:
    """Put the prefix before every name; schemas and models take it without brackets and blanks."""
    closed = prefix.strip().endswith("]")
    plain = normalized(prefix.replace("[", "").strip()) + ("_" if closed else "") if prefix else ""
    for kind, field, text in (
        ("jobs", "name", prefix),
        ("pipelines", "name", prefix),
        ("dashboards", "display_name", prefix),
        ("alerts", "display_name", prefix),
        ("schemas", "name", plain),
        ("registered_models", "name", plain),
    ):
        for resource in (resources.get(kind) or {}).values():
            resource[field] = f"{text}{resource.get(field, '')}"
    for experiment in (resources.get("experiments") or {}).values():
        name = str(experiment["name"])
        experiment["name"] = f"{dirname(name)}/{prefix}{basename(name)}" if "/" in name else prefix + name
