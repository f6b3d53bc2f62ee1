"""Whether each resource is one that the workspace knows, and whether variables are declared, used and described."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from databricks.bundles.alerts import Alert
from databricks.bundles.apps import App
from databricks.bundles.core import Variable
from databricks.bundles.dashboards import Dashboard
from databricks.bundles.experiments import MlflowExperiment
from databricks.bundles.jobs import Job
from databricks.bundles.registered_models import RegisteredModel
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Volume

from search_forecast.bundle.checks.problem import Problem
from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.documents import kind_of
from search_forecast.bundle.graph import read_job
from search_forecast.bundle.references import HEADS, misspelt, static_paths
from search_forecast.errors import UsageError, did_you_mean

_CLASSES: Mapping[str, Any] = {
    "alerts": Alert,
    "apps": App,
    "dashboards": Dashboard,
    "experiments": MlflowExperiment,
    "jobs": Job,
    "registered_models": RegisteredModel,
    "schemas": Schema,
    "volumes": Volume,
}
_LOOKUPS = ("alert", "cluster", "cluster_policy", "dashboard", "instance_pool", "job", "metastore",
            "notification_destination", "pipeline", "query", "service_principal", "warehouse")  # fmt: skip
# What a resource has besides the fields that are written.
_COMPUTED = ("id", "url", "volume_path", "full_name", "service_principal_client_id")


def parsed(bundle: Bundle) -> Iterator[Problem]:
    """Problems with fields: unknown, missing, of a wrong type or no value of an enumeration."""
    for kind, resources in bundle.config["resources"].items():
        for key, resource in resources.items():
            if kind not in _CLASSES:
                text = "this kind of resource is not checked; add it to checks/definitions.py"
                yield Problem(f"{kind}.{key}", text)
                continue
            for name in ("display_name", "warehouse_id") if kind == "dashboards" else ():
                if not bundle.written(kind, key).get(name):
                    yield Problem(f"{kind}.{key}", f"lacks {name}")
            if kind == "volumes" and bundle.written(kind, key).get("volume_path"):
                yield Problem(f"{kind}.{key}", "volume_path is made of its names; leave it out")
            try:
                if kind == "jobs":
                    read_job(bundle, key)
                yield from (Problem(f"{kind}.{key}", text) for text in _misplaced(_CLASSES[kind], resource, ""))
                written = _without_empty(_CLASSES[kind], resource)
                _CLASSES[kind].from_dict({name: value for name, value in written.items() if name != "volume_path"})
            except UsageError as error:
                yield Problem("", str(error))
            except (TypeError, ValueError, AttributeError) as error:
                yield Problem(f"{kind}.{key}", _plain(str(error)))


def _misplaced(kind: Any, value: object, path: str) -> Iterator[str]:
    """Lists and mappings where a scalar belongs: the bundles package makes texts of them."""
    kind, origin, inner, hints = _taken_apart(kind)
    if hints and isinstance(value, dict):
        for name, hint in hints.items():
            if name in value:
                yield from _misplaced(hint, value[name], f"{path}.{name}".removeprefix("."))
    elif origin is list and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _misplaced(inner[0], item, f"{path}[{number}]")
    elif origin is dict and isinstance(value, dict):
        for name, item in value.items():
            yield from _misplaced(inner[1], item, f"{path}.{name}")
    elif kind in (str, int, float, bool) and isinstance(value, dict | list):
        yield f"{path}: expected a scalar, got {kind_of(value)}"


def _without_empty(kind: Any, value: Any) -> Any:
    """A value without the optional fields that hold an empty text, which the CLI leaves out too."""
    kind, _, inner, hints = _taken_apart(kind)
    if isinstance(value, list):
        return [_without_empty(inner[0] if inner else Any, item) for item in value]
    if not hints or not isinstance(value, dict):
        return value
    needed = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}
    return {name: _without_empty(hints.get(name, Any), item) for name, item in value.items()
            if item != "" or name in needed}  # fmt: skip


@cache
def _taken_apart(kind: Any) -> tuple[Any, Any, tuple[Any, ...], dict[str, Any]]:
    """A type without the variable that may stand for it, what it is made of, and the types of its fields."""
    options = get_args(kind) if get_origin(kind) is Union else (kind,)
    kind = next((option for option in options if get_origin(option) is not Variable), kind)
    return kind, get_origin(kind), get_args(kind), get_type_hints(kind) if is_dataclass(kind) else {}


def _plain(message: str) -> str:
    """What the bundles package says, without its own names for types."""
    text = re.sub(r"(\w+)\.__init__\(\) missing .*: ", r"\1 lacks ", " ".join(message.split()))
    return re.sub(r"Unexpected type: .* for (.*)", r"\1 is of a wrong type", text)


def repeated_keys(bundle: Bundle) -> Iterator[Problem]:
    """Keys that resources of two kinds, or a script, share: the CLI takes each key once in a bundle."""
    kinds: dict[str, list[str]] = {}
    scripts = bundle.config.get("scripts")
    for kind, resources in {**bundle.config["resources"], "scripts": scripts}.items():
        for key in resources if isinstance(resources, dict) else ():
            kinds.setdefault(key, []).append(kind)
    for key, declared in kinds.items():
        if len(declared) > 1:
            other, last = sorted(declared)[:2]
            yield Problem(f"{last}.{key}", f"{other}.{key} has the same key; give one another")


def references(bundle: Bundle) -> Iterator[Problem]:
    """References that no deployment fills in: to fields that resources of that kind don't have, or not well written."""
    for kind, resources in bundle.config["resources"].items():
        for key, resource in resources.items():
            for written in misspelt(resource):
                yield Problem(f"{kind}.{key}", f"{written} is no reference: it would stay as it is")
            for path in dict.fromkeys(static_paths(resource)):
                head, *steps = re.findall(r"[^.\[\]]+", path)
                if head not in HEADS:
                    yield Problem(f"{kind}.{key}", f"${{{path}}} begins with none of {', '.join(HEADS)}")
                target = _CLASSES.get(steps[0]) if head == "resources" else None
                known = [*(field.name for field in fields(target)), *_COMPUTED] if target else []
                if target and steps[2] not in known:
                    text = f"${{{path}}}: {steps[0]} have no {steps[2]}{did_you_mean(steps[2], known)}"
                    yield Problem(f"{kind}.{key}", text)


def variables(bundle: Bundle) -> Iterator[Problem]:
    """Problems with variables: one that nothing uses, one without a description."""
    written = bundle.files.content
    used = {re.split(r"[.\[]", path)[1] for path in static_paths(written) if re.match(r"var(iables)?\.", path)}
    for name, spec in bundle.raw["variables"].items():
        if name not in used:
            yield Problem(f"variables.{name}", "nothing uses it")
        lookup = spec.get("lookup")
        named = [n for n in _LOOKUPS if lookup.get(n)] if isinstance(lookup, dict) else []
        if lookup is not None and len(named) != 1:
            yield Problem(f"variables.{name}", f"its lookup has one of {', '.join(_LOOKUPS)}")
        if spec.get("type") not in (None, "", "complex"):
            yield Problem(f"variables.{name}", f"type {spec['type']} is not complex, the only one that there is")
        if not spec.get("description"):
            yield Problem(f"variables.{name}", "has no description")
