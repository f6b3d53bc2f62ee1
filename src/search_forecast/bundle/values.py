"""What the `{{...}}` of a task stand for in a run on this machine."""

import re
from collections.abc import Mapping
from datetime import datetime, timezone

from search_forecast.bundle.documents import as_text
from search_forecast.bundle.graph import Job, Task
from search_forecast.bundle.references import at_run_time
from search_forecast.bundle.runs import JobRun


def values_of(key: str, job: Job, run: JobRun) -> dict[str, object]:
    """The values of all references that have one by now, for one task.

    Args:
        key: The task.
        job: Its job.
        run: The job's run.
    """
    values: dict[str, object] = {
        "job.id": job.key,
        "job.name": job.name,
        "job.run_id": run.run_id,
        "job.repair_count": run.repairs,
        "job.trigger.type": "one_time",
        "task.name": key,
        **_start(datetime.fromisoformat(run.started_at).astimezone(timezone.utc)),
    }
    for name, task_run in run.tasks.items():
        values[f"tasks.{name}.result_state"] = task_run.state.value.lower()
        values[f"tasks.{name}.run_id"] = f"{run.run_id}-{name}"
        values[f"tasks.{name}.execution_count"] = task_run.attempts
        values |= {f"tasks.{name}.values.{k}": value for k, value in task_run.values.items()}
    values |= {f"task.{name}": values[f"tasks.{key}.{name}"] for name in ("run_id", "execution_count")}
    return values | {f"job.parameters.{name}": at_run_time(text, values) for name, text in run.parameters.items()}


def sample_command(task: Task, parameters: Mapping[str, str | None]) -> list[str]:
    """The command line of a wheel task to try out: parameters as they are, 0 for all that only a run knows."""
    return [_sample(text, parameters) for text in task.command]


def passed_parameters(task: Task, own: Mapping[str, object], called: Job) -> dict[str, str]:
    """What a job that a task runs is given: the parameters of the task's own job come above what the task says."""
    pushed = {name: own[name] for name in called.parameters if name in own}
    passed = {**(task.settings.get("job_parameters") or {}), **pushed}
    return {name: as_text(text) for name, text in passed.items()}


def sample_parameters(task: Task, parameters: Mapping[str, str | None], called: Job) -> dict[str, str]:
    """What a task gives to the job that it runs, to try out: as `sample_command`."""
    passed = passed_parameters(task, parameters, called)
    return {name: _sample(text, parameters) for name, text in passed.items()}


def _sample(text: str, parameters: Mapping[str, str | None]) -> str:
    values = {f"job.parameters.{name}": value for name, value in parameters.items() if value is not None}
    return re.sub(r"\$\{.*?\}", "0", at_run_time(text, values, otherwise="0"))


def _start(time: datetime) -> dict[str, object]:
    parts: dict[str, object] = {n: getattr(time, n) for n in ("year", "month", "day", "hour", "minute", "second")}
    parts |= {"iso_weekday": time.isoweekday(), "is_weekday": time.isoweekday() < 6}
    parts |= {"iso_date": time.date().isoformat(), "iso_datetime": time.replace(microsecond=0, tzinfo=None).isoformat()}
    parts["timestamp_ms"] = int(time.timestamp() * 1000)
    return {f"job.start_time.{name}": part for name, part in parts.items()}
