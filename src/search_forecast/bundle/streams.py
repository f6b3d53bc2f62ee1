"""Sends what a task's thread prints and logs to the task's own log, whatever other threads do meanwhile."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_files: dict[int, TextIO] = {}


class _ByThread:
    """Standard output that knows, by the thread that writes, where to."""

    def __init__(self, usual: TextIO) -> None:
        self._usual = usual

    def write(self, text: str) -> int:
        return _files.get(threading.get_ident(), self._usual).write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(_files.get(threading.get_ident(), self._usual), name)


class _TaskLogs(logging.Handler):
    """Writes the log lines of a task's thread to its file."""

    def emit(self, record: logging.LogRecord) -> None:
        file = _files.get(record.thread or 0)
        if file is not None:
            file.write(f"{self.format(record)}\n")
            file.flush()


class _NotOfTasks(logging.Filter):
    """Keeps the log lines of tasks, but for warnings, from the screen that shows the run."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or (record.thread or 0) not in _files


@contextmanager
def split() -> Iterator[None]:
    """For as long as a job runs, let each task print and log to its own file."""
    logger = logging.getLogger("search_forecast")
    task_logs, quiet = _TaskLogs(), _NotOfTasks()
    task_logs.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    shown = list(logger.handlers)
    for handler in shown:
        handler.addFilter(quiet)
    logger.addHandler(task_logs)
    usual = sys.stdout
    sys.stdout = _ByThread(usual)
    try:
        yield
    finally:
        sys.stdout = usual
        logger.removeHandler(task_logs)
        for handler in shown:
            handler.removeFilter(quiet)


@contextmanager
def to(file: TextIO) -> Iterator[None]:
    """Within `split`: send what this thread prints and logs to a file."""
    thread = threading.get_ident()
    before = _files.get(thread)
    _files[thread] = file
    try:
        yield
    finally:
        if before is None:
            del _files[thread]
        else:
            _files[thread] = before
