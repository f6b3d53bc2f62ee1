"""Talks to a workspace through databricks-sdk: files into the landing volume, a deployed job started and followed."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.errors import NotFound, PermissionDenied, ResourceConflict, Unauthenticated
from databricks.sdk.errors.base import DatabricksError
from rich.console import Console
from rich.progress import Progress

from search_forecast.bundle import runner
from search_forecast.bundle.configuration import Bundle, User
from search_forecast.bundle.graph import read_job
from search_forecast.errors import DataError, EnvironmentProblem, UsageError, repeated
from search_forecast.medallion import containers

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import Run, RunTask

_POLL_SECONDS = 2.0
_TIMEOUT_SECONDS = 60


def connect(profile: str | None = None) -> tuple[WorkspaceClient, User]:
    """Log in, by a profile or by what the environment says (the rules that all Databricks tools share).

    Returns:
        The client and the user.

    Raises:
        EnvironmentProblem: there is no login, or it does not work.
    """
    try:
        config = Config(profile=profile, http_timeout_seconds=_TIMEOUT_SECONDS, retry_timeout_seconds=_TIMEOUT_SECONDS)
        client = WorkspaceClient(config=config)
        user = client.current_user.me()
    except ValueError as error:
        reason = str(error).splitlines()[0].split(", please check")[0]
        raise EnvironmentProblem(
            f"no workspace login ({reason}): "
            f"run `databricks auth login`, then say --profile NAME, or set DATABRICKS_HOST"
        ) from error
    except (DatabricksError, OSError) as error:
        raise EnvironmentProblem(f"the workspace refused or did not answer: {_one_line(error)}") from error
    return client, User(user.user_name or "", user.display_name or "")


def checked_files(files: Sequence[Path]) -> list[Path]:
    """The files, each of which is there and of a kind that `ingest` reads.

    Raises:
        UsageError: one is not, or two have the same name.
    """
    for file in files:
        if not file.is_file():
            raise UsageError(f"upload: no file {file}")
        if not containers.is_readable(file.name):
            raise UsageError(f"upload: ingest does not read {file}: it must end in {containers.readable_endings()}")
        if file.name.startswith("."):
            raise UsageError(f"upload: ingest passes over {file}, as its name begins with a dot: call it otherwise")
    doubled = repeated([file.name for file in files])
    if doubled:
        raise UsageError(f"upload: two files named {doubled}; in the volume each needs a name of its own")
    return list(files)


def landing(bundle: Bundle) -> str:
    """The path of the landing volume."""
    volumes = bundle.resources("volumes")
    if "landing" not in volumes:
        raise UsageError("upload: the bundle declares no volume landing")
    path = volumes["landing"]["volume_path"]
    missing = bundle.unresolved(path)
    if missing:
        raise UsageError(f"the variable {missing[0]} has no value; say --var {missing[0]}=...")
    return str(path)


def upload(
    client: WorkspaceClient, volume: str, files: Sequence[Path], console: Console, layout: str | None = None
) -> dict[str, Any]:
    """Copy files into a volume; one that is there already is left alone and named in the error.

    Args:
        client: Of the workspace.
        volume: Its path.
        files: What `checked_files` gave.
        console: Where the progress is shown.
        layout: Of the files: they go to a folder that is called by it, which is made where there is none.

    Raises:
        DataError: a file of that name is there, or the volume is not.
        EnvironmentProblem: it is not allowed, or the workspace does not answer.
    """
    total, directory = 0, volume if layout is None else f"{volume}/{layout}"
    with _progress(console) as start:
        for file in files:
            size = file.stat().st_size
            advance = start(file.name, size)
            try:
                if layout is not None and file is files[0]:
                    client.files.create_directory(directory)
                with file.open("rb") as content:
                    client.files.upload(f"{directory}/{file.name}", _Counted(content, advance), overwrite=False)  # type: ignore[arg-type]
            except ResourceConflict as error:
                raise DataError(
                    f"upload: {directory} has a {file.name} already; deliver new records under a new name"
                ) from error
            except NotFound as error:
                raise DataError(f"upload: no volume {volume}: deploy the bundle first ({_one_line(error)})") from error
            except (PermissionDenied, Unauthenticated) as error:
                raise EnvironmentProblem(f"upload: not allowed to write {directory}: {_one_line(error)}") from error
            except DatabricksError as error:
                raise DataError(f"upload: {file.name}: {_one_line(error)}") from error
            except OSError as error:
                if error.filename is not None:  # the file here
                    raise
                raise EnvironmentProblem(f"upload: {file.name}: {_no_answer(error)}") from error
            total += size
    return {"directory": directory, "files": len(files), "bytes": total}


def run(
    client: WorkspaceClient, bundle: Bundle, key: str, parameters: Mapping[str, str], console: Console
) -> dict[str, Any]:
    """Start the deployed job and follow it to its end, saying on the console how it goes.

    Returns:
        job, run_id, run_page_url, state, and error: what failed, None where nothing did.

    Raises:
        UsageError: the bundle has no such job, or the job no such parameter.
        DataError: it is not deployed, or the workspace refused to run it.
        EnvironmentProblem: the workspace does not answer.
    """
    jobs = bundle.resources("jobs")
    if key not in jobs:
        raise UsageError(f"run --remote: no job {key}; the bundle has: {', '.join(sorted(jobs))}")
    name = jobs[key]["name"]
    runner.parameters(read_job(bundle, key), parameters)  # as a run here refuses it
    try:
        # The workspace compares without regard to case.
        ids = [job.job_id for job in client.jobs.list(name=name) if job.settings and job.settings.name == name]
        if len(ids) != 1 or ids[0] is None:
            raise DataError(
                f"run --remote: {len(ids)} jobs named {name!r}, expected 1: "
                f"run `databricks bundle deploy --target {bundle.target}` first, or mend the names"
            )
        once = uuid4().hex  # the SDK asks again where no answer came, which must not start a second run
        run_id = client.jobs.run_now(ids[0], job_parameters=dict(parameters) or None, idempotency_token=once).run_id
        try:
            ended = _follow(client, run_id, console)
        except KeyboardInterrupt:
            _ask_to_cancel(client, run_id, console)
            raise
        except OSError as error:
            text = f"run {run_id} goes on in the workspace, out of sight from here: {_no_answer(error)}"
            raise EnvironmentProblem(f"run --remote: {text}") from error
        state = ended.state.result_state or ended.state.life_cycle_state if ended.state else None
        result = {
            "job": name,
            "run_id": str(run_id),
            "run_page_url": ended.run_page_url,
            "state": state.value if state else None,
        }
        return {**result, "error": _first_error(client, ended)}
    except DatabricksError as error:
        raise DataError(f"run --remote: {_one_line(error)}") from error
    except OSError as error:
        raise EnvironmentProblem(f"run --remote: {_no_answer(error)}") from error


def _follow(client: WorkspaceClient, run_id: int, console: Console) -> "Run":
    """Say every change of a task's state until the run has ended."""
    said: dict[str, str] = {}
    page = ""
    while True:
        now = client.jobs.get_run(run_id)
        if now.run_page_url and not page:
            page = now.run_page_url
            console.print(f"run {run_id}: {page}", soft_wrap=True)
        for task in now.tasks or []:
            state = _state(task)
            if said.get(task.task_key) != state:
                said[task.task_key] = state
                console.print(f"{task.task_key}: {state}", soft_wrap=True)
        ended = now.state and now.state.life_cycle_state
        if ended and ended.value in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR"):
            return now
        time.sleep(_POLL_SECONDS)


