"""One task's attempts: its log, its values, its retries, and how it is stopped in time."""

import ctypes
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TextIO

from search_forecast.bundle import streams
from search_forecast.bundle.graph import State, Task
from search_forecast.bundle.runs import TaskRun
from search_forecast.errors import SearchForecastError
from search_forecast.lakehouse import task_values

# Between two attempts the workspace waits for as long as the job says. Here somebody is looking at it.
_LONGEST_WAIT_SECONDS = 5.0


class _Stopped(BaseException):
    """Raised inside of a task's thread to end it."""


@dataclass(frozen=True)
class Backend:
    """What runs the commands of wheel tasks.

    Attributes:
        execute: Runs a command line; raises where it fails.
        interrupt: Stops the Spark jobs of a task that is to end.
        tagged: Marks what runs from now on in this thread as that task's.
        explain: Says in one line what an error was.
    """

    execute: Callable[[Sequence[str]], None]
    interrupt: Callable[[str], None]
    tagged: Callable[[str], None]
    explain: Callable[[Exception], str]


class Attempts:
    """The attempts of a run's tasks, each in a thread of the run's pool."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._stopped_as: State | None = None
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._verdicts: dict[str, State] = {}

    @property
    def is_stopped(self) -> bool:
        """Whether all was stopped."""
        return self._stopped_as is not None

    def run(self, task: Task, task_run: TaskRun, log: Path, work: Callable[[Task, TaskRun], None]) -> None:
        """Run a task until it succeeds or has no attempt left; its run says how it went."""
        task_run.log, task_run.error = str(log), None
        log.parent.mkdir(parents=True, exist_ok=True)
        attempts = 0
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file, streams.to(file):
            while True:
                attempts += 1
                task_run.attempts += 1
                task_run.values = {}
                file.write(f"--- {task.key}, attempt {attempts}\n")
                error = self._attempt(task, task_run, file, work)
                if error is None:
                    return
                task_run.error = error if isinstance(error, str) else self._backend.explain(error)
                is_left = task.max_retries < 0 or attempts <= task.max_retries
                if not is_left or self.is_stopped or not _is_worth_retrying(task, task_run, error):
                    return
                file.write(f"--- failed: {task_run.error}; tried again\n")
                task_run.state = State.RUNNING
                sleep(min(task.retry_seconds, _LONGEST_WAIT_SECONDS))

    def stop_all(self, verdict: State) -> None:
        """End every running task, and let no other start."""
        with self._lock:
            self._stopped_as = verdict
            running = list(self._running)
        for key in running:
            self._stop(key, verdict)

    def _attempt(
        self, task: Task, task_run: TaskRun, file: TextIO, work: Callable[[Task, TaskRun], None]
    ) -> Exception | str | None:
        """Run a task once.

        Returns:
            None when it succeeded, the error, or the sentence that says why it was stopped.
        """
        with self._lock:
            if self._stopped_as is not None:  # while it waited for its turn, or for another attempt
                task_run.state = self._stopped_as
                return self._why_stopped(task, task_run.state)
            self._running[task.key] = threading.get_ident()
            self._verdicts.pop(task.key, None)
        timer = threading.Timer(task.timeout_seconds, self._stop, (task.key, State.TIMEDOUT))
        timer.daemon = True
        if task.timeout_seconds:
            timer.start()
        failure: Exception | str | None = None
        try:
            try:
                self._backend.tagged(task.key)
                with task_values.kept_by(task_run.set_value):
                    work(task, task_run)
            finally:
                timer.cancel()
                with self._lock:
                    self._running.pop(task.key, None)
            task_run.state = State.SUCCESS
        except _Stopped:
            failure = "stopped"
        except Exception as error:
            traceback.print_exc(file=file)
            failure = error
        verdict = self._verdicts.get(task.key)
        if failure is None:
            return None
        task_run.state = verdict or State.FAILED
        return failure if verdict is None else self._why_stopped(task, verdict)

    def _why_stopped(self, task: Task, verdict: State) -> str:
        if verdict is State.CANCELED:
            return "cancelled"
        return f"took longer than {'the job may take' if self.is_stopped else f'{task.timeout_seconds} s'}"

    def _stop(self, key: str, verdict: State) -> None:
        """End one task: its Spark jobs, then its Python code at the next byte code."""
        with self._lock:
            thread = self._running.get(key)
            if thread is None:
                return
            self._verdicts[key] = verdict
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Stopped))
        self._backend.interrupt(key)


def _is_worth_retrying(task: Task, task_run: TaskRun, error: Exception | str) -> bool:
    """Whether another attempt could go better: not after an error that the command reported itself."""
    if task_run.state is State.TIMEDOUT:
        return task.is_retried_on_timeout
    return not isinstance(error, SearchForecastError) and task_run.state is State.FAILED
