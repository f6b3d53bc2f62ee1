"""Runs a job's task graph in this process: in order, side by side where tasks don't wait for each other."""

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic

from search_forecast.bundle import runs
from search_forecast.bundle.attempts import Attempts, Backend
from search_forecast.bundle.conditions import decide, holds
from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.documents import as_text
from search_forecast.bundle.faults import called_job, check_runs_here
from search_forecast.bundle.graph import Job, State, Task, read_job
from search_forecast.bundle.references import at_run_time, dynamic_paths, is_known_here
from search_forecast.bundle.runs import JobRun, TaskRun
from search_forecast.bundle.values import passed_parameters, values_of
from search_forecast.errors import DataError, UsageError, did_you_mean

_SIDE_BY_SIDE = 4


@dataclass(frozen=True)
class Order:
    """What was asked of `run`."""

    job: str
    parameters: Mapping[str, str]
    tasks: tuple[str, ...] = ()
    is_repair: bool = False


class Runner:
    """One run of one job: its state, and the loop that starts tasks as their dependencies end."""

    def __init__(
        self, bundle: Bundle, job: Job, run: JobRun, backend: Backend, show: Callable[["Runner"], None]
    ) -> None:
        self.bundle, self.job, self.run, self.backend, self.show = bundle, job, run, backend, show
        self._started: dict[str, float] = {}
        self._attempts = Attempts(backend)
        self._lock = threading.RLock()

    def execute(self) -> JobRun:
        """Run all tasks that are pending; returns when every one has ended."""
        begin = monotonic()
        deadline = begin + self.job.timeout_seconds if self.job.timeout_seconds else None
        workers = min(_SIDE_BY_SIDE, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers, thread_name_prefix=self.job.key) as pool:
            futures: dict[Future[None], str] = {}
            try:
                self._start_ready(pool, futures)
                while futures:
                    # Awake often: a thread that waits without end can't be stopped from outside.
                    done, _ = wait(futures, timeout=0.5, return_when=FIRST_COMPLETED)
                    if deadline is not None and monotonic() > deadline:
                        self._attempts.stop_all(State.TIMEDOUT)
                        deadline = None
                    for future in done:
                        futures.pop(future)
                        future.result()
                    self._start_ready(pool, futures)
            except BaseException:
                self._attempts.stop_all(State.CANCELED)
                wait(futures, timeout=30)
                self.run.state = "CANCELED"
                self.run.save()
                raise
        self.run.seconds = monotonic() - begin
        self.run.state = self._ended()
        self._changed()
        return self.run

    def seconds(self, key: str) -> float:
        """How long a task has run."""
        task = self.run.tasks[key]
        return monotonic() - self._started[key] if task.state is State.RUNNING else task.seconds

    def _start_ready(self, pool: ThreadPoolExecutor, futures: dict[Future[None], str]) -> None:
        """Start, or leave out, every task whose dependencies have ended; leaving one out may free the next."""
        for task in self.job.tasks:
            task_run = self.run.tasks[task.key]
            states = {d.task_key: self.run.tasks[d.task_key].state for d in task.depends_on}
            if task_run.state is not State.PENDING or not all(_has_ended(state) for state in states.values()):
                continue
            outcomes = {key: t.outcome for key, t in self.run.tasks.items() if t.outcome is not None}
            task_run.state = State.CANCELED if self._attempts.is_stopped else decide(task, states, outcomes)
            if task_run.state is State.RUNNING:
                self._started[task.key] = monotonic()
                futures[pool.submit(self._run_task, task, task_run)] = task.key
            self._changed()

    def _run_task(self, task: Task, task_run: TaskRun) -> None:
        """Run one task to its end, with its retries; called in a thread of its own."""
        try:
            self._attempts.run(task, task_run, self.run.directory / f"{task.key}.log", self._work)
        finally:
            task_run.seconds = monotonic() - self._started[task.key]
            self._changed()

    def _work(self, task: Task, task_run: TaskRun) -> None:
        """What one attempt of a task does."""
        values = values_of(task.key, self.job, self.run)
        if task.kind == "condition_task":
            left, right = (at_run_time(as_text(task.settings.get(side)), values) for side in ("left", "right"))
            task_run.outcome = "true" if holds(task.settings, left, right) else "false"
        elif task.kind == "run_job_task":
            self._run_job(task, values)
        else:
            self.backend.execute([at_run_time(text, values) for text in task.command])

    def _run_job(self, task: Task, values: Mapping[str, object]) -> None:
        called = read_job(self.bundle, str(called_job(task)))
        passed = {k: at_run_time(v, values) for k, v in passed_parameters(task, self.run.parameters, called).items()}
        directory = self.run.directory / task.key
        pending = replace(self.run, job=called.key, directory=directory, tasks=_pending(called), state="RUNNING",
                          parameters=parameters(called, passed))  # fmt: skip
        ended = Runner(self.bundle, called, pending, self.backend, lambda _: self.show(self)).execute()
        if not ended.state.startswith("SUCCESS"):
            failed = first_failed(ended)
            raise DataError(f"job {called.key} ended {ended.state}: {failed or 'see run.json'} in {directory}")

    def _ended(self) -> str:
        states = {key: task.state for key, task in self.run.tasks.items()}
        failed = [key for key, state in states.items() if state.is_failed]
        if not failed:
            return "SUCCESS"
        leaves = [states[key] for key in self.job.leaves]
        if any(state.is_failed for state in leaves) or all(state is State.EXCLUDED for state in leaves):
            return "TIMEDOUT" if any(states[key] is State.TIMEDOUT for key in failed) else "FAILED"
        return "SUCCESS_WITH_FAILURES"

    def _changed(self) -> None:
        with self._lock:
            self.run.save()
            self.show(self)


