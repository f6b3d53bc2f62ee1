"""What is wrong with a job wherever it runs: the runner refuses the first fault, the checks list them all."""

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from threading import TIMEOUT_MAX
from typing import NamedTuple

from search_forecast.bundle.conditions import OPERATORS, RUN_IF
from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.graph import Job, Task, read_job
from search_forecast.bundle.references import dynamic_paths, is_known_here, problem_with, static_paths
from search_forecast.errors import UsageError, did_you_mean

PACKAGE, ENTRY_POINT = "search_forecast", "search-forecast"
KINDS_HERE = ("python_wheel_task", "condition_task", "run_job_task")
_CALLED = re.compile(r"\$\{resources\.jobs\.([\w-]+)\.id\}")


class Fault(NamedTuple):
    """One line on what is wrong, and the task that it is wrong in."""

    text: str
    task: str | None = None


def faults(bundle: Bundle, job: Job) -> Iterator[Fault]:
    """All that is wrong with a job."""
    if not job.tasks:
        yield Fault("has no tasks")
    yield from _graph(job)
    if job.timeout_seconds < 0:
        yield Fault("timeout_seconds is less than 0")
    for name, default in job.parameters.items():
        if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            yield Fault(f"the parameter {name}: its name has other characters than letters, digits, -, _ and .")
        if default is None:
            yield Fault(f"the parameter {name} has no default")
        for path in dynamic_paths(default):
            problem = problem_with(path, job.parameters, (), (), is_in_loop=False)
            if problem:
                yield Fault(f"the parameter {name}: {problem}")
    for task in job.tasks:
        for text in (*_task(task, job), *_called(bundle, job, task)):
            yield Fault(f"task {task.key}: {text}", task.key)


def called_job(task: Task) -> str | None:
    """The key of the job of this bundle that a task runs; None where it runs none of them."""
    called = _CALLED.fullmatch(str(task.settings.get("job_id"))) if task.kind == "run_job_task" else None
    return called[1] if called else None


def check_runs_here(bundle: Bundle, job: Job) -> None:
    """Raise UsageError for what is wrong with a job or one that it calls, or can't run on this machine."""
    for fault in faults(bundle, job):
        place = bundle.place(f"jobs.{job.key}.{fault.task}" if fault.task else f"jobs.{job.key}")
        raise UsageError(f"{place}: jobs.{job.key}: {fault.text}")
    missing = bundle.unresolved({name: job.spec.get(name) for name in ("tasks", "parameters", "timeout_seconds")})
    if missing:
        raise UsageError(
            f"job {job.key}: the variable {missing[0]} has no value; "
            f"say --var {missing[0]}=... or set BUNDLE_VAR_{missing[0]}"
        )
    for task in job.tasks:
        problem = _not_here(task)
        if problem:
            raise UsageError(f"job {job.key}: {task.key} {problem}. Nothing was started")
        called = called_job(task)
        if called:
            check_runs_here(bundle, read_job(bundle, called))


def _graph(job: Job) -> Iterator[Fault]:
    waits = {task.key: [d.task_key for d in task.depends_on] for task in job.tasks}
    conditions = {task.key for task in job.tasks if task.kind == "condition_task"}
    for task in job.tasks:
        for awaited, outcome in ((d.task_key, d.outcome) for d in task.depends_on):
            if awaited not in waits:
                text = f"depends on {awaited}, which is no task of the job{did_you_mean(awaited, waits)}"
                yield Fault(f"task {task.key} {text}", task.key)
            elif outcome is not None and awaited not in conditions:
                text = f"waits for the outcome {outcome} of {awaited}, which is no condition_task"
                yield Fault(f"task {task.key} {text}", task.key)
            elif outcome not in (None, "true", "false"):
                yield Fault(
                    f"task {task.key} waits for the outcome {outcome} of {awaited}; it is true or false", task.key
                )
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        yield Fault(f"tasks wait for each other: {' -> '.join(error.args[1])}")


