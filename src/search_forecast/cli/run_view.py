"""What a person sees of a run: a table that moves on a terminal, a line for each change elsewhere, a summary."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table
from rich.text import Text

from search_forecast.bundle.graph import Job, State
from search_forecast.bundle.runner import Runner, first_failed
from search_forecast.bundle.runs import JobRun
from search_forecast.cli import output
from search_forecast.errors import counted

_STYLES = {State.SUCCESS: "green", State.RUNNING: "cyan", State.FAILED: "red", State.TIMEDOUT: "red"}
_COLUMNS = ("task", "state", "seconds", "result")


class View:
    """Shows a run while it goes."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._runner: Runner | None = None
        self._said: dict[str, State] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Show the moving table while inside, on a terminal."""
        if not output.errors.is_terminal:
            yield
            return
        with Live(get_renderable=self._table, console=output.errors, refresh_per_second=4, transient=True) as live:
            self._live = live
            yield

    def show(self, runner: Runner) -> None:
        """Take note of a change."""
        self._runner = runner
        if self._live is not None:
            return
        for number, (key, task) in enumerate(runner.run.tasks.items(), start=1):
            if task.state is not self._said.get(key, State.PENDING):
                self._said[key] = task.state
                text = f"{number}/{len(runner.run.tasks)} {key}: {task.state.value}"
                if task.state is not State.RUNNING:
                    text += f" after {runner.seconds(key):.1f} s"
                output.note(text + (f" ({task.result})" if task.result else ""))

    def _table(self) -> Table:
        grid = Table(box=None, pad_edge=False, header_style="bold")
        for name in _COLUMNS:
            grid.add_column(name, justify="right" if name == "seconds" else "left")
        if self._runner is None:
            return grid
        for key, task in self._runner.run.tasks.items():
            style = _STYLES.get(task.state, "dim")
            grid.add_row(key, Text(task.state.value, style=style), f"{self._runner.seconds(key):.1f}", task.result)
        return grid


def summary(run: JobRun) -> None:
    """Print how a run ended: every task, and where to look when one failed."""
    rows = [(key, task.state.value, round(task.seconds, 1), task.result) for key, task in run.tasks.items()]
    output.table(_COLUMNS, [(key, state, f"{seconds:.1f}", result) for key, state, seconds, result in rows])
    output.line(f"{run.job}: {run.state} after {run.seconds:.1f} s, kept in {run.directory}")


def failure(run: JobRun) -> str:
    """What a failed run ends with: what failed, and its log."""
    log = next((task.log for task in run.tasks.values() if task.state in (State.FAILED, State.TIMEDOUT)), None)
    return f"run {run.job}: {run.state}, {first_failed(run)}; log: {log}"


def graph(job: Job, run: JobRun) -> None:
    """Print what a run would do."""
    output.line(f"{job.key} ({job.name}): {counted(len(job.tasks), 'task')}")
    for name, value in run.parameters.items():
        output.line(f"  parameter {name}={value}")
    for task in job.tasks:
        after = [d.task_key + (f" is {d.outcome}" if d.outcome else "") for d in task.depends_on]
        rules = [f"after {', '.join(after)}"] if after else []
        rules += [f"if {task.run_if}"] if task.run_if != "ALL_SUCCESS" else []
        rules += [f"up to {task.max_retries} retries"] if task.max_retries else []
        rules += [f"at most {task.timeout_seconds:g} s"] if task.timeout_seconds else []
        is_done = run.tasks[task.key].state is State.SUCCESS
        output.line(f"  {task.key}{' (' + '; '.join(rules) + ')' if rules else ''}{': done before' if is_done else ''}")
        settings = task.settings
        if task.kind == "condition_task":
            output.line(f"    whether {settings.get('left')} {settings.get('op')} {settings.get('right')}")
        elif task.kind == "run_job_task":
            output.line(f"    runs the job {settings.get('job_id')}")
        else:
            output.line(f"    search-forecast {' '.join(task.command)}")
