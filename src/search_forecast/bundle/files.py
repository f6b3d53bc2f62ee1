"""The files of a bundle: databricks.yml and what it includes, joined by the rules of the Databricks CLI."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_forecast.bundle.documents import Document, Located, kind_of
from search_forecast.bundle.references import is_reference
from search_forecast.errors import UsageError

ROOT_FIELDS = {"artifacts", "bundle", "environments", "experimental", "include", "permissions", "presets", "python",
               "resources", "run_as", "scripts", "sync", "targets", "variables", "workspace"}  # fmt: skip
# What holds a number, or true or false. In a text, a number is a text, which the CLI lays over a reference.
_NO_TEXTS = {"timeout_seconds", "max_concurrent_runs", "jobs_max_concurrent_runs", "enabled", "double_value",
             "bool_value", "notify_on_ok", "min_time_between_triggers_seconds", "wait_after_last_change_seconds",
             "prevent_destroy", "embed_credentials"}  # fmt: skip
NAMES = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")


@dataclass(frozen=True)
class Files:
    """What the files of a bundle hold, before a target is chosen.

    Attributes:
        root: Directory of the bundle.
        content: All files joined.
        places: File and line of each resource (`jobs.medallion`), task (`jobs.medallion.ingest`) and variable.
        ignored: What the CLI passes over without a word, a line each.
    """

    root: Path
    content: dict[str, Any]
    places: dict[str, str]
    ignored: tuple[str, ...]


def find(start: Path) -> Path:
    """The nearest directory, from `start` upwards, that holds a bundle.

    Raises:
        UsageError: there is none.
    """
    for directory in (start.absolute(), *start.absolute().parents):
        if any((directory / name).is_file() for name in NAMES):
            return directory
    raise UsageError(
        f"no {NAMES[0]} in {start.absolute()} or above: run it in the project's directory, or say --bundle DIR"
    )


def read(root: Path) -> Files:
    """Read a bundle's files.

    Raises:
        UsageError: one is missing, is no YAML, or declares what another declares too.
    """
    names = [name for name in NAMES if (root / name).is_file()]
    if len(names) != 1:
        raise UsageError(f"{root}: {' and '.join(names) or f'no {NAMES[0]}'}; a bundle has one such file")
    document = Document(root / names[0], names[0])
    content: dict[str, Any] = document.content
    places, ignored = dict(_places(document, document.content)), [*document.ignored, *_repeated(document)]
    of_targets = dict(_places_in_targets(document))
    for name in _included(root, names[0], content.pop("include", None)):
        document = Document(root / name, name)
        if "include" in document.content:
            ignored.append(f"{name}: include is read in {names[0]} only")
        for key, resource in _resources(document.content):
            if key in places:
                place = getattr(resource, "place", name)
                raise UsageError(f"{place}: {key} is declared in another file too, {places[key]}")
        places |= _places(document, document.content)
        of_targets |= _places_in_targets(document)
        ignored += [*document.ignored, *_repeated(document)]
        known = {key: value for key, value in document.content.items() if key in ROOT_FIELDS}
        content = {**document.content, **merged(content, known, name)}  # what is not known may hold anchors
    return Files(root, content, {**of_targets, **places}, tuple(ignored))


def merged(base: Any, over: Any, path: str) -> Any:
    """One configuration laid over another: mappings join, lists follow each other, anything else is replaced.

    Raises:
        UsageError: the two are not of one kind at some place.
    """
    if base is None or over is None:
        return base if over is None else over
    if isinstance(base, dict) and isinstance(over, dict):
        joined = {k: merged(base[k], v, f"{path}.{k}") if k in base else v for k, v in over.items()}
        both = Located({**base, **joined})
        both.place = getattr(base, "place", "")
        return both
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over]
    if isinstance(base, dict | list) or isinstance(over, dict | list):
        raise UsageError(f"{path}: {kind_of(over)} can't be laid over {kind_of(base)}")
    return over


def check_kinds(base: Any, over: Any, path: str) -> None:
    """Raise UsageError for a number that meets a reference: what that stands for, the CLI does not know by then."""
    for key in [key for key in base if key in over] if isinstance(base, dict) and isinstance(over, dict) else ():
        kinds = {is_reference(value) for value in (base[key], over[key]) if value is not None}
        if key in _NO_TEXTS and len(kinds) > 1:
            raise UsageError(f"{path}.{key}: a number can't be laid over a reference, nor one over it; say a variable")
        check_kinds(base[key], over[key], f"{path}.{key}")


def _included(root: Path, name: str, patterns: Any) -> Iterator[str]:
    """The names of the included files, each once, in the order of the patterns."""
    if not isinstance(patterns, list | None):
        raise UsageError(f"{name}: include: expected a list of patterns, got {kind_of(patterns)}")
    seen = set(NAMES)
    for pattern in map(str, patterns or []):
        if pattern.startswith("/"):
            raise UsageError(f"{name}: include: {pattern} is no path relative to the bundle")
        if re.search(r"\[[^\]]*$", pattern):
            raise UsageError(f"{name}: include: {pattern} has a [ without its ]")
        # The CLI's ** is one level, and its [^a] what is [!a] here.
        paths = sorted(root.glob(re.sub(r"\*+", "*", pattern).replace("[^", "[!"))) if pattern else []
        if not paths and not re.search(r"[*?[]", pattern):
            raise UsageError(f"{name}: include: there is no file {pattern}")
        for path in paths:
            relative = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
            if path.suffix not in (".yml", ".yaml", ".json"):
                raise UsageError(f"{name}: include: {relative} is neither YAML nor JSON")
            if relative not in seen:
                seen.add(relative)
                yield relative


def _resources(content: Any) -> Iterator[tuple[str, Any]]:
    kinds = content.get("resources") if isinstance(content, dict) else None
    for kind, resources in kinds.items() if isinstance(kinds, dict) else ():
        for key, resource in resources.items() if isinstance(resources, dict) else ():
            yield f"{kind}.{key}", resource


def _places_in_targets(document: Document) -> Iterator[tuple[str, str]]:
    targets = document.content.get("targets")
    for target in targets.values() if isinstance(targets, dict) else ():
        yield from _places(document, target)


def _places(document: Document, content: Any) -> Iterator[tuple[str, str]]:
    for path, resource in _resources(content):
        yield path, getattr(resource, "place", document.name)
        for task in _items(resource, "tasks"):
            yield f"{path}.{task.get('task_key')}", task.place
            loop = task.get("for_each_task")
            inner = loop.get("task") if isinstance(loop, dict) else None
            if isinstance(inner, Located):
                yield f"{path}.{inner.get('task_key')}", inner.place
    variables = content.get("variables") if isinstance(content, dict) else None
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        yield f"variables.{name}", getattr(variable, "place", "databricks.yml")


def _repeated(document: Document) -> Iterator[str]:
    """Items of one key in one list, which the CLI joins into one."""
    for path, resource in _resources(document.content):
        for name, field in (("tasks", "task_key"), ("parameters", "name"), ("job_clusters", "job_cluster_key")):
            for key, count in Counter(str(item.get(field)) for item in _items(resource, name)).items():
                if count > 1:
                    place = getattr(resource, "place", document.name)
                    yield f"{place}: {path}: {count} {name} are called {key}; the CLI joins them into one"


def _items(resource: Any, name: str) -> list[Located]:
    items = resource.get(name) if isinstance(resource, dict) else None
    return [item for item in items if isinstance(item, Located)] if isinstance(items, list) else []
