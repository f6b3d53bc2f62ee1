"""A bundle resolved for a target, by the rules of the Databricks CLI and without a workspace."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

from search_forecast.bundle import presets, variables
from search_forecast.bundle.documents import as_text
from search_forecast.bundle.files import Files, check_kinds, merged, read
from search_forecast.bundle.references import AS_WRITTEN, static_paths, substitute
from search_forecast.bundle.shapes import is_true, mapping, shaped
from search_forecast.errors import UsageError, did_you_mean
from search_forecast.lakehouse import developer

_OF_TARGETS = ("bundle", "workspace", "artifacts", "resources", "sync", "permissions", "presets")
# What only a deployment knows: it stays as it is written.
_OF_DEPLOYMENTS = re.compile(r"bundle\.git\.|workspace\.current_user\.|resources\.\w+\.[\w-]+\.")
_OPTIONAL = {
    "bundle": ("mode", "uuid", "cluster_id", "engine", "databricks_cli_version"),
    "workspace": ("host", "profile"),
}


@dataclass(frozen=True)
class User:
    """Who deploys: the part before the @ keeps development deployments apart, of a service principal what it is called.

    Attributes:
        name: E-mail address, or the application id of a service principal.
        display_name: What the workspace shows.
    """

    name: str
    display_name: str = ""

    @property
    def short_name(self) -> str:
        """The name as it stands in prefixes."""
        is_principal = re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", self.name, re.IGNORECASE)
        return developer.short_name(self.display_name if is_principal and self.display_name else self.name)

    @property
    def domain_friendly_name(self) -> str:
        """The name as it can stand in an address."""
        plain = "".join(c for c in normalize("NFD", self.short_name) if category(c) != "Mn")
        return re.sub("[^a-z0-9]", "-", normalize("NFC", plain))


@dataclass(frozen=True)
class Bundle:
    """A bundle resolved for one target.

    Attributes:
        files: The files that it was read from.
        target: Name of the target.
        config: The whole configuration; references that only a workspace can resolve still stand in it.
        raw: The same as it was written, the target laid over it, nothing replaced.
    """

    files: Files
    target: str
    config: dict[str, Any]
    raw: dict[str, Any]

    @property
    def root(self) -> Path:
        """Directory of databricks.yml."""
        return self.files.root

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of a kind, such as `jobs`, by key."""
        resources: dict[str, dict[str, Any]] = self.config["resources"].get(kind) or {}
        return resources

    def written(self, kind: str, key: str) -> dict[str, Any]:
        """A resource as it was written, the target laid over it, nothing replaced."""
        value = self.raw.get("resources")
        for step in (kind, key):
            value = value.get(step) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def place(self, path: str) -> str:
        """Where a resource (`jobs.medallion`) or one of its tasks (`jobs.medallion.ingest`) is written."""
        return self.files.places.get(path) or self.files.places.get(path.rpartition(".")[0], "databricks.yml")

    def file(self, path: str) -> str:
        """The file that it is written in, whose directory its paths are seen from."""
        return self.place(path).partition(":")[0]

    def unresolved(self, value: Any) -> list[str]:
        """Variables without a value that a part of the configuration still refers to."""
        return sorted({re.split(r"[.\[]", path)[1] for path in static_paths(value) if path.startswith("var.")})


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
    return resolve(read(root), user, target, variables, environment, has_prefix=has_prefix)


def resolve(
    files: Files,
    user: User,
    target: str | None = None,
    chosen: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    has_prefix: bool = True,
) -> Bundle:
    """Resolve a bundle that has been read; arguments and errors as for `load`."""
    declared = targets(files.content)
    name = target or _default_target(declared)
    if name not in declared:
        raise UsageError(f"no target {name}{did_you_mean(name, declared)}")
    raw = _with_target(files.content, name, declared[name])
    values = variables.values(raw["variables"], files.root, name, chosen or {}, environment or {})
    config = {key: value for key, value in raw.items() if key not in ("targets", "environments", "variables")}
    config["bundle"] = {**raw["bundle"], "target": name, "environment": name}
    config["workspace"] = presets.workspace_paths(
        mapping(config.get("workspace"), "workspace"), raw["bundle"]["name"], name, user.name
    )
    config["workspace"]["current_user"] = {
        "userName": user.name,
        "short_name": user.short_name,
        "domain_friendly_name": user.domain_friendly_name,
    }
    more = {"variables": raw["variables"]}
    config = _filled({**config, "var": values}, ("bundle", "workspace", "var"), files.places, more)
    del config["var"]
    if config["bundle"]["mode"] not in ("", "development", "production"):
        raise UsageError(f"target {name}: mode {config['bundle']['mode']} is neither development nor production")
    if config.get("resources", {}) is None:
        raise UsageError("resources: is empty; leave it out")
    config["resources"] = shaped(config.get("resources"), files.places)
    presets.apply(config, user.short_name, has_prefix=has_prefix)
    return Bundle(files, name, _filled(config, ("resources",), files.places, {}), raw)


