"""Runs of jobs, each in a file below the lakehouse, `_runs/JOB/NAME/run.json`, with a log for each task."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from search_forecast.bundle.graph import State
from search_forecast.errors import DataError, UsageError

DIRECTORY = "_runs"
KEPT_RUNS = 50  # of each job, by `maintain`
_NAME = re.compile(r"(\d{8}-\d{6})(?:-(\d+))?")


@dataclass
class TaskRun:
    """How a task of a run went."""

    state: State = State.PENDING
    attempts: int = 0
    seconds: float = 0.0
    values: dict[str, Any] = field(default_factory=dict)
    outcome: str | None = None
    error: str | None = None
    log: str | None = None

    def set_value(self, name: str, value: Any) -> None:
        """Take a value that the task set; the mapping is swapped, as another thread may be writing the file."""
        self.values = {**self.values, name: value}

    @property
    def result(self) -> str:
        """Its first counts, for people."""
        if self.outcome is not None:
            return self.outcome
        counts = [(k, v) for k, v in self.values.items() if isinstance(v, int) and not isinstance(v, bool)]
        named = [(k, v) for k, v in counts if k.endswith("_count")] or [c for c in counts if "version" not in c[0]]
        return ", ".join(f"{value:,} {_words(key, value)}" for key, value in named[:3])


def _words(key: str, count: int) -> str:
    """A count's name after its number: `record_count` is `1 record` and `2 records`, `rejected_count` `rejected`."""
    words = key.removesuffix("_count").replace("_", " ")
    if not key.endswith("_count"):
        return words.removesuffix("s") if count == 1 and words != "series" else words
    is_noun = count != 1 and not words.endswith(("ed", "raw"))
    return f"{words}{'es' if words.endswith('ch') else 's'}" if is_noun else words


@dataclass
class JobRun:
    """How a run of a job goes: written after every change, so that a killed run can be repaired too."""

    job: str
    run_id: str
    target: str | None
    directory: Path
    started_at: str
    parameters: dict[str, str]
    tasks: dict[str, TaskRun]
    state: str = "RUNNING"
    seconds: float = 0.0
    repairs: int = 0

    def save(self) -> None:
        """Write it, whole or not at all."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "run.json"
        part = path.with_suffix(".part")
        # A path whose bytes are no Unicode would make JSON that can't be read.
        part.write_text(json.dumps(self.as_dict(), indent=1, ensure_ascii=False), encoding="utf-8", errors="replace")
        part.replace(path)

    def as_dict(self) -> dict[str, Any]:
        """The run as plain values."""
        return {**asdict(self), "directory": str(self.directory)}


def new(lakehouse: Path, job: str, target: str | None, now: datetime, parameters: dict[str, str]) -> JobRun:
    """A run that starts now; its name comes after all others', though the clock may have been set back."""
    stamp = now.strftime("%Y%m%d-%H%M%S")
    names = (path.name for path in (lakehouse / DIRECTORY).glob("*/*"))
    latest, number = max((_order(name) for name in names if _NAME.fullmatch(name)), default=("", 0))
    run_id = stamp if stamp > latest else f"{latest}-{number + 1}"
    directory = lakehouse / DIRECTORY / job / run_id
    return JobRun(job, run_id, target, directory, now.isoformat(timespec="seconds"), parameters, {})


def _order(name: str) -> tuple[str, int]:
    """What runs are sorted by: the name's time, then its number, of which 10 comes after 2."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2] or 1)) if match else (name, 0)


def remove_with(lakehouse: Path, is_in: Callable[[str], bool]) -> int:
    """Remove the runs whose record or logs hold some text; how many."""
    runs = [path for path in (lakehouse / DIRECTORY).glob("*/*") if path.is_dir()]
    holding = [
        run
        for run in runs
        if any(is_in(path.read_text("utf-8", "replace")) for path in run.rglob("*") if path.is_file())
    ]
    for run in holding:
        shutil.rmtree(run)
    return len(holding)


def trim(lakehouse: Path, keep: int = KEPT_RUNS) -> int:
    """Remove all but the latest runs of each job; how many were removed."""
    removed = 0
    for job in (lakehouse / DIRECTORY).glob("*"):
        runs = sorted((path for path in job.glob("*") if path.is_dir()), key=lambda run: _order(run.name), reverse=True)
        for run in runs[keep:]:
            shutil.rmtree(run)
            removed += 1
    return removed


def last(lakehouse: Path, job: str, target: str | None) -> JobRun:
    """The latest run of a job on that target.

    Raises:
        UsageError: there is none.
        DataError: its record can't be read.
    """
    records = (lakehouse / DIRECTORY / job).glob("*/run.json")
    for path in sorted(records, key=lambda path: _order(path.parent.name), reverse=True):
        run = _read(path)
        if run.target == target:
            return run
    raise UsageError(f"run {job}: no earlier run in {lakehouse / DIRECTORY / job}; run it without --from-failed")


def listed(lakehouse: Path, job: str | None) -> list[JobRun]:
    """The runs of a job, or of all jobs, the latest first; a record that can't be read is left out."""
    runs = []
    for path in (lakehouse / DIRECTORY).glob("*/*/run.json"):
        if job in (None, path.parent.parent.name):
            with suppress(DataError):
                runs.append(_read(path))
    return sorted(runs, key=lambda run: _order(run.directory.name), reverse=True)


def _read(path: Path) -> JobRun:
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ValueError("it is no file")
        return replace(TypeAdapter(JobRun).validate_json(path.read_bytes()), directory=path.parent)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} can't be read: {reason}; run the job without --from-failed") from error
