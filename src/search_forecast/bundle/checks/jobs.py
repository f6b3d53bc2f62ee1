"""Whether jobs hang together: their graph, environments, parameters, schedules, commands and pinned dependencies."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from typing import Any
from zoneinfo import ZoneInfo

from search_forecast.bundle.checks import local_files
from search_forecast.bundle.checks.cron import cron_problem
from search_forecast.bundle.checks.problem import Problem
from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.documents import as_text
from search_forecast.bundle.faults import called_job, faults
from search_forecast.bundle.graph import Job, Task, read_job
from search_forecast.bundle.references import dynamic_paths
from search_forecast.bundle.shapes import mapping, sequence
from search_forecast.bundle.values import sample_command
from search_forecast.errors import UsageError, did_you_mean

Parse = Callable[[Sequence[str]], object]
_PIN = re.compile(r"([A-Za-z0-9_.-]+) *(?:\[[^\]]*\])? *== *([^=*,; ]+) *(?:;.*)?")
_WHEEL = re.compile(r".*\.whl(?:\[.*\])?")  # extras may follow
_ENVIRONMENT_VERSIONS = ("1", "2", "3", "4", "5", "6")
# They come with the environment; another version beside it breaks the connection to the server.
_OF_ENVIRONMENT = ("pyspark", "databricks-connect", "delta-spark")
_OF_CODE = ("dbt_task", "python_wheel_task", "spark_jar_task", "spark_python_task", "spark_submit_task")
_STARTS = ("schedule", "trigger", "continuous")


def problems(bundle: Bundle, parse: Parse) -> Iterator[Problem]:
    """All problems with the jobs of a bundle, and with the schedules of its alerts; `parse` as for `check`."""
    lock = bundle.root / "requirements.txt"
    locked = _pins(lock.read_text(encoding="utf-8")) if lock.is_file() else None
    scripts = _console_scripts()
    for key in bundle.resources("jobs"):
        path = f"jobs.{key}"
        try:
            job = read_job(bundle, key)
            for fault in faults(bundle, job):
                yield Problem(f"{path}.{fault.task}" if fault.task else path, fault.text)
            for task in _tasks(job):
                texts = (*_command(task, job, scripts, parse), *_compute(task, job))
                for text in (*texts, *local_files.of_task(bundle, task, job)):
                    yield Problem(f"{path}.{task.key}", f"task {task.key}: {text}")
            texts = (*_unused(bundle, job), *_environments(job, locked), *_starts(job))
            for text in (*texts, *local_files.of_job(bundle, job)):
                yield Problem(path, text)
        except UsageError:
            continue  # what can't be read, `definitions` says
    for key, alert in bundle.resources("alerts").items():
        for text in _schedule(alert.get("schedule"), "quartz_cron_schedule"):
            yield Problem(f"alerts.{key}", text)


def _tasks(job: Job) -> Iterator[Task]:
    """All tasks, those that for_each_tasks repeat too."""
    for task in job.tasks:
        yield task
        if task.inner:
            yield task.inner


def _unused(bundle: Bundle, job: Job) -> Iterator[str]:
    """Parameters that no task names, and that the workspace pushes down to none either."""
    used = {path[2] for path in dynamic_paths(job.spec) if path[:2] == ("job", "parameters")}
    for task in _tasks(job):
        called = called_job(task)
        if called is not None:
            used |= set(read_job(bundle, called).parameters)
        elif task.kind in ("notebook_task", "run_job_task", "sql_task") or "named_parameters" in task.settings:
            return  # what it does with them is not known here
    for name in sorted(set(job.parameters) - used):
        yield f"nothing uses the parameter {name}"


def _command(task: Task, job: Job, scripts: Collection[str], parse: Parse) -> Iterator[str]:
    """A wheel task must call an entry point of the wheel with a command line that it takes."""
    if task.kind != "python_wheel_task":
        return
    package, entry_point = (as_text(task.settings.get(name)) for name in ("package_name", "entry_point"))
    if package != "search_forecast" or entry_point not in scripts:
        yield f"the wheel has no entry point {package}:{entry_point}"
        return
    try:
        parse(sample_command(task, job.parameters))
    except UsageError as error:
        yield str(error).partition("; see ")[0]


def _console_scripts() -> set[str]:
    try:
        installed = metadata.distribution("search_forecast").entry_points
    except metadata.PackageNotFoundError:
        return set()
    return {point.name for point in installed if point.group == "console_scripts"}


def _compute(task: Task, job: Job) -> Iterator[str]:
    """A task that runs code must name an environment that is there, for the wheel one that holds it, or a cluster."""
    clusters = {as_text(c.get("job_cluster_key")) for c in sequence(job.spec.get("job_clusters"), "job_clusters")}
    cluster, key = (as_text(task.spec.get(name)) for name in ("job_cluster_key", "environment_key"))
    if "${" in cluster + key:
        return
    if cluster and cluster not in clusters:
        yield f"no job cluster {cluster}{did_you_mean(cluster, clusters)}"
    has_cluster = cluster or any(name in task.spec for name in ("existing_cluster_id", "new_cluster"))
    if not has_cluster and task.spec.get("libraries"):
        yield "libraries are for clusters; serverless compute takes them from its environment"
    if not key and (has_cluster or task.kind not in _OF_CODE):
        return
    specs = dict(_specs(job))
    if key not in specs:
        yield f"no environment {key or 'is named'}"
    elif task.kind == "python_wheel_task" and not any(map(_WHEEL.fullmatch, _dependencies(specs[key]))):
        yield f"environment {key} does not hold the wheel"


@lru_cache(maxsize=1)
def _pins(lock: str) -> frozenset[str]:
    """What the text of a requirements.txt pins; it is long, and the same for all targets."""
    return frozenset(re.findall(r"^\S+==\S+", lock, re.MULTILINE))


def _environments(job: Job, locked: Collection[str] | None) -> Iterator[str]:
    """Environments must be known to the workspace, and hold nothing that is not pinned as locked."""
    for key, count in Counter(key for key, _ in _specs(job)).items():
        if count > 1:
            yield f"{count} environments are called {key}; a target's is put beside the first, not in its place"
    for key, spec in _specs(job):
        version = as_text(spec.get("environment_version") or spec.get("client"))
        if version not in _ENVIRONMENT_VERSIONS and not spec.get("base_environment"):
            known = ", ".join(_ENVIRONMENT_VERSIONS)
            yield f"environment {key}: there is no environment_version {version or 'in it'}; known are {known}"
        for text in _dependencies(spec):
            if re.split(r"[^A-Za-z0-9_.-]", text)[0].lower().replace("_", "-") in _OF_ENVIRONMENT:
                yield f"environment {key}: {text} comes with the environment; leave it out"
                continue
            pin = _PIN.fullmatch(text)
            if not pin and not _WHEEL.fullmatch(text):
                yield f"environment {key}: {text} is not pinned to one version"
            elif pin and locked is not None and f"{pin[1]}=={pin[2]}" not in locked:
                yield f"environment {key}: {text} is not the version in requirements.txt"


def _specs(job: Job) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in sequence(job.spec.get("environments"), f"job {job.key}: environments"):
        key = as_text(item.get("environment_key"))
        yield key, mapping(item.get("spec"), f"job {job.key}: environment {key}")


def _dependencies(spec: Mapping[str, Any]) -> list[str]:
    texts = spec.get("dependencies")
    return [as_text(text) for text in texts] if isinstance(texts, list) else []


def _starts(job: Job) -> Iterator[str]:
    named = [name for name in _STARTS if job.spec.get(name)]
    if len(named) > 1:
        yield f"has a {' and a '.join(named)}; a job has one"
    yield from _schedule(job.spec.get("schedule"), "quartz_cron_expression")
    runs, trigger = job.spec.get("max_concurrent_runs"), job.spec.get("trigger")
    if isinstance(runs, int) and not 0 <= runs <= 1000:
        yield f"max_concurrent_runs {runs} is not in 0-1000"
    for event in trigger.values() if isinstance(trigger, dict) else ():
        for name in ("min_time_between_triggers_seconds", "wait_after_last_change_seconds"):
            seconds = event.get(name) if isinstance(event, dict) else None
            if isinstance(seconds, int) and seconds < 60:
                yield f"{name} {seconds} is less than 60"
    arrival = trigger.get("file_arrival") if isinstance(trigger, dict) else None
    if isinstance(arrival, dict) and not as_text(arrival.get("url")).endswith(("/", "}")):  # } of a variable
        yield "the url of its file_arrival does not end in /"


def _schedule(schedule: Any, field: str) -> Iterator[str]:
    if not isinstance(schedule, dict) or not schedule:
        return
    problem = cron_problem(as_text(schedule.get(field)))
    if problem:
        yield f"schedule {schedule.get(field)!r}: {problem}"
    zone = as_text(schedule.get("timezone_id"))
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        yield f"schedule: there is no time zone {zone or 'in it'}"
