"""Whether the files that a bundle names are there, are what they are taken for, and come into the workspace."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.documents import as_text, kind_of
from search_forecast.bundle.graph import Job, Task
from search_forecast.bundle.references import texts
from search_forecast.bundle.shapes import is_true

_OF_TASKS = {"notebook_task": "notebook_path", "spark_python_task": "python_file", "sql_task": "path",
             "dbt_task": "project_directory"}  # fmt: skip
_COMMENTS = {".py": "#", ".r": "#", ".scala": "//", ".sql": "--"}

_ELSEWHERE = re.compile(r"/|\w+:|.*(\$\{|\{\{)")


def of_task(bundle: Bundle, task: Task, job: Job) -> Iterator[str]:
    """What is wrong with the notebook, script, SQL file or project of a task, where it lies in the bundle."""
    field = _OF_TASKS.get(task.kind, "")
    holder = task.settings.get("file") if task.kind == "sql_task" else task.settings
    text = as_text(holder.get(field)) if isinstance(holder, dict) else ""
    if not text or job.spec.get("git_source") or _ELSEWHERE.match(text):
        return
    own = bundle.file(f"jobs.{job.key}.{task.key}")
    files = {f for name, value, f in fields(bundle.written("jobs", job.key), own) if (name, value) == (field, text)}
    # Where it stands in a variable, the CLI sees it from the file that names the variable.
    directories = [(bundle.root / file).parent for file in files or (own, "databricks.yml")]
    is_there = Path.is_dir if task.kind == "dbt_task" else Path.is_file
    path = next((directory / text for directory in directories if is_there(directory / text)), None)
    if path is None:
        yield f"there is no file {text}"
        return
    is_notebook = path.is_file() and _is_notebook(path)
    if is_notebook and task.kind != "notebook_task":
        yield f"{text} is a notebook, which a {task.kind} can't run"
    if not is_notebook and task.kind == "notebook_task":
        yield f"{text} is no notebook: it does not begin with `# Databricks notebook source`"
    if not _comes_along(bundle, path):
        yield _not_in_workspace(bundle, text)


def fields(value: Any, file: str) -> Iterator[tuple[str, Any, str]]:
    """All fields of a nested mapping, and the file that each is written in: its paths are seen from there."""
    if isinstance(value, dict):
        file = getattr(value, "place", "").partition(":")[0] or file
        for name, inner in value.items():
            yield name, inner, file
            yield from fields(inner, file)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, file)


def of_job(bundle: Bundle, job: Job) -> Iterator[str]:
    """Lists of packages that are not there, and files that a job names and that no deployment takes along."""
    for name, text, file in fields(bundle.written("jobs", job.key), bundle.file(f"jobs.{job.key}")):
        if name == "requirements" and isinstance(text, str) and not _ELSEWHERE.match(text):
            path = (bundle.root / file).parent / text
            if not path.is_file():
                yield f"there is no file {text}"
            elif not _comes_along(bundle, path):
                yield _not_in_workspace(bundle, text)
    in_workspace = re.compile(rf"{re.escape(bundle.config['workspace']['file_path'])}/([^\s,;'\"*?\[${{}}]+)")
    for name in dict.fromkeys(name for text in texts(job.spec) for name in in_workspace.findall(text)):
        if (bundle.root / name).exists() and not _comes_along(bundle, bundle.root / name):
            yield _not_in_workspace(bundle, name)


def of_sync(bundle: Bundle) -> Iterator[str]:
    """What of sync.paths is not there: a deployment would stop at it."""
    paths = _sync(bundle).get("paths")
    if not isinstance(paths, list | None):
        yield f"sync.paths: expected a list, got {kind_of(paths)}"
    yield from (f"sync.paths: there is no {text}" for text, path in _sync_paths(bundle) if path is None)


def _is_notebook(path: Path) -> bool:
    if path.suffix.lower() == ".ipynb":
        return True
    with path.open("rb") as content:
        first = content.read(32).splitlines()[:1]
    return first == [f"{_COMMENTS.get(path.suffix.lower())} Databricks notebook source".encode()]


def _sync(bundle: Bundle) -> dict[str, Any]:
    sync = bundle.config.get("sync")
    return sync if isinstance(sync, dict) else {}


def _sync_paths(bundle: Bundle) -> Iterator[tuple[str, Path | None]]:
    """Each of sync.paths, and where it lies, seen from a file of the bundle; None where it is not there."""
    paths = _sync(bundle).get("paths", ["."])
    files = dict.fromkeys(place.partition(":")[0] for place in ("databricks.yml", *bundle.files.places.values()))
    for text in map(as_text, paths if isinstance(paths, list) else []):
        found = ((bundle.root / file).parent / text for file in files)
        yield text, next((path.resolve() for path in found if path.exists()), None)


def _comes_along(bundle: Bundle, path: Path) -> bool:
    """Whether a deployment copies a file; what .gitignore and sync.exclude take out is not looked at."""
    if _sync(bundle).get("include") or is_true(bundle.config["presets"].get("source_linked_deployment")):
        return True
    return any(root and path.resolve().is_relative_to(root) for _, root in _sync_paths(bundle))


def _not_in_workspace(bundle: Bundle, name: str) -> str:
    return f"{name} is in none of sync.paths of target {bundle.target}, so it would not be in the workspace"
