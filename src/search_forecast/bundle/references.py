"""The references in a bundle: `${var.x}`, resolved at deployment, and `{{job.parameters.x}}`, at run time."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from search_forecast.bundle.documents import as_text, kind_of
from search_forecast.errors import UsageError, did_you_mean

_NAME = r"[^\W\d_](?:[\w-]*[^\W_])?"  # what the CLI takes, in a form that does not backtrack
_STATIC = re.compile(rf"\$\{{({_NAME}(?:\.{_NAME}(?:\[[0-9]+\])*)*)\}}")
HEADS = ("artifacts", "bundle", "resources", "var", "variables", "workspace")
_NEARLY = re.compile(rf"\$\{{\s*(?:{'|'.join(HEADS)})\b[^${{}}]*(?:\}}|\Z)")
_WORKSPACE_PATH = re.compile(r"/Workspace/?(?=\$\{workspace\.(?:root|file|artifact|state|resource)_path\})")
_ROUNDS = 11
_DYNAMIC = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_STEP = r"`([^`]+)`|\[([^\[\]`]+)\]|([^.`\[\]\s]+)"
_PATH = re.compile(rf"(?:{_STEP})(?:\.(?:{_STEP}))*")
# The first words that the workspace takes for its own; anything else in {{ }} is text.
_NAMESPACES = ("job", "task", "tasks", "workspace", "input")
_TIMES = ("iso_weekday", "is_weekday", "iso_date", "iso_datetime", "year", "month", "day", "hour", "minute", "second",
          "timestamp_ms")  # fmt: skip
_HERE = {"job.id", "job.name", "job.run_id", "job.repair_count", "job.trigger.type", "task.name", "task.run_id",
         "task.execution_count", *(f"job.start_time.{time}" for time in _TIMES)}  # fmt: skip
_ELSEWHERE = {"job.trigger.file_arrival.location", "task.notebook_path", "workspace.id", "workspace.url",
              *(f"job.trigger.time.{time}" for time in _TIMES)}  # fmt: skip
_OF_TASKS_HERE, _OF_TASKS_ELSEWHERE = ("result_state", "run_id", "execution_count"), ("error_code", "notebook_path")
_FORMER_NAMES = {"job_id": "job.id", "run_id": "task.run_id", "start_date": "job.start_time.iso_date",
                 "task_key": "task.name", "start_time": "job.start_time.timestamp_ms"}  # fmt: skip

AS_WRITTEN = object()  # what a lookup returns for a reference that is to stay as it is


def substitute(value: Any, lookup: Callable[[str], Any]) -> Any:
    """Replace `${...}` in all texts of a nested value.

    Args:
        value: Text, number, list or mapping, nested at will.
        lookup: Gives the value of a path such as `var.catalog`, or AS_WRITTEN.

    Returns:
        The same with references replaced. A text that is nothing but one reference takes the type of its value.
    """
    if isinstance(value, dict):
        return {key: substitute(inner, lookup) for key, inner in value.items()}
    if isinstance(value, list):
        return [substitute(inner, lookup) for inner in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    value = _WORKSPACE_PATH.sub("", value)  # those paths begin with it
    for _ in range(_ROUNDS):  # a replacement may complete the reference around it: ${var.${var.name}}
        whole = _STATIC.fullmatch(value)
        if whole:
            replacement = lookup(whole[1])
            return value if replacement is AS_WRITTEN else replacement
        before, value = value, _STATIC.sub(lambda match: _within_text(lookup(match[1]), match[0]), value)
        if value == before:
            break
    return value


def is_reference(value: Any) -> bool:
    """Whether it is a text that is nothing but one `${...}`."""
    return isinstance(value, str) and _STATIC.fullmatch(value) is not None


def static_paths(value: Any) -> Iterator[str]:
    """All paths that `${...}` names in a nested value."""
    for text in texts(value):
        yield from _STATIC.findall(text)


def misspelt(value: Any) -> Iterator[str]:
    """What in a nested value is meant to be a `${...}`, but is text to the CLI, such as `${var.catalog }`."""
    for text in texts(value):
        yield from (written for written in _NEARLY.findall(text) if not is_reference(written))


def dynamic_paths(value: Any) -> Iterator[tuple[str, ...]]:
    """All paths that `{{...}}` names in a nested value, step by step: `("job", "parameters", "x")`.

    What the workspace takes for text is left out; what is no path, but begins like one, is a single step.
    """
    for text in texts(value):
        for written in _DYNAMIC.findall(text):
            path = _path(written)
            if path[0].partition(".")[0] in _NAMESPACES:
                yield path


def texts(value: Any) -> Iterator[str]:
    """All texts in a nested value, keys not included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def problem_with(
    path: tuple[str, ...],
    parameters: Collection[str],
    tasks: Collection[str],
    earlier: Collection[str],
    *,
    is_in_loop: bool,
) -> str | None:
    """What is wrong with a `{{...}}`, wherever the job runs; None when nothing is.

    Args:
        path: What it names, from `dynamic_paths`.
        parameters: Parameters that the job declares.
        tasks: Tasks of the job.
        earlier: Those that have ended when the task starts.
        is_in_loop: Whether it stands in the inner task of a for_each_task.
    """
    head, *steps = path
    shown = f"{{{{{'.'.join(path)}}}}}"
    if head == "job" and steps[:1] == ["parameters"] and len(steps) == 2:
        known = did_you_mean(steps[1], parameters)
        return None if steps[1] in parameters else f"{shown}: the job has no parameter {steps[1]}{known}"
    if head == "tasks" and len(steps) >= 2 and _is_of_task(steps[1:]):
        if steps[0] not in tasks:
            return f"{shown}: the job has no task {steps[0]}{did_you_mean(steps[0], tasks)}"
        return None if steps[0] in earlier else f"{shown}: {steps[0]} is not run before; say depends_on"
    if head == "input":
        return None if is_in_loop else f"{shown} is known to the task of a for_each_task only"
    if ".".join(path) in _HERE | _ELSEWHERE or path[:3] == ("job", "trigger", "table_update"):
        return None
    near = f"; did you mean tasks.{steps[0]}.values.{steps[1]}?" if head == "tasks" and len(steps) == 2 else ""
    nearest = did_you_mean(".".join(path), _HERE | _ELSEWHERE)
    return f"{shown} is nothing that a job knows{near or (nearest if 'mean' in nearest else '')}"


