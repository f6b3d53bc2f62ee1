"""Reads a bundle and resolves it for a target by the rules of the Databricks CLI, without a workspace."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from search_forecast.bundle import presets
from search_forecast.bundle.references import AS_WRITTEN, static_paths, substitute
from search_forecast.errors import UsageError

FILE = "databricks.yml"
# Lists of mappings that a target's override joins by a key; other lists are put one after the other.
_KEYED_LISTS = {"tasks": "task_key", "environments": "environment_key", "parameters": "name"}


@dataclass(frozen=True)
class User:
    """Who deploys: the part before the @ keeps development deployments apart."""

    name: str

    @property
    def short_name(self) -> str:
        """The name as it stands in prefixes: lower case, everything but letters and digits an underscore."""
        return presets.normalized(self.name.partition("@")[0])


@dataclass(frozen=True)
class Bundle:
    """A bundle resolved for one target.

    Attributes:
        root: Directory of databricks.yml.
        target: Name of the target.
        config: The whole configuration; references that only a workspace can resolve still stand in it.
        raw: The same as it was written, targets merged in, nothing replaced.
    """

    root: Path
    target: str
    config: dict[str, Any]
    raw: dict[str, Any]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of a kind, such as `jobs`, by key."""
        resources: dict[str, dict[str, Any]] = self.config.get("resources", {}).get(kind) or {}
        return resources

    def unresolved(self, value: Any) -> list[str]:
        """Variables without a value that a part of the configuration still refers to."""
        return sorted({path.split(".")[1] for path in static_paths(value) if path.startswith("var.")})


def find(start: Path) -> Path:
    """The nearest directory, from `start` upwards, that holds a bundle.

    Raises:
        UsageError: there is none.
    """
    for directory in (start.absolute(), *start.absolute().parents):
        if (directory / FILE).is_file():
            return directory
    raise UsageError(
        f"no {FILE} in {start.absolute()} or above: run it in the project's directory, or say --bundle DIR"
    )


def load(
    root: Path,
    *,
    user: User,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    has_prefix: bool = True,
) -> Bundle:
    """Read and resolve a bundle.

    Args:
        root: Directory of databricks.yml.
        user: Who deploys.
        target: Name of the target; the default one when None.
        variables: Values of variables, above all others.
        environment: Process environment, whose BUNDLE_VAR_* give values of variables too.
        has_prefix: Whether names get the prefix of the target's mode. Not on a machine that nobody shares.

    Returns:
        The bundle. A variable that has no value stays as it is written; `Bundle.unresolved` finds it.

    Raises:
        UsageError: a file, the target, a variable or a reference is wrong.
    """
    raw = _read(root)
    name = target or _default_target(raw)
    raw = _with_target(raw, name)
    config = {key: value for key, value in raw.items() if key not in ("targets", "variables")}
    values = _variables(raw, root, name, variables or {}, environment or {})
    config["bundle"] = {**raw["bundle"], "target": name, "mode": raw.get("mode")}
    config["workspace"] = presets.workspace_paths(config.get("workspace") or {}, raw["bundle"]["name"], name, user.name)
    config["workspace"]["current_user"] = {"userName": user.name, "short_name": user.short_name}
    config = _with_values(config, set(raw["variables"]), values)
    presets.apply(config, user.short_name, has_prefix=has_prefix)
    return Bundle(root, name, _with_resources(config), raw)


def _read(root: Path) -> dict[str, Any]:
    """databricks.yml with the files that it includes."""
    merged = _yaml(root / FILE)
    if not isinstance(merged.get("bundle"), dict) or "name" not in merged["bundle"]:
        raise UsageError(f"{root / FILE}: no bundle.name")
    for pattern in merged.pop("include", None) or []:
        for path in sorted(root.glob(pattern)):
            included = _yaml(path)
            for kind, resources in (included.get("resources") or {}).items():
                taken = set(resources) & set((merged.get("resources") or {}).get(kind) or {})
                if taken:
                    raise UsageError(f"{path}: {kind}.{min(taken)} is declared in another file too")
            merged = _merged(merged, included)
    return merged


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a mapping")
    return content


