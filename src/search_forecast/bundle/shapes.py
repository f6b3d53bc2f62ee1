"""The shapes that a configuration has: what is a mapping, a list, a number, and which lists have keys."""

import re
from collections.abc import Mapping
from typing import Any

from search_forecast.bundle.documents import as_text, kind_of
from search_forecast.bundle.files import merged
from search_forecast.bundle.references import is_reference
from search_forecast.errors import UsageError

# Lists whose items the CLI tells apart by a field, and joins where two have the same.
_KEYED_LISTS = {"tasks": "task_key", "job_clusters": "job_cluster_key", "parameters": "name"}
_TRUE = ("true", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON")


def shaped(resources: Any, places: Mapping[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
    """The resources by kind and key, items of one key joined.

    Args:
        resources: The section of the configuration, references filled in.
        places: Where each resource is written.

    Raises:
        UsageError: something is no mapping or list that should be one.
    """
    kinds = {kind: dict(mapping(items, f"resources.{kind}")) for kind, items in mapping(resources, "resources").items()}
    for kind, items in kinds.items():
        for key, resource in items.items():
            where = f"{places.get(f'{kind}.{key}', '')}: {kind}.{key}".removeprefix(": ")
            if "${" in key:
                raise UsageError(f"{where}: the key of a resource can't be a reference")
            if not isinstance(resource, dict):
                raise UsageError(f"{where}: expected a mapping, got {kind_of(resource)}")
            fields = {"grants": "principal"} | (_KEYED_LISTS if kind == "jobs" else {})
            joined = {name: _joined(resource[name], key, f"{where}.{name}") for name, key in fields.items()
                      if name in resource}  # fmt: skip
            items[key] = {**resource, **joined}
    return kinds


def mapping(value: Any, where: str) -> dict[str, Any]:
    """A mapping, empty where there is nothing.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, dict | None):
        raise UsageError(f"{where}: expected a mapping, got {kind_of(value)}")
    return value or {}


def sequence(items: Any, where: str) -> list[dict[str, Any]]:
    """A list of mappings, empty where there is nothing.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(items, list | None):
        raise UsageError(f"{where}: expected a list, got {kind_of(items)}")
    for item in items or []:
        if not isinstance(item, dict):
            raise UsageError(f"{where}: expected mappings, got {kind_of(item)}")
    return items or []


def number(spec: Mapping[str, Any], name: str, where: str) -> int:
    """A field that holds a whole number, 0 where it isn't there or stands in a variable that has no value yet.

    Raises:
        UsageError: it holds something else.
    """
    value = spec.get(name)
    text = "0" if value is None or is_reference(value) else as_text(value)
    if not re.fullmatch("[-+]?[0-9]+", text):  # fewer texts than int() takes: the CLI leaves out "1_0"
        raise UsageError(f"{where}: {name}: expected a whole number, got {value!r}")
    return int(text)


def is_true(value: object) -> bool:
    """Whether a field that holds yes or no holds yes."""
    return value is True or value in _TRUE


def _joined(items: Any, field: str, where: str) -> list[dict[str, Any]]:
    joined: dict[str, dict[str, Any]] = {}
    for item in sequence(items, where):
        key = as_text(item.get(field)) if not isinstance(item.get(field), dict | list) else ""
        if not key:
            raise UsageError(f"{where}: one has no {field}")
        joined[key] = {**merged(joined.get(key), item, f"{where}.{key}"), field: key}
    return list(joined.values())