def is_known_here(path: tuple[str, ...]) -> bool:
    """Whether a `{{...}}` that is right has a value in a run on this machine."""
    is_of_task = path[0] == "tasks" and (path[2] == "values" or path[2] in _OF_TASKS_HERE)
    return ".".join(path) in _HERE or path[:2] == ("job", "parameters") or is_of_task


def at_run_time(text: str, values: Mapping[str, object], otherwise: str | None = None) -> str:
    """Replace `{{...}}` in a text.

    Args:
        text: Text of a task's definition.
        values: Value of each path, such as `job.parameters.source`.
        otherwise: What to put where a path has no value.

    Raises:
        UsageError: a path has no value, and nothing is to be put in its place.
    """

    def replaced(match: re.Match[str]) -> str:
        path = ".".join(_path(match[1]))
        if path in values:
            value = values[path]
            return value if isinstance(value, str) else json.dumps(value)
        if path.partition(".")[0] not in _NAMESPACES:
            return match[0]
        if otherwise is not None:
            return otherwise
        raise UsageError(f"nothing has set {match[0]}; known here: {', '.join(sorted(values)) or 'nothing'}")

    return _DYNAMIC.sub(replaced, text)


def _path(written: str) -> tuple[str, ...]:
    """The steps of a path, of which any may stand in backticks or brackets."""
    if not _PATH.fullmatch(written):
        return (written,)
    path = tuple("".join(step) for step in re.findall(_STEP, written))
    return tuple(_FORMER_NAMES[path[0]].split(".")) if len(path) == 1 and path[0] in _FORMER_NAMES else path


def _is_of_task(steps: list[str]) -> bool:
    """Whether it is something that is known of a task: `values.NAME`, `result_state`."""
    if steps[0] in ("values", "output"):
        return len(steps) > 1
    return len(steps) == 1 and steps[0] in (*_OF_TASKS_HERE, *_OF_TASKS_ELSEWHERE)


def _within_text(value: object, reference: str) -> str:
    if value is AS_WRITTEN:
        return reference
    if isinstance(value, dict | list):
        raise UsageError(f"{reference} is {kind_of(value)}, which can't stand inside of a text")
    return as_text(value)