def targets(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The targets of a bundle; one called `default` where there are none.

    Raises:
        UsageError: there are `environments`, as they were called once, beside them.
    """
    if content.get("targets") and content.get("environments"):
        raise UsageError("both targets and environments are declared; the second is the old name of the first")
    declared = mapping(content.get("targets") or content.get("environments"), "targets") or {"default": {}}
    return {name: mapping(target, f"targets.{name}") for name, target in declared.items()}


def _default_target(declared: Mapping[str, Mapping[str, Any]]) -> str:
    marked = [name for name, target in declared.items() if is_true(target.get("default"))]
    names = marked or list(declared)
    if len(names) == 1:
        return names[0]
    if marked:
        raise UsageError(f"targets {' and '.join(marked)} are both the default one; one can be")
    raise UsageError(f"which target? say --target with one of: {', '.join(declared)}")


def _with_target(content: Mapping[str, Any], name: str, target: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the files with a target laid over it."""
    raw = dict(content)
    for field in _OF_TARGETS:
        if field in target:
            check_kinds(raw.get(field), target[field], f"target {name}: {field}")
            raw[field] = merged(raw.get(field), target[field], f"target {name}: {field}")
    if "run_as" in target:
        raw["run_as"] = target["run_as"]
    raw["bundle"] = dict(mapping(raw.get("bundle"), "bundle"))
    if not isinstance(raw["bundle"].get("name"), str | int | float) or raw["bundle"]["name"] == "":
        raise UsageError("bundle: no name; say bundle: {name: ...} in databricks.yml")
    mode = target.get("mode") or raw["bundle"].get("mode") or ""
    raw["bundle"] |= {"name": as_text(raw["bundle"]["name"]), "mode": mode}
    overrides = mapping(target.get("variables"), f"targets.{name}.variables")
    raw["variables"] = variables.declared(mapping(raw.get("variables"), "variables"), overrides, name)
    return raw


def _filled(
    config: dict[str, Any], heads: tuple[str, ...], places: Mapping[str, str], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the references that begin with one of the heads, or lead into `more`; they may lead to further ones."""

    def lookup(path: str, trail: tuple[str, ...] = ()) -> Any:
        head, *steps = re.findall(r"[^.\[\]]+", path)
        if head not in (*heads, *more):
            return AS_WRITTEN
        if path in trail:
            raise UsageError(f"${{{path}}} refers to itself")
        if len(steps) < (3 if head == "resources" else 1):
            raise UsageError(f"${{{path}}} names no {'field' if head == 'resources' else 'value'}")
        if head == "variables" and steps[1:2] == ["value"]:
            head, steps = "var", [steps[0], *steps[2:]]
        value = _value_at(more.get(head, config.get(head)), head, steps, path)
        return substitute(value, partial(lookup, trail=(*trail, path)))

    filled = {name: substitute(value, lookup) for name, value in config.items() if name != "resources"}
    if "resources" in config:
        config = {**config, "var": filled.get("var")}  # of a variable that stands for another, its fields too
        filled["resources"] = _by_resource(config["resources"], lookup, places, ())
    return filled


def _by_resource(value: Any, lookup: Callable[[str], Any], places: Mapping[str, str], path: tuple[str, ...]) -> Any:
    """The resources filled in; an error says in which, and where that is written."""
    if len(path) < 2 and isinstance(value, dict):
        return {key: _by_resource(inner, lookup, places, (*path, key)) for key, inner in value.items()}
    try:
        return substitute(value, lookup)
    except UsageError as error:
        name = ".".join(path)
        raise UsageError(f"{places[name]}: {name}: {error}" if name in places else f"resources: {error}") from error


def _value_at(value: Any, head: str, steps: list[str], path: str) -> Any:
    """What a path leads to; AS_WRITTEN where only a deployment knows, or a variable has no value."""
    for number, step in enumerate(steps):
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
            if head == "var" and value is None:
                return AS_WRITTEN
        elif number == 0 and step in _OPTIONAL.get(head, ()):
            value = ""
        elif _OF_DEPLOYMENTS.match(path) and (head != "resources" or number > 1):
            return AS_WRITTEN
        else:
            raise UsageError(_leads_nowhere(path, steps, step, value))
    return value


def _leads_nowhere(path: str, steps: list[str], step: str, value: Any) -> str:
    known = [str(key) for key in value] if isinstance(value, dict) else []
    if path.startswith("var.") and step == steps[0]:
        return f"${{{path}}}: no variable {step}{did_you_mean(step, known)}"
    if path.startswith("resources."):
        return f"${{{path}}}: no {'.'.join(steps[:2])} is declared"
    return f"${{{path}}}: there is no {step}{did_you_mean(step, known) if known else ''}"