def _merged(base: Any, over: Any, key: str = "") -> Any:
    """One configuration laid over another: mappings join, lists follow each other, anything else is replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{k: _merged(base[k], v, k) if k in base else v for k, v in over.items()}}
    if isinstance(base, list) and isinstance(over, list):
        name = _KEYED_LISTS.get(key)
        if name is None or not all(isinstance(item, dict) and name in item for item in (*base, *over)):
            return [*base, *over]
        joined = {item[name]: item for item in base}
        for item in over:
            joined[item[name]] = _merged(joined.get(item[name], {}), item)
        return list(joined.values())
    return base if over is None else over


def _default_target(raw: Mapping[str, Any]) -> str:
    targets = raw.get("targets") or {}
    marked = [name for name, target in targets.items() if target and target.get("default")]
    if len(marked) == 1:
        return str(marked[0])
    if not marked and len(targets) == 1:
        return str(next(iter(targets)))
    raise UsageError(f"which target? say --target with one of: {', '.join(targets) or 'none is declared'}")


def _with_target(raw: dict[str, Any], name: str) -> dict[str, Any]:
    targets = raw.get("targets") or {}
    if name not in targets:
        raise UsageError(f"no target {name}; there are: {', '.join(targets) or 'none'}")
    target = dict(targets[name] or {})
    target.pop("default", None)
    variables = {
        key: value if isinstance(value, dict) and {"default", "lookup"} & set(value) else {"default": value}
        for key, value in (target.pop("variables", None) or {}).items()
    }
    unknown = sorted(set(variables) - set(raw.get("variables") or {}))
    if unknown:
        raise UsageError(f"target {name} sets the variable {unknown[0]}, which is not declared")
    base = {key: value for key, value in raw.items() if key != "run_as" or "run_as" not in target}
    return {**_merged(base, target), "variables": _merged(raw.get("variables") or {}, variables)}


def _variables(
    raw: Mapping[str, Any], root: Path, target: str, chosen: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """The value of every variable that has one: chosen, from the environment, from the overrides file, default."""
    declared = raw["variables"]
    unknown = sorted(set(chosen) - set(declared))
    if unknown:
        raise UsageError(f"no variable {unknown[0]}; there are: {', '.join(sorted(declared))}")
    path = root / ".databricks" / "bundle" / target / "variable-overrides.json"
    overrides = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    values = {name: spec["default"] for name, spec in declared.items() if spec and "default" in spec}
    values |= {name: value for name, value in overrides.items() if name in declared}
    values |= {name: environment[f"BUNDLE_VAR_{name}"] for name in declared if f"BUNDLE_VAR_{name}" in environment}
    return {**values, **chosen}


def _with_values(config: dict[str, Any], declared: set[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what refers to variables, the bundle and the workspace; these may refer to each other."""

    def lookup(path: str, trail: tuple[str, ...] = ()) -> Any:
        head, *rest = path.split(".")
        if head not in ("var", "variables", "bundle", "workspace"):
            return AS_WRITTEN
        if path in trail:
            raise UsageError(f"${{{path}}} refers to itself")
        if head.startswith("var"):
            if rest[0] not in declared:
                raise UsageError(f"${{{path}}}: no variable {rest[0]}; there are: {', '.join(sorted(declared))}")
            if rest[0] not in values:
                return AS_WRITTEN
            value = _dig({"var": values}, ["var", *rest], path)
        else:
            value = _dig(config, [head, *rest], path)
        return substitute(value, lambda inner: lookup(inner, (*trail, path)))

    resolved: dict[str, Any] = substitute(config, lookup)
    return resolved


def _with_resources(config: dict[str, Any]) -> dict[str, Any]:
    """Replace what refers to other resources, whose names have their prefix by now."""
    for volume in (config.get("resources", {}).get("volumes") or {}).values():
        volume["volume_path"] = "/Volumes/{catalog_name}/{schema_name}/{name}".format(**volume)

    def lookup(path: str, trail: tuple[str, ...] = ()) -> Any:
        head, *rest = path.split(".")
        if head != "resources":
            return AS_WRITTEN
        if path in trail:
            raise UsageError(f"${{{path}}} refers to itself")
        kind, key, *field = rest
        if key not in (config.get("resources", {}).get(kind) or {}):
            raise UsageError(f"${{{path}}}: no {kind}.{key} is declared")
        if field == ["id"]:
            return AS_WRITTEN
        value = _dig(config, [head, *rest], path)
        return substitute(value, lambda inner: lookup(inner, (*trail, path)))

    resolved: dict[str, Any] = substitute(config, lookup)
    return resolved


def _dig(config: Mapping[str, Any], steps: list[str], path: str) -> Any:
    value: Any = config
    for step in steps:
        name, *indexes = re.split(r"[\[\]]+", step.rstrip("]"))
        if not isinstance(value, dict) or name not in value:
            raise UsageError(f"${{{path}}}: there is no {step}")
        value = value[name]
        for index in indexes:
            value = value[int(index)]
    return value
