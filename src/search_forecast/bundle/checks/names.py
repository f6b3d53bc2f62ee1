"""Whether names leave room for others: nothing spelled out, nothing shared by two developers, nothing active in dev."""

import re
from collections.abc import Iterator
from typing import Any

from search_forecast.bundle.checks.problem import Problem
from search_forecast.bundle.configuration import Bundle

_SCHEMA = re.compile(r"\bsearch_(?:bronze|silver|gold)\b")
_VOLUME = re.compile(r"(?:^|[=:\s])(/Volumes/\S*)")
_APP_NAME = re.compile(r"[a-z0-9-]{2,30}")
_CATALOG_FIELDS = ("catalog_name", "dataset_catalog")


def hard_coded(bundle: Bundle) -> Iterator[Problem]:
    """Catalogs, schemas and volumes that are spelled out where a reference belongs."""
    for kind in bundle.config["resources"]:
        for key in bundle.resources(kind):
            for path, text in _texts(bundle.written(kind, key)):
                for problem in _spelled_out(text, path, is_own_name=(kind, path) == ("schemas", "name")):
                    yield Problem(f"{kind}.{key}", f"{path}: spells out {problem}")


def _spelled_out(text: str, path: str, *, is_own_name: bool) -> Iterator[str]:
    field = path.rpartition(".")[2]
    is_prose = field in ("comment", "description", "custom_description")
    schema = None if is_own_name or is_prose else _SCHEMA.search(text)
    if schema:
        yield f"the schema {schema[0]}; say ${{resources.schemas.LAYER.name}}"
    for volume in _VOLUME.findall(text):
        yield f"{volume}; say ${{resources.volumes.KEY.volume_path}}"
    if field in _CATALOG_FIELDS and not text.startswith("${"):
        yield f"the catalog {text}; say ${{var.catalog}}"


def of_apps(bundle: Bundle) -> Iterator[Problem]:
    """Names that an app can't have: it becomes part of an address, and no mode puts a prefix before it."""
    for key, app in bundle.resources("apps").items():
        if not _APP_NAME.fullmatch(str(app.get("name"))):
            text = f"is named {app.get('name')}; an app has 2 to 30 lower-case letters, digits and hyphens"
            yield Problem(f"apps.{key}", text)


def of_experiments(bundle: Bundle) -> Iterator[Problem]:
    """Names that an experiment can't have in a workspace: it lies in a folder."""
    for key, experiment in bundle.resources("experiments").items():
        if not str(experiment.get("name")).startswith(("/", "${")):
            name = bundle.written("experiments", key).get("name")
            text = f"is named {name}; an experiment has a path, such as ${{workspace.root_path}}/{name}"
            yield Problem(f"experiments.{key}", text)


def shared(bundle: Bundle, other: Bundle) -> Iterator[Problem]:
    """What two developers who both deploy a development target would share."""
    ours, theirs = _identities(bundle), _identities(other)
    for what, name in ours.items():
        if theirs.get(what) == name:
            text = f"is {name} for every developer of target {bundle.target}; they would overwrite each other's"
            yield Problem(what, text)


def shared_targets(bundles: list[Bundle]) -> Iterator[Problem]:
    """Tables that two targets would share: staging must never write what production reads."""
    seen: dict[str, tuple[str, str]] = {}
    for bundle in bundles:
        for what, name in _identities(bundle).items():
            if what.split(".")[0] in ("schemas", "volumes", "registered_models", "workspace"):
                target, _ = seen.setdefault(name, (bundle.target, what))
                if target != bundle.target:
                    yield Problem(what, f"is {name} in target {target} as in {bundle.target}")


def active(bundle: Bundle) -> Iterator[Problem]:
    """Schedules and triggers that run in a development deployment, where nobody waits for them."""
    for kind in ("jobs", "alerts"):
        for key, resource in bundle.resources(kind).items():
            for name in ("schedule", "trigger", "continuous"):
                settings = resource.get(name)
                if isinstance(settings, dict) and settings.get("pause_status") != "PAUSED":
                    text = f"its {name} is active in target {bundle.target}; leave pause_status out"
                    yield Problem(f"{kind}.{key}", text)


def _identities(bundle: Bundle) -> dict[str, str]:
    """What makes each resource one of its kind in a workspace."""
    identities = {"workspace.root_path": str(bundle.config["workspace"]["root_path"])}
    for key, schema in bundle.resources("schemas").items():
        identities[f"schemas.{key}"] = f"{schema.get('catalog_name')}.{schema['name']}"
    for key, volume in bundle.resources("volumes").items():
        identities[f"volumes.{key}"] = str(volume["volume_path"])
    for key, model in bundle.resources("registered_models").items():
        identities[f"registered_models.{key}"] = ".".join(
            str(model.get(field)) for field in ("catalog_name", "schema_name", "name")
        )
    for kind, field in (("apps", "name"), ("experiments", "name"), ("jobs", "name"), ("dashboards", "display_name")):
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
