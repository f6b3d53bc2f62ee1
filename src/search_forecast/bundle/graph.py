"""A job's task graph: which task runs after which, and whether it runs at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.references import dynamic_paths
from search_forecast.errors import UsageError

PACKAGE, ENTRY_POINT = "search_forecast", "search-forecast"
KINDS = ("python_wheel_task", "condition_task", "run_job_task")
RUN_IF = ("ALL_SUCCESS", "AT_LEAST_ONE_SUCCESS", "NONE_FAILED", "ALL_DONE", "AT_LEAST_ONE_FAILED", "ALL_FAILED")


class State(str, Enum):
    """What became of a task, in the workspace's words."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TIMEDOUT = "TIMEDOUT"
    CANCELED = "CANCELED"
    EXCLUDED = "EXCLUDED"
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
    """One task of a job, resolved but for its `{{...}}` references."""

    key: str
    kind: str
    settings: Mapping[str, Any]
    depends_on: tuple[Dependency, ...]
    run_if: str
    max_retries: int
    retry_seconds: float
    is_retried_on_timeout: bool
    timeout_seconds: float

    @property
    def command(self) -> list[str]:
        """The command line of a wheel task: the command first."""
        return [str(parameter) for parameter in self.settings.get("parameters") or []]


@dataclass(frozen=True)
class Job:
    """One job: its parameters with their defaults, its tasks in an order in which they can run."""

    key: str
    name: str
    parameters: Mapping[str, str]
    tasks: tuple[Task, ...]
    timeout_seconds: float

    def task(self, key: str) -> Task:
        """The task of that key.

        Raises:
            UsageError: there is none.
        """
        for task in self.tasks:
            if task.key == key:
                return task
        raise UsageError(f"job {self.key}: no task {key}; there are: {', '.join(task.key for task in self.tasks)}")

    @property
    def leaves(self) -> list[str]:
        """Tasks that no other waits for: they decide how the run ended."""
        awaited = {dependency.task_key for task in self.tasks for dependency in task.depends_on}
        return [task.key for task in self.tasks if task.key not in awaited]


def read_job(bundle: Bundle, key: str) -> Job:
    """Read a job of the bundle, ready to run on this machine.

    Raises:
        UsageError: there is no such job, or it has something that can't run here; nothing has started yet.
    """
    jobs = bundle.resources("jobs")
    if key not in jobs:
        raise UsageError(f"no job {key}; the bundle has: {', '.join(sorted(jobs)) or 'none'}")
    spec = jobs[key]
    missing = bundle.unresolved({"tasks": spec.get("tasks"), "parameters": spec.get("parameters")})
    if missing:
        raise UsageError(
            f"job {key}: the variable {missing[0]} has no value; "
            f"say --var {missing[0]}=... or set BUNDLE_VAR_{missing[0]}"
        )
    tasks = {task["task_key"]: _task(key, task) for task in spec.get("tasks") or []}
    for task in tasks.values():
        for dependency in task.depends_on:
            if dependency.task_key not in tasks:
                raise UsageError(f"job {key}: {task.key} depends on {dependency.task_key}, which is no task of it")
    try:
        waits = {task.key: [d.task_key for d in task.depends_on] for task in tasks.values()}
        order = list(TopologicalSorter(waits).static_order())
    except CycleError as error:
        raise UsageError(f"job {key}: its tasks wait for each other: {' -> '.join(error.args[1])}") from error
    parameters = {item["name"]: str(item["default"]) for item in spec.get("parameters") or []}
    _check_references(key, tasks, parameters)
    return Job(key, spec.get("name", key), parameters, tuple(tasks[k] for k in order), spec.get("timeout_seconds") or 0)


def _task(job_key: str, spec: Mapping[str, Any]) -> Task:
    key = spec["task_key"]
    kinds = [name for name in spec if name.endswith("_task")]
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise UsageError(
            f"job {job_key}: {key} is a {', '.join(kinds) or 'task of no kind'}, which can't run on this machine; "
            f"only {', '.join(KINDS)} can. Nothing was started"
        )
    settings = spec[kinds[0]]
    if kinds[0] == "python_wheel_task":
        named = (settings.get("package_name"), settings.get("entry_point"))
        if named != (PACKAGE, ENTRY_POINT):
            raise UsageError(
                f"job {job_key}: {key} calls {named[0]}:{named[1]}; here only {PACKAGE}:{ENTRY_POINT} can run"
            )
    run_if = spec.get("run_if") or "ALL_SUCCESS"
    if run_if not in RUN_IF:
        raise UsageError(f"job {job_key}: {key} has run_if {run_if}; it is one of {', '.join(RUN_IF)}")
    return Task(
        key=key,
        kind=kinds[0],
        settings=settings,
        depends_on=tuple(Dependency(d["task_key"], d.get("outcome")) for d in spec.get("depends_on") or []),
        run_if=run_if,
        max_retries=int(spec.get("max_retries") or 0),
        retry_seconds=float(spec.get("min_retry_interval_millis") or 0) / 1000,
        is_retried_on_timeout=bool(spec.get("retry_on_timeout")),
        timeout_seconds=float(spec.get("timeout_seconds") or 0),
    )


