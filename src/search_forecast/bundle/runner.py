"""Runs a job's task graph in this process: in order, side by side where tasks don't wait for each other."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic

from search_forecast.bundle import record
from search_forecast.bundle.attempts import Attempts, Backend
from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.graph import Job, State, Task, decide, holds, job
from search_forecast.bundle.record import RunRecord, TaskRecord
from search_forecast.bundle.references import at_run_time
from search_forecast.errors import DataError, UsageError

_SIDE_BY_SIDE = 4


@dataclass(frozen=True)
class Order:
    """What was asked of `run`."""

    job: str
    parameters: Mapping[str, str]
    tasks: tuple[str, ...] = ()
    is_repair: bool = False


class Run:
    """One run of one job: its state, and the loop that starts tasks as their dependencies end."""

    def __init__(
        self, bundle: Bundle, wanted: Job, kept: RunRecord, backend: Backend, show: Callable[["Run"], None]
    ) -> None:
        self.bundle, self.job, self.record, self.backend, self.show = bundle, wanted, kept, backend, show
        self._started: dict[str, float] = {}
        self._attempts = Attempts(backend)
        self._lock = threading.RLock()

    def execute(self) -> RunRecord:
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
                self.record.state = "CANCELED"
                self.record.save()
                raise
        self.record.seconds = monotonic() - begin
        self.record.state = self._ended()
        self._changed()
        return self.record

    def seconds(self, key: str) -> float:
        """How long a task has run."""
        task = self.record.tasks[key]
        return monotonic() - self._started[key] if task.state is State.RUNNING else task.seconds

    def _start_ready(self, pool: ThreadPoolExecutor, futures: dict[Future[None], str]) -> None:
        """Start, or leave out, every task whose dependencies have ended; leaving one out may free the next."""
        for task in self.job.tasks:
            kept = self.record.tasks[task.key]
            states = {d.task_key: self.record.tasks[d.task_key].state for d in task.depends_on}
            if kept.state is not State.PENDING or not all(_has_ended(state) for state in states.values()):
                continue
            outcomes = {key: t.outcome for key, t in self.record.tasks.items() if t.outcome is not None}
            kept.state = State.CANCELED if self._attempts.is_stopped else decide(task, states, outcomes)
            if kept.state is State.RUNNING:
                self._started[task.key] = monotonic()
                futures[pool.submit(self._run, task, kept)] = task.key
            self._changed()

    def _run(self, task: Task, kept: TaskRecord) -> None:
        """Run one task to its end, with its retries; called in a thread of its own."""
        try:
            self._attempts.run(task, kept, self.record.directory / f"{task.key}.log", self._work)
        finally:
            kept.seconds = monotonic() - self._started[task.key]
            self._changed()

    def _work(self, task: Task, kept: TaskRecord) -> None:
        """What one attempt of a task does."""
        values = self._values(task)
        if task.kind == "condition_task":
            left, right = (at_run_time(str(task.settings[side]), values) for side in ("left", "right"))
            kept.outcome = "true" if holds(task.settings, left, right) else "false"
        elif task.kind == "run_job_task":
            self._run_job(task, values)
        else:
            self.backend.execute([at_run_time(text, values) for text in task.command])

    def _run_job(self, task: Task, values: Mapping[str, object]) -> None:
        inner = job(self.bundle, called_job(task))
        given = {k: at_run_time(str(v), values) for k, v in (task.settings.get("job_parameters") or {}).items()}
        directory = self.record.directory / task.key
        kept = replace(self.record, job=inner.key, directory=directory, tasks=_pending(inner), state="RUNNING",
                       parameters=parameters(inner, given))  # fmt: skip
        done = Run(self.bundle, inner, kept, self.backend, lambda _: self.show(self)).execute()
        if not done.state.startswith("SUCCESS"):
            failed = first_failed(done)
            raise DataError(f"job {inner.key} ended {done.state}: {failed or 'see its record'} in {directory}")

    def _values(self, task: Task) -> dict[str, object]:
        """What the `{{...}}` of a task stand for by now."""
        values: dict[str, object] = {f"job.parameters.{k}": v for k, v in self.record.parameters.items()}
        values |= {"job.run_id": self.record.run_id, "job.id": self.job.key, "job.name": self.job.name}
        values |= {"task.name": task.key, "job.start_time.iso_date": self.record.started_at[:10]}
        for key, kept in self.record.tasks.items():
            values[f"tasks.{key}.result_state"] = kept.state.value.lower()
            values |= {f"tasks.{key}.values.{name}": value for name, value in kept.values.items()}
        return values

    def _ended(self) -> str:
        states = {key: task.state for key, task in self.record.tasks.items()}
        failed = [key for key, state in states.items() if state.is_failed]
        if not failed:
            return "SUCCESS"
        leaves = [states[key] for key in self.job.leaves]
        if any(state.is_failed for state in leaves) or all(state is State.EXCLUDED for state in leaves):
            return "TIMEDOUT" if any(states[key] is State.TIMEDOUT for key in failed) else "FAILED"
        return "SUCCESS_WITH_FAILURES"

    def _changed(self) -> None:
        with self._lock:
            self.record.save()
            self.show(self)


def start(bundle: Bundle, order: Order, lakehouse: Path, target: str | None, now: datetime) -> tuple[Job, RunRecord]:
    """Check an order and make the record of its run; nothing runs yet.

    Args:
        bundle: Resolved bundle.
        order: What was asked.
        lakehouse: Where records of runs are kept.
        target: The target as it was named on the command line, None where it wasn't.
        now: Time of the run.

    Raises:
        UsageError: the job, a task or a parameter is wrong, or something in the job can't run here.
    """
    wanted = job(bundle, order.job)
    _check_called_jobs(bundle, wanted, (wanted.key,))
    for key in order.tasks:
        wanted.task(key)
    if order.is_repair:
        kept = record.last(lakehouse, wanted.key, target)
        unknown = [key for key in kept.tasks if key not in {task.key for task in wanted.tasks}]
        if unknown:
            raise UsageError(f"run {wanted.key} --from-failed: the job has no task {unknown[0]} any more; run it anew")
        kept.parameters = parameters(wanted, {**kept.parameters, **order.parameters})
        kept.repairs += 1
        done = {key: task for key, task in kept.tasks.items() if task.state is State.SUCCESS}
        kept.tasks = {**_pending(wanted), **done}
    else:
        kept = record.new(lakehouse, wanted.key, target, now, parameters(wanted, order.parameters))
        kept.tasks = _pending(wanted)
    if order.tasks:
        chosen = [
            replace(t, depends_on=tuple(d for d in t.depends_on if d.task_key in order.tasks)) for t in wanted.tasks
        ]
        wanted = replace(wanted, tasks=tuple(task for task in chosen if task.key in order.tasks))
        kept.tasks = {key: task for key, task in kept.tasks.items() if key in order.tasks}
    return wanted, kept


def parameters(wanted: Job, given: Mapping[str, str]) -> dict[str, str]:
    """The job's parameters with the given values.

    Raises:
        UsageError: the job has no such parameter.
    """
    unknown = sorted(set(given) - set(wanted.parameters))
    if unknown:
        names = ", ".join(wanted.parameters) or "none"
        raise UsageError(f"job {wanted.key}: no parameter {unknown[0]}; its parameters: {names}")
    return {**wanted.parameters, **given}


def called_job(task: Task) -> str:
    """The key of the job that a run_job_task runs.

    Raises:
        UsageError: it names a job outside of this bundle.
    """
    text = str(task.settings.get("job_id"))
    head, _, field = text.removeprefix("${resources.jobs.").partition(".")
    if not text.startswith("${resources.jobs.") or field != "id}":
        raise UsageError(
            f"{task.key} runs the job {text}; here only a job of this bundle can run: ${{resources.jobs.KEY.id}}"
        )
    return head


def first_failed(kept: RunRecord) -> str | None:
    """One line on the first task that failed by itself."""
    for key, task in kept.tasks.items():
        if task.state in (State.FAILED, State.TIMEDOUT):
            return f"{key}: {task.error}"
    return None


def _check_called_jobs(bundle: Bundle, wanted: Job, trail: Sequence[str]) -> None:
    for task in wanted.tasks:
        if task.kind == "run_job_task":
            key = called_job(task)
            if key in trail:
                raise UsageError(f"jobs call each other: {' -> '.join((*trail, key))}")
            inner = job(bundle, key)
            parameters(inner, task.settings.get("job_parameters") or {})
            _check_called_jobs(bundle, inner, (*trail, key))


def _pending(wanted: Job) -> dict[str, TaskRecord]:
    return {task.key: TaskRecord() for task in wanted.tasks}


def _has_ended(state: State) -> bool:
    return state not in (State.PENDING, State.RUNNING)
