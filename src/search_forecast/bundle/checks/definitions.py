"""Whether each resource is one that the workspace knows, and whether variables are declared, used and described."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from databricks.bundles.alerts import Alert
from databricks.bundles.dashboards import Dashboard
from databricks.bundles.experiments import MlflowExperiment
from databricks.bundles.jobs import Job
from databricks.bundles.registered_models import RegisteredModel
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Volume

from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.references import static_paths

_CLASSES: Mapping[str, Any] = {
    "alerts": Alert,
    "dashboards": Dashboard,
    "experiments": MlflowExperiment,
    "jobs": Job,
    "registered_models": RegisteredModel,
    "schemas": Schema,
    "volumes": Volume,
}
_COMPUTED = {"volumes": ("volume_path",)}


def parsed(bundle: Bundle) -> Iterator[str]:
    """Problems with fields: unknown, missing, of a wrong type or no value of an enumeration."""
    for kind, resources in (bundle.config.get("resources") or {}).items():
        for key, resource in (resources or {}).items():
            if kind not in _CLASSES:
                yield f"{kind}.{key}: this kind of resource is not checked; add it to checks/definitions.py"
                continue
            fields = {name: value for name, value in resource.items() if name not in _COMPUTED.get(kind, ())}
            try:
                _CLASSES[kind].from_dict(fields)
            except (TypeError, ValueError) as error:
                yield f"{kind}.{key}: {' '.join(str(error).split())}"


def repeated_keys(bundle: Bundle) -> Iterator[str]:
    """Keys that resources of two kinds share: the CLI takes each key once in a bundle."""
    kinds: dict[str, list[str]] = {}
    for kind, resources in (bundle.raw.get("resources") or {}).items():
        for key in resources or {}:
            kinds.setdefault(key, []).append(kind)
    for key, declared in kinds.items():
        if len(declared) > 1:
            named = " and ".join(f"{kind}.{key}" for kind in sorted(declared))
            yield f"{named}: a key is for one resource; give one another"


def variables(bundle: Bundle) -> Iterator[str]:
    """Problems with variables: one that nothing uses, one without a description, a target that is no longer valid."""
    declared = bundle.raw.get("variables") or {}
    everywhere = {key: value for key, value in bundle.raw.items() if key != "variables"}
    used = {path.split(".")[1] for path in static_paths(everywhere) if re.match(r"var\.", path)}
    used |= {path.split(".")[1] for path in static_paths(list(declared.values())) if path.startswith("var.")}
    for name, spec in declared.items():
        if name not in used:
            yield f"variables.{name}: nothing uses it"
        if not (spec or {}).get("description"):
            yield f"variables.{name}: has no description"
