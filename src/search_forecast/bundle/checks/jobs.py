"""Whether jobs hang together: their graph, environments, parameters, schedules, commands and pinned dependencies."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from importlib import metadata
from typing import Any
from zoneinfo import ZoneInfo

from search_forecast.bundle.checks.cron import cron_problem
from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.references import dynamic_paths
from search_forecast.errors import UsageError

Parse = Callable[[Sequence[str]], object]
_PIN = re.compile(r"[A-Za-z0-9_.-]+==[^=*]+")


def problems(bundle: Bundle, parse: Parse) -> Iterator[str]:
    """All problems with the jobs of a bundle, and with the schedules of its alerts; `parse` as for `check`."""
    for key, job in bundle.resources("jobs").items():
        written = ((bundle.raw.get("resources") or {}).get("jobs") or {}).get(key) or {}
        for problem in (
            *_graph(job, written),
            *_references(job),
            *_commands(job, parse),
            *_environments(bundle, job),
            *_schedule(job.get("schedule") or {}, "quartz_cron_expression"),
        ):
            yield f"jobs.{key}: {problem}"
    for key, alert in bundle.resources("alerts").items():
        for problem in _schedule(alert.get("schedule") or {}, "quartz_cron_schedule"):
            yield f"alerts.{key}: {problem}"


def _graph(job: Mapping[str, Any], written: Mapping[str, Any]) -> Iterator[str]:
    tasks = job.get("tasks") or []
    for name, count in Counter(task["task_key"] for task in written.get("tasks") or []).items():
        if count > 1:
            yield f"two tasks are called {name}"
    waits = {task["task_key"]: [d["task_key"] for d in task.get("depends_on") or []] for task in tasks}
    for name, awaited in waits.items():
        for missing in sorted(set(awaited) - set(waits)):
            yield f"task {name} depends on {missing}, which is no task of the job"
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        yield f"tasks wait for each other: {' -> '.join(error.args[1])}"


def _references(job: Mapping[str, Any]) -> Iterator[str]:
    """`{{job.parameters.x}}` and the declared parameters must be the same; `{{tasks.t...}}` must name a task."""
    declared = [parameter["name"] for parameter in job.get("parameters") or []]
    keys = {task["task_key"] for task in job.get("tasks") or []}
    used = set()
    for task in job.get("tasks") or []:
        for path in dynamic_paths(task):
            steps = path.split(".")
            if steps[:2] == ["job", "parameters"]:
                used.add(steps[2])
                if steps[2] not in declared:
                    yield f"task {task['task_key']} uses the parameter {steps[2]}, which the job does not declare"
            elif steps[0] == "tasks" and steps[1] not in keys:
                yield f"task {task['task_key']} reads a value of {steps[1]}, which is no task of the job"
    for name in sorted(set(declared) - used):
        yield f"nothing uses the parameter {name}"


def _commands(job: Mapping[str, Any], parse: Parse) -> Iterator[str]:
    """Each wheel task must call an entry point of the wheel with a command line that it takes."""
    try:
        installed = metadata.distribution("search_forecast").entry_points
    except metadata.PackageNotFoundError:
        installed = metadata.EntryPoints()
    scripts = {point.name for point in installed if point.group == "console_scripts"}
    for task in job.get("tasks") or []:
        wheel = task.get("python_wheel_task")
        if wheel is None:
            continue
        key = task["task_key"]
        if wheel.get("package_name") != "search_forecast" or wheel.get("entry_point") not in scripts:
            yield f"task {key}: the wheel has no entry point {wheel.get('package_name')}:{wheel.get('entry_point')}"
            continue
        command = [re.sub(r"\{\{.*?\}\}|\$\{.*?\}", "0", str(text)) for text in wheel.get("parameters") or []]
        try:
            parse(command)
        except UsageError as error:
            yield f"task {key}: {str(error).partition('; see ')[0]}"


def _environments(bundle: Bundle, job: Mapping[str, Any]) -> Iterator[str]:
    """Tasks must name an environment that is there; it holds the wheel and nothing that is not pinned as locked."""
    environments = {item["environment_key"]: item.get("spec") or {} for item in job.get("environments") or []}
    for task in job.get("tasks") or []:
        key = task.get("environment_key")
        if "python_wheel_task" in task and key not in environments and not _has_cluster(task):
            yield f"task {task['task_key']}: no environment {key}"
    lock = bundle.root / "requirements.txt"
    locked = set(re.findall(r"^(\S+==\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)) if lock.is_file() else None
    for key, spec in environments.items():
        for text in spec.get("dependencies") or []:
            if text.endswith(".whl"):
                continue
            if not _PIN.fullmatch(text):
                yield f"environment {key}: {text} is not pinned to one version"
            elif locked is not None and text not in locked:
                yield f"environment {key}: {text} is not the version in requirements.txt"


def _has_cluster(task: Mapping[str, Any]) -> bool:
    return any(name in task for name in ("job_cluster_key", "existing_cluster_id", "new_cluster"))


def _schedule(schedule: Mapping[str, Any], field: str) -> Iterator[str]:
    if not schedule:
        return
    problem = cron_problem(str(schedule.get(field, "")))
    if problem:
        yield f"schedule {schedule.get(field)!r}: {problem}"
    zone = str(schedule.get("timezone_id"))
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        yield f"schedule: there is no time zone {zone}"
