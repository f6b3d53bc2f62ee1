"""Values that a task hands on: `{{tasks.ingest.values.record_count}}` in the job definition reads them."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

logger = logging.getLogger(__name__)
Value = str | int | float | bool
_keeper: ContextVar[Callable[[str, Value], None] | None] = ContextVar("_keeper", default=None)


def is_on_databricks() -> bool:
    """Whether this process runs in a workspace."""
    return bool(os.environ.get("DATABRICKS_RUNTIME_VERSION"))


def publish(values: Mapping[str, object]) -> None:
    """Hand on every value of a command's result that is text, a number or a yes or no.

    A workspace may refuse them: its documentation knows them in notebooks only. That is logged, and fails no task whose
    work is done by then; a later task that needs one says that it is not there.
    """
    try:
        for key, value in values.items():
            if isinstance(value, Value):
                set_value(key, value)
    except Exception as error:
        if not is_on_databricks():
            raise
        logger.warning("the workspace takes no task values (%s): later tasks can't read them", error)


def set_value(key: str, value: Value) -> None:
    """Hand on one value to the tasks that come later in the job; outside of a job it goes nowhere.

    Args:
        key: Name of the value.
        value: Value, at most 48 KiB as JSON in a workspace.
    """
    keep = _keeper.get()
    if keep is not None:
        keep(key, value)
    elif is_on_databricks():
        from databricks.sdk.runtime import dbutils  # noqa: PLC0415 - part of the runtime, absent here

        dbutils.jobs.taskValues.set(key=key, value=value)


@contextmanager
def kept_by(keep: Callable[[str, Value], None]) -> Iterator[None]:
    """Give the values that are set meanwhile, in this thread, to a function: how a job that runs here gets them."""
    token = _keeper.set(keep)
    try:
        yield
    finally:
        _keeper.reset(token)