def _task(task: Task, job: Job) -> Iterator[str]:
    if not re.fullmatch(r"[\w-]{1,100}", task.key, re.ASCII):
        yield "its key has other characters than letters, digits, - and _"
    if len(task.kinds) != 1:
        yield f"is {' and '.join(task.kinds) or 'no task of any kind'}; a task does one thing"
    if task.run_if not in RUN_IF:
        yield f"run_if {task.run_if} is none of {', '.join(RUN_IF)}"
    times = {"timeout_seconds": task.timeout_seconds, "min_retry_interval_millis": task.retry_seconds}
    yield from (f"{name} is less than 0" for name, seconds in times.items() if seconds < 0)
    # No thread can wait for longer.
    yield from (f"{name} is more than 292 years" for name, seconds in times.items() if seconds > TIMEOUT_MAX)
    if task.kind == "condition_task" and task.settings.get("op") not in OPERATORS:
        yield f"op {task.settings.get('op')} is none of {', '.join(OPERATORS)}"
    if task.kind == "for_each_task":
        yield from _loop(task)
    tasks, earlier = {other.key for other in job.tasks}, job.earlier(task.key)
    outer = {name: value for name, value in task.settings.items() if name != "task"}
    for settings, is_in_loop in ((outer, False), (task.inner.settings if task.inner else {}, True)):
        for path in dict.fromkeys(dynamic_paths(settings)):
            problem = problem_with(path, job.parameters, tasks, earlier, is_in_loop=is_in_loop)
            if problem:
                yield problem


def _loop(task: Task) -> Iterator[str]:
    if task.inner is None:
        yield "its for_each_task has no task"
    elif task.inner.kind == "for_each_task":
        yield "its for_each_task repeats a for_each_task, which none can"
    inputs = task.settings.get("inputs")
    if not isinstance(inputs, str) or not re.fullmatch(r"\s*\[.*\]\s*|.*(?:\{\{|\$\{).*", inputs, re.DOTALL):
        yield f"its inputs {inputs!r} are no JSON list"


def _called(bundle: Bundle, job: Job, task: Task) -> Iterator[str]:
    """What is wrong with the job that a task runs: its parameters, or that it leads back here."""
    for caller in filter(None, (task, task.inner)):
        key = called_job(caller)
        if key is None:
            continue
        parameters = read_job(bundle, key).parameters
        for name in caller.settings.get("job_parameters") or {}:
            if name not in parameters:
                yield f"job {key}: no parameter {name}{did_you_mean(name, parameters)}"
        trail = _way_back(bundle, key, (job.key, key))
        if trail:
            yield f"jobs call each other: {' -> '.join(trail)}"


def _way_back(bundle: Bundle, key: str, trail: tuple[str, ...]) -> tuple[str, ...]:
    """The jobs that lead from one that is called to one that was there before; none where nothing does."""
    if key in trail[:-1]:
        return trail
    for task in read_job(bundle, key).tasks:
        for caller in filter(None, (task, task.inner)):
            called = called_job(caller)
            way = _way_back(bundle, called, (*trail, called)) if called else ()
            if way:
                return way
    return ()


def _not_here(task: Task) -> str | None:
    """Why a task can't run on this machine; None when it can."""
    if task.kind not in KINDS_HERE:
        return f"is a {task.kind}, which can't run on this machine; only {', '.join(KINDS_HERE)} can"
    if task.kind == "run_job_task" and called_job(task) is None:
        job = task.settings.get("job_id")
        return f"runs the job {job}; here only a job of this bundle can run: ${{resources.jobs.KEY.id}}"
    entry_point = (task.settings.get("package_name"), task.settings.get("entry_point"))
    if task.kind == "python_wheel_task" and entry_point != (PACKAGE, ENTRY_POINT):
        return f"calls {entry_point[0]}:{entry_point[1]}; here only {PACKAGE}:{ENTRY_POINT} can run"
    for path in dynamic_paths(task.settings):
        if not is_known_here(path):
            return f"refers to {{{{{'.'.join(path)}}}}}, which has no value on this machine"
    if task.kind != "run_job_task":
        for unresolved in static_paths(task.settings):
            return f"refers to ${{{unresolved}}}, which only a deployment knows"
    return None