def _check_references(key: str, tasks: Mapping[str, Task], parameters: Mapping[str, str]) -> None:
    """Raise UsageError for a `{{...}}` that nothing on this machine could ever fill."""
    fixed = ("job.run_id", "job.name", "job.id", "task.name", "job.start_time.iso_date")
    for task in tasks.values():
        for path in dynamic_paths(task.settings):
            steps = path.split(".")
            if steps[:2] == ["job", "parameters"] and len(steps) == 3:
                is_known = steps[2] in parameters
            elif steps[0] == "tasks" and len(steps) >= 3:
                is_known = steps[1] in upstream(tasks, task.key) and (
                    (steps[2] == "values" and len(steps) == 4) or steps[2:] == ["result_state"]
                )
            else:
                is_known = path in fixed
            if not is_known:
                raise UsageError(f"job {key}: {task.key} refers to {{{{{path}}}}}, which has no value on this machine")


def upstream(tasks: Mapping[str, Task], key: str) -> set[str]:
    """The keys of all tasks that have ended when a task starts."""
    ended: set[str] = set()
    waiting = [key]
    while waiting:
        for dependency in tasks[waiting.pop()].depends_on:
            if dependency.task_key not in ended:
                ended.add(dependency.task_key)
                waiting.append(dependency.task_key)
    return ended


def decide(task: Task, states: Mapping[str, State], outcomes: Mapping[str, str]) -> State:
    """Whether a task whose dependencies have all ended runs: the workspace's rules for `run_if` and conditions.

    Args:
        task: The task.
        states: How each dependency ended.
        outcomes: `true` or `false` for each condition task that ran.

    Returns:
        RUNNING if it is to run, else EXCLUDED (counts as well for those after it) or UPSTREAM_FAILED.
    """
    if not task.depends_on:
        return State.RUNNING
    excluded, failed, succeeded, is_other_branch = 0, 0, 0, False
    for dependency in task.depends_on:
        state = states[dependency.task_key]
        is_other = dependency.outcome is not None and outcomes.get(dependency.task_key) != dependency.outcome
        if state.is_failed:
            failed += 1
        elif state is State.EXCLUDED or is_other:
            excluded += 1
            is_other_branch = is_other_branch or is_other
        else:
            succeeded += 1
    count = len(task.depends_on)
    if excluded == count:
        return State.EXCLUDED
    if task.run_if == "ALL_SUCCESS" and not failed and is_other_branch:
        return State.EXCLUDED
    runs = {
        "ALL_SUCCESS": not failed,
        "AT_LEAST_ONE_SUCCESS": bool(succeeded),
        "NONE_FAILED": not failed and bool(succeeded),
        "ALL_DONE": True,
        "AT_LEAST_ONE_FAILED": bool(failed),
        "ALL_FAILED": failed == count,
    }
    if runs[task.run_if]:
        return State.RUNNING
    return State.EXCLUDED if task.run_if.endswith("FAILED") and task.run_if != "NONE_FAILED" else State.UPSTREAM_FAILED


def holds(settings: Mapping[str, Any], left: str, right: str) -> bool:
    """Whether a condition task's comparison is true.

    Raises:
        UsageError: an unknown operator, or a text where a number is compared.
    """
    op = settings.get("op")
    if op in ("EQUAL_TO", "NOT_EQUAL"):  # compare as text: 12.0 is not 12
        return (left == right) is (op == "EQUAL_TO")
    try:
        a, b = float(left), float(right)
    except ValueError as error:
        raise UsageError(f"condition {left!r} {op} {right!r}: {op} compares numbers") from error
    compared = {
        "GREATER_THAN": a > b,
        "GREATER_THAN_OR_EQUAL": a >= b,
        "LESS_THAN": a < b,
        "LESS_THAN_OR_EQUAL": a <= b,
    }
    if op not in compared:
        raise UsageError(f"condition: unknown op {op}")
    return compared[op]
