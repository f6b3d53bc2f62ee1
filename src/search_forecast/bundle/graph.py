"""A job's task graph: which task runs after which, and whether it runs at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.documents import as_text, kind_of
from search_forecast.bundle.shapes import is_true, number, sequence
from search_forecast.errors import UsageError, did_you_mean


class State(str, Enum):
    """What became of a task, in the workspace's words."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TIMEDOUT = "TIMEDOUT"
    CANCELED = "CANCELED"
    EXCLUDED = "EXCLUDED"
    DISABLED = "DISABLED"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"

    @property
    def is_failed(self) -> bool:
        """Whether a task that depends on it counts it as failed."""
        return self in (State.FAILED, State.TIMEDOUT, State.CANCELED, State.UPSTREAM_FAILED)


@dataclass(frozen=True)
class Dependency:
    """A task to wait for; after a condition task with the outcome to wait for."""

    task_key: str
    outcome: str | None = None


@dataclass(frozen=True)
class Task:
    """One task of a job, resolved but for its `{{...}}` references.

    Attributes:
        kinds: The fields that say what it does; a right task has one.
        settings: What the first of them holds.
        inner: The task that a for_each_task repeats.
        spec: The whole definition.
    """

    key: str
    kinds: tuple[str, ...]
    settings: Mapping[str, Any]
    depends_on: tuple[Dependency, ...]
    run_if: str
    max_retries: int
    retry_seconds: float
    is_retried_on_timeout: bool
    timeout_seconds: float
    is_disabled: bool
    inner: "Task | None"
    spec: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """What it does, such as `python_wheel_task`."""
        return self.kinds[0] if self.kinds else "task of no kind"

    @property
    def command(self) -> list[str]:
        """The command line of a wheel task: the command first."""
        return [as_text(parameter) for parameter in self.settings.get("parameters") or []]


@dataclass(frozen=True)
class Job:
    """One job: its parameters with their defaults, its tasks in an order in which they can run.

    A parameter without a default has None. Where tasks wait for each other in a circle, they stand as written.
    """

    key: str
    name: str
    parameters: Mapping[str, str | None]
    tasks: tuple[Task, ...]
    timeout_seconds: float
    spec: Mapping[str, Any]

    def task(self, key: str) -> Task:
        """The task of that key.

        Raises:
            UsageError: there is none.
        """
        tasks = {task.key: task for task in self.tasks}
        if key not in tasks:
            raise UsageError(f"job {self.key}: no task {key}{did_you_mean(key, tasks)}")
        return tasks[key]

    @property
    def leaves(self) -> list[str]:
        """Tasks that no other waits for: they decide how the run ended."""
        awaited = {dependency.task_key for task in self.tasks for dependency in task.depends_on}
        return [task.key for task in self.tasks if task.key not in awaited]

    def earlier(self, key: str) -> set[str]:
        """The keys of all tasks that have ended when a task starts."""
        waits = {task.key: [d.task_key for d in task.depends_on] for task in self.tasks}
        ended: set[str] = set()
        waiting = [key]
        while waiting:
            for awaited in waits.get(waiting.pop(), []):
                if awaited not in ended:
                    ended.add(awaited)
                    waiting.append(awaited)
        return ended


def read_job(bundle: Bundle, key: str) -> Job:
    """Read a job of the bundle.

    Raises:
        UsageError: there is no such job, or a field of it is of a wrong type.
    """
    jobs = bundle.resources("jobs")
    if key not in jobs:
        raise UsageError(f"no job {key}{did_you_mean(key, jobs) if jobs else '; the bundle has none'}")
    spec, where = jobs[key], f"{bundle.place(f'jobs.{key}')}: jobs.{key}"
    tasks = {}
    for item in sequence(spec.get("tasks"), f"{where}: tasks"):
        name = item["task_key"]
        tasks[name] = _task(item, f"{bundle.place(f'jobs.{key}.{name}')}: jobs.{key}: task {name}")
    waits = {name: [d.task_key for d in task.depends_on if d.task_key in tasks] for name, task in tasks.items()}
    try:
        order = list(TopologicalSorter(waits).static_order())
    except CycleError:
        order = list(tasks)
    defaults = {item["name"]: item.get("default") for item in sequence(spec.get("parameters"), f"{where}: parameters")}
    return Job(
        key=key,
        name=as_text(spec.get("name")) or key,
        parameters={name: None if value is None else as_text(value) for name, value in defaults.items()},
        tasks=tuple(tasks[name] for name in order),
        timeout_seconds=number(spec, "timeout_seconds", where),
        spec=spec,
    )


def _task(spec: Mapping[str, Any], where: str) -> Task:
    kinds = tuple(name for name in spec if name.endswith("_task"))
    settings = spec[kinds[0]] if kinds else {}
    if not isinstance(settings, dict | None):
        raise UsageError(f"{where}: {kinds[0]}: expected a mapping, got {kind_of(settings)}")
    settings = settings or {}
    for name, kind in (("parameters", list), ("job_parameters", dict)):
        if kinds[:1] in (("python_wheel_task",), ("run_job_task",)) and not isinstance(settings.get(name), kind | None):
            raise UsageError(f"{where}: {name}: expected {kind_of(kind())}, got {kind_of(settings[name])}")
    inner = settings.get("task") if "for_each_task" in kinds else None
    if not isinstance(inner, dict | None):
        raise UsageError(f"{where}: the task of its for_each_task: expected a mapping, got {kind_of(inner)}")
    waits = sequence(spec.get("depends_on"), f"{where}: depends_on")
    return Task(
        key=as_text(spec.get("task_key")),
        kinds=kinds,
        settings=settings,
        depends_on=tuple(Dependency(as_text(d.get("task_key")), as_text(d.get("outcome")) or None) for d in waits),
        run_if=as_text(spec.get("run_if")) or "ALL_SUCCESS",
        max_retries=number(spec, "max_retries", where),
        retry_seconds=number(spec, "min_retry_interval_millis", where) / 1000,
        is_retried_on_timeout=is_true(spec.get("retry_on_timeout")),
        timeout_seconds=number(spec, "timeout_seconds", where),
        is_disabled=is_true(spec.get("disabled")),
        inner=_task(inner, f"{where}: its inner task") if inner else None,
        spec=spec,
    )
