"""Whether a task runs: the workspace's rules for `run_if`, for disabled tasks and for conditions."""

import operator
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from search_forecast.bundle.graph import State, Task
from search_forecast.errors import UsageError

RUN_IF = ("ALL_SUCCESS", "AT_LEAST_ONE_SUCCESS", "NONE_FAILED", "ALL_DONE", "AT_LEAST_ONE_FAILED", "ALL_FAILED")
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
}

OPERATORS = ("EQUAL_TO", "NOT_EQUAL", *_COMPARISONS)


def decide(task: Task, states: Mapping[str, State], outcomes: Mapping[str, str]) -> State:
    """Whether a task whose dependencies have all ended runs: the workspace's rules for `run_if` and conditions.

    Args:
        task: The task.
        states: How each dependency ended.
        outcomes: `true` or `false` for each condition task that ran.

    Returns:
        RUNNING if it is to run, else EXCLUDED (counts as well for those after it), DISABLED or UPSTREAM_FAILED.
    """
    if task.is_disabled:
        return State.DISABLED
    if not task.depends_on:
        return State.RUNNING
    counts: Counter[str] = Counter()
    for dependency in task.depends_on:
        state = states[dependency.task_key]
        is_other = dependency.outcome not in (None, outcomes.get(dependency.task_key))
        counts[_group(state, is_other_branch=is_other)] += 1
    failed, succeeded, disabled = counts["failed"], counts["succeeded"], counts["disabled"]
    excluded, count = counts["excluded"] + counts["other branch"], counts.total()
    if disabled and (task.run_if in ("ALL_SUCCESS", "ALL_FAILED") or (disabled == count and task.run_if != "ALL_DONE")):
        return State.DISABLED
    if excluded == count:
        return State.EXCLUDED
    if task.run_if == "ALL_SUCCESS" and not failed and counts["other branch"]:
        return State.EXCLUDED
    runs = {
        "ALL_SUCCESS": not failed,
        "AT_LEAST_ONE_SUCCESS": bool(succeeded or counts["excluded"]),  # "treated as successful", says the vendor
        "NONE_FAILED": not failed,
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
        UsageError: a text where a number is compared.
    """
    op = settings.get("op")
    if op in ("EQUAL_TO", "NOT_EQUAL"):  # compare as text: 12.0 is not 12
        return (left == right) is (op == "EQUAL_TO")
    try:
        a, b = float(left), float(right)
    except ValueError as error:
        raise UsageError(f"condition {left!r} {op} {right!r}: {op} compares numbers") from error
    return _COMPARISONS[str(op)](a, b)


def _group(state: State, *, is_other_branch: bool) -> str:
    if state.is_failed:
        return "failed"
    if state is State.DISABLED:
        return "disabled"
    return "excluded" if state is State.EXCLUDED else "other branch" if is_other_branch else "succeeded"
