"""The variables of a bundle: what is declared, what a target overrides, which value each has."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search_forecast.bundle.documents import kind_of
from search_forecast.errors import UsageError, did_you_mean

# A target gives a value, or a mapping of exactly these fields. Any other mapping is a value.
_DEFINITIONS = ({"default"}, {"lookup"}, {"default", "type"}, {"default", "description"}, {"lookup", "description"},
                {"default", "type", "description"})  # fmt: skip


def declared(variables: Mapping[str, Any], overrides: Mapping[str, Any], target: str) -> dict[str, dict[str, Any]]:
    """The definitions of all variables, with those of a target laid over them.

    Raises:
        UsageError: a definition is no mapping, or the target sets a variable that is not declared.
    """
    definitions: dict[str, dict[str, Any]] = {}
    for name, definition in variables.items():
        if not isinstance(definition, dict | None):
            raise UsageError(f"variables.{name}: expected {{default: ...}}, got {kind_of(definition)}")
        definitions[name] = dict(definition or {})
    for name, value in overrides.items():
        if name not in definitions:
            known = did_you_mean(name, definitions)
            raise UsageError(f"target {target} sets the variable {name}, which is not declared{known}")
        if value is not None:
            is_definition = isinstance(value, dict) and set(value) in _DEFINITIONS
            override = value if is_definition else {"default": value}
            definitions[name].pop("lookup" if "default" in override else "default", None)
            definitions[name] |= override
    return definitions


def values(
    definitions: Mapping[str, Mapping[str, Any]],
    root: Path,
    target: str,
    chosen: Mapping[str, str],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """The value of every variable: written, chosen, from the environment, the overrides file, its default; else None.

    Raises:
        UsageError: there is no such variable, or a text is given for a list or mapping.
    """
    for name in chosen:
        if name not in definitions:
            raise UsageError(f"no variable {name}{did_you_mean(name, definitions)}")
    saved = _saved(root / ".databricks" / "bundle" / target / "variable-overrides.json")
    result: dict[str, Any] = {}
    for name, definition in definitions.items():
        if definition.get("value") is not None:
            if name in chosen:
                raise UsageError(f"the variable {name} has a value already; say default instead of it")
            result[name] = definition["value"]
            continue
        is_complex = definition.get("type") == "complex"
        text = chosen.get(name, environment.get(f"BUNDLE_VAR_{name}"))
        if text is not None and is_complex:
            raise UsageError(f"the variable {name} is complex: set it in databricks.yml or in variable-overrides.json")
        if text is None and definition.get("lookup") is None:
            override = saved.get(name)
            if override is not None and isinstance(override, dict | list) is not is_complex:
                raise UsageError(f"variable-overrides.json: {name} is {kind_of(override)}; see the variable's type")
            result[name] = definition.get("default") if override is None else override
        else:
            result[name] = text
    return result


def _saved(path: Path) -> dict[str, Any]:
    try:
        saved = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(saved, dict):
        raise UsageError(f"{path}: expected a mapping, got {kind_of(saved)}")
    return saved