def start(bundle: Bundle, order: Order, lakehouse: Path, target: str | None, now: datetime) -> tuple[Job, JobRun]:
    """Check an order and make its run; nothing runs yet.

    Args:
        bundle: Resolved bundle.
        order: What was asked.
        lakehouse: Where runs are saved.
        target: The target as it was named on the command line, None where it wasn't.
        now: Time of the run.

    Raises:
        UsageError: the job, a task or a parameter is wrong, or something in the job can't run here.
    """
    job = read_job(bundle, order.job)
    check_runs_here(bundle, job)
    for key in order.tasks:
        job.task(key)
    if order.is_repair:
        run = _repaired(runs.last(lakehouse, job.key, target), job, order)
    else:
        run = runs.new(lakehouse, job.key, target, now, parameters(job, order.parameters))
        run.tasks = _pending(job)
    _check_filled(job, run.parameters)
    if order.tasks:
        chosen = [replace(t, depends_on=tuple(d for d in t.depends_on if d.task_key in order.tasks)) for t in job.tasks]
        job = replace(job, tasks=tuple(task for task in chosen if task.key in order.tasks))
        # Of an earlier run those that succeeded stay, for their values.
        run.tasks = {k: task for k, task in run.tasks.items() if k in order.tasks or task.state is State.SUCCESS}
    return job, run


def _check_filled(job: Job, values: Mapping[str, str]) -> None:
    """Raise UsageError for a parameter whose value only a workspace knows, such as where a file arrived.

    What one stands for that names another parameter is not documented.
    """
    for name, text in values.items():
        for path in dynamic_paths(text):
            if path[0] != "tasks" and (not is_known_here(path) or path[:2] == ("job", "parameters")):
                shown = f"{{{{{'.'.join(path)}}}}}, which has no value on this machine; say --param {name}=..."
                raise UsageError(f"job {job.key}: the parameter {name} is {shown}")


def _repaired(run: JobRun, job: Job, order: Order) -> JobRun:
    """An earlier run, in which all tasks that did not succeed are pending again."""
    unknown = [key for key in run.tasks if key not in {task.key for task in job.tasks}]
    if unknown:
        raise UsageError(f"run {job.key} --from-failed: the job has no task {unknown[0]} any more; run it anew")
    run.parameters = parameters(job, {**run.parameters, **order.parameters})
    run.repairs += 1
    succeeded = {key: task for key, task in run.tasks.items() if task.state is State.SUCCESS}
    run.tasks = {**_pending(job), **succeeded}
    return run


def parameters(job: Job, values: Mapping[str, str]) -> dict[str, str]:
    """The job's parameters with values of this run.

    Raises:
        UsageError: the job has no such parameter.
    """
    for name in values:
        if name not in job.parameters:
            raise UsageError(f"job {job.key}: no parameter {name}{did_you_mean(name, job.parameters)}")
    return {name: default or "" for name, default in job.parameters.items()} | dict(values)


def first_failed(run: JobRun) -> str | None:
    """One line on the first task that failed by itself."""
    for key, task in run.tasks.items():
        if task.state in (State.FAILED, State.TIMEDOUT):
            return f"{key}: {task.error}"
    return None


def _pending(job: Job) -> dict[str, TaskRun]:
    return {task.key: TaskRun() for task in job.tasks}


def _has_ended(state: State) -> bool:
    return state not in (State.PENDING, State.RUNNING)
