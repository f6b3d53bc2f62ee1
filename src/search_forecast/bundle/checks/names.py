"""Whether names leave room for others: nothing spelled out, nothing shared by two developers, nothing active in dev."""

import re
from collections.abc import Iterator
from typing import Any

from search_forecast.bundle.configuration import Bundle

_SCHEMA = re.compile(r"\bsearch_(?:bronze|silver|gold)\b")
_VOLUME = re.compile(r"(?:^|[=:\s])(/Volumes/\S*)")
_CATALOG_FIELDS = ("catalog_name", "dataset_catalog")


def hard_coded(bundle: Bundle) -> Iterator[str]:
    """Catalogs, schemas and volumes that are spelled out where a reference belongs."""
    for kind, resources in (bundle.raw.get("resources") or {}).items():
        for key, resource in (resources or {}).items():
            for path, text in _texts(resource):
                where = f"{kind}.{key}.{path}"
                is_own_name = kind == "schemas" and path == "name"
                is_prose = path.rpartition(".")[2] in ("comment", "description", "custom_description")
                schema = None if is_own_name or is_prose else _SCHEMA.search(text)
                if schema:
                    yield f"{where}: spells out the schema {schema[0]}; say ${{resources.schemas.LAYER.name}}"
                for volume in _VOLUME.findall(text):
                    yield f"{where}: spells out {volume}; say ${{resources.volumes.KEY.volume_path}}"
                if path.rpartition(".")[2] in _CATALOG_FIELDS and not text.startswith("${"):
                    yield f"{where}: spells out the catalog {text}; say ${{var.catalog}}"


def shared(bundle: Bundle, other: Bundle) -> Iterator[str]:
    """What two developers who both deploy a development target would share."""
    ours, theirs = _identities(bundle), _identities(other)
    for what, name in ours.items():
        if theirs.get(what) == name:
            yield f"target {bundle.target}: {what} is {name} for every developer; they would overwrite each other's"


def shared_targets(bundles: list[Bundle]) -> Iterator[str]:
    """Tables that two targets would share: staging must never write what production reads."""
    seen: dict[str, tuple[str, str]] = {}
    for bundle in bundles:
        for what, name in _identities(bundle).items():
            if what.split(".")[0] in ("schemas", "volumes", "registered_models", "workspace"):
                target, _ = seen.setdefault(name, (bundle.target, what))
                if target != bundle.target:
                    yield f"targets {target} and {bundle.target} share {what} {name}"


def active(bundle: Bundle) -> Iterator[str]:
    """Schedules and triggers that run in a development deployment, where nobody waits for them."""
    for kind in ("jobs", "alerts"):
        for key, resource in bundle.resources(kind).items():
            for name in ("schedule", "trigger", "continuous"):
                settings = resource.get(name)
                if settings and settings.get("pause_status") != "PAUSED":
                    yield f"target {bundle.target}: the {name} of {kind}.{key} is active; leave pause_status out"


def _identities(bundle: Bundle) -> dict[str, str]:
    """What makes each resource one of its kind in a workspace."""
    identities = {"workspace.root_path": str(bundle.config["workspace"]["root_path"])}
    for key, schema in bundle.resources("schemas").items():
        identities[f"schemas.{key}"] = f"{schema['catalog_name']}.{schema['name']}"
    for key, volume in bundle.resources("volumes").items():
        identities[f"volumes.{key}"] = str(volume["volume_path"])
    for key, model in bundle.resources("registered_models").items():
        identities[f"registered_models.{key}"] = f"{model['catalog_name']}.{model['schema_name']}.{model['name']}"
    for kind, field in (("experiments", "name"), ("jobs", "name"), ("dashboards", "display_name")):
        for key, resource in bundle.resources(kind).items():
            identities[f"{kind}.{key}"] = str(resource.get(field))
    return identities


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{path}.{number}")