def _state(task: "RunTask") -> str:
    state = task.state and (task.state.result_state or task.state.life_cycle_state)
    return state.value if state else "PENDING"


def _first_error(client: WorkspaceClient, run: "Run") -> str | None:
    """What the first failed task said; None where the run succeeded."""
    result = run.state and run.state.result_state
    if result and result.value in ("SUCCESS", "SUCCESS_WITH_FAILURES"):
        return None
    for task in run.tasks or []:
        if _state(task) in ("FAILED", "TIMEDOUT", "INTERNAL_ERROR") and task.run_id is not None:
            try:
                error_text = client.jobs.get_run_output(task.run_id).error
            except DatabricksError as error:
                error_text = f"no output ({_one_line(error)})"
            message = error_text or (task.state.state_message if task.state else None) or "no message"
            return f"task {task.task_key} {_state(task)}: {' '.join(message.split())}"
    reason = run.state.state_message if run.state else None
    return f"run ended {result.value if result else 'without a result'}: {reason or 'no message'}"


def _ask_to_cancel(client: WorkspaceClient, run_id: int, console: Console) -> None:
    """After Ctrl-C: the run goes on in the workspace unless the user says otherwise."""
    if sys.stdin.isatty():
        console.print(f"\nstop following; cancel run {run_id} in the workspace too? [y/N]", soft_wrap=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            client.jobs.cancel_run(run_id)
            console.print(f"run {run_id} is being cancelled", soft_wrap=True)
            return
    console.print(f"run {run_id} goes on in the workspace", soft_wrap=True)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Shows how far each file is, on a terminal; elsewhere says a line for each."""
    if not console.is_terminal:

        def said(name: str, size: int) -> Callable[[int], None]:
            console.print(f"{name}: {size:,} bytes", soft_wrap=True)
            return lambda _: None

        yield said
        return
    with Progress(console=console) as bars:

        def shown(name: str, size: int) -> Callable[[int], None]:
            bar = bars.add_task(name, total=size)
            return lambda position: bars.update(bar, completed=position)

        yield shown


class _Counted:
    """A file that says how far it was read."""

    def __init__(self, file: IO[bytes], advance: Callable[[int], None]) -> None:
        self._file, self._advance = file, advance

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._advance(self._file.tell())
        return block

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _no_answer(error: OSError) -> str:
    return f"the workspace did not answer: {_one_line(error)}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
