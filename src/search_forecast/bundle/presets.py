"""What a target's mode does to names, tags and schedules: the rules of the Databricks CLI (`mode: development`)."""

from posixpath import basename, dirname, join, normpath
from typing import Any

from search_forecast.bundle.documents import as_text
from search_forecast.bundle.shapes import is_true, mapping
from search_forecast.errors import UsageError
from search_forecast.lakehouse.developer import normalized

_DEVELOPMENT_RUNS = 4
_NAMES = {"jobs": "name", "pipelines": "name", "dashboards": "display_name", "alerts": "display_name"}
_PLAIN_NAMES = ("schemas", "registered_models")


def workspace_paths(workspace: dict[str, Any], bundle: str, target: str, user: str) -> dict[str, Any]:
    """The workspace section with the paths that it leaves out."""
    root = as_text(workspace.get("root_path")) or f"~/.bundle/{bundle}/{target}"
    if root.startswith("~/"):
        root = normpath(join("/Workspace/Users", user, root[2:]))
    folders = {name: "state" if name == "state" else f"{name}s" for name in ("file", "resource", "artifact", "state")}
    paths = {f"{name}_path": join(root, folder) for name, folder in folders.items()}
    paths = {"root_path": root, **paths} | {k: as_text(workspace[k]) for k in paths if workspace.get(k)}
    for name, path in paths.items():
        if path.startswith("/") and not path.startswith(("/Workspace/", "/Volumes/")):
            paths[name] = f"/Workspace{path}"
    return {**workspace, **paths}


def apply(config: dict[str, Any], short_name: str, *, has_prefix: bool) -> None:
    """Change the resources as the target's mode and presets say.

    Args:
        config: Configuration, changed in place.
        short_name: Short name of who deploys.
        has_prefix: Whether names get their prefix.

    Raises:
        UsageError: a preset has a value that it can't have.
    """
    presets = {name: value for name, value in mapping(config.get("presets"), "presets").items() if value}
    if config["bundle"].get("mode") == "development":
        development = {"name_prefix": f"[dev {short_name}] ", "trigger_pause_status": "PAUSED",
                       "jobs_max_concurrent_runs": _DEVELOPMENT_RUNS}  # fmt: skip
        presets = {
            **development,
            **presets,
            "tags": {"dev": short_name, **mapping(presets.get("tags"), "presets.tags")},
        }
    config["presets"] = presets
    pause = presets.get("trigger_pause_status")
    if pause not in (None, "PAUSED", "UNPAUSED"):
        raise UsageError(f"presets.trigger_pause_status: {pause} is neither PAUSED nor UNPAUSED")
    resources = config["resources"]
    _refer_to_schemas(resources)
    keeps_schemas = is_true(mapping(config.get("experimental"), "experimental").get("skip_name_prefix_for_schema"))
    _prefix(resources, as_text(presets.get("name_prefix")) if has_prefix else "", keeps_schemas=keeps_schemas)
    _complete(config, presets)


def _complete(config: dict[str, Any], presets: dict[str, Any]) -> None:
    """Give jobs and alerts what they leave out: tags, concurrent runs, run_as, pause_status."""
    resources, pause = config["resources"], presets.get("trigger_pause_status")
    for job in resources.get("jobs", {}).values():
        job["name"] = job["name"] or "Untitled"
        if presets.get("tags"):
            written = {name: value for name, value in mapping(job.get("tags"), "the tags of a job").items() if value}
            job["tags"] = {**mapping(presets["tags"], "presets.tags"), **written}
        if presets.get("jobs_max_concurrent_runs") and not job.get("max_concurrent_runs"):
            job["max_concurrent_runs"] = presets["jobs_max_concurrent_runs"]
    for kind, otherwise in (("jobs", pause or "UNPAUSED"), ("alerts", pause)):
        for resource in resources.get(kind, {}).values():
            if config.get("run_as") and kind == "jobs":
                resource.setdefault("run_as", config["run_as"])
            for name in ("schedule", "trigger", "continuous"):
                if otherwise and isinstance(resource.get(name), dict) and not resource[name].get("pause_status"):
                    resource[name]["pause_status"] = otherwise


def _refer_to_schemas(resources: dict[str, Any]) -> None:
    """Turn the name of one of the bundle's schemas, spelled out, into a reference, which then takes its prefix."""
    names = {key: _texts(schema, "catalog_name", "name") for key, schema in resources.get("schemas", {}).items()}
    schemas = {name: key for key, name in names.items()}
    for kind in ("volumes", "registered_models"):
        for resource in resources.get(kind, {}).values():
            key = schemas.get(_texts(resource, "catalog_name", "schema_name"))
            if key is not None and resource.get("schema_name"):
                resource["schema_name"] = f"${{resources.schemas.{key}.name}}"
    for volume in resources.get("volumes", {}).values():
        volume["volume_path"] = "/".join(("/Volumes", *_texts(volume, "catalog_name", "schema_name", "name")))


def _texts(resource: dict[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(as_text(resource.get(name)) for name in names)


def _prefix(resources: dict[str, Any], prefix: str, *, keeps_schemas: bool) -> None:
    """Put the prefix before every name; schemas and models take it without brackets and blanks."""
    closed = prefix.strip().endswith("]")
    plain = normalized(prefix.replace("[", "").strip()) + ("_" if closed else "") if prefix else ""
    texts = {kind: (field, prefix) for kind, field in _NAMES.items()}
    texts |= {kind: ("name", plain) for kind in _PLAIN_NAMES if kind != "schemas" or not keeps_schemas}
    for kind, (field, text) in texts.items():
        for resource in resources.get(kind, {}).values():
            resource[field] = f"{text}{as_text(resource.get(field))}"
    for experiment in resources.get("experiments", {}).values():
        name = as_text(experiment.get("name"))
        experiment["name"] = f"{dirname(name)}/{prefix}{basename(name)}" if "/" in name else prefix + name
