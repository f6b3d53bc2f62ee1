"""The commands for the bundle: run a job here or in a workspace, upload files, check the bundle."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from search_forecast.cli import command, output
from search_forecast.cli.call import Call, reader
from search_forecast.cli.command import PATH, Command, KeyValue, Task, each_once, layout_names
from search_forecast.errors import DataError, SearchForecastError, UsageError, counted, did_you_mean

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from search_forecast.bundle.configuration import Bundle, User
    from search_forecast.bundle.graph import Job
    from search_forecast.bundle.runs import JobRun
    from search_forecast.lakehouse.tables import Lakehouse

F = TypeVar("F", bound=Callable[..., Any])
VOLUMES = "_volumes"
_TARGET_VARIABLES = ("DATABRICKS_BUNDLE_TARGET", "DATABRICKS_BUNDLE_ENV")  # as the Databricks CLI takes them


def _of_bundle(function: F) -> F:
    for option in (
        click.option("--profile", metavar="NAME", help="workspace login, a profile of ~/.databrickscfg"),
        click.option(
            "--bundle",
            "root",
            type=PATH,
            metavar="DIR",
            envvar="DATABRICKS_BUNDLE_ROOT",
            help="directory of databricks.yml (default: here)",
        ),
        click.option(
            "--var",
            "variables",
            type=KeyValue(),
            callback=each_once,
            multiple=True,
            metavar="k=v",
            help="a variable of the bundle",
        ),
        click.option(
            "--target", metavar="T", envvar=_TARGET_VARIABLES, help="target of the bundle (default: the bundle's own)"
        ),
    ):
        function = option(function)
    return function


@click.command("run", cls=Command, example="run medallion --param source=fixtures/landing")
@click.argument("job")
@click.option(
    "--param",
    "parameters",
    type=KeyValue(),
    callback=each_once,
    multiple=True,
    metavar="k=v",
    help="a parameter of the job",
)
@click.option("--task", "tasks", multiple=True, metavar="KEY", help="only this task (repeatable)")
@click.option("--from-failed", is_flag=True, help="go on with the last run, where it failed")
@click.option("--dry-run", is_flag=True, help="print the resolved task graph, run nothing")
@click.option("--remote", is_flag=True, help="start the deployed job and follow it to its end")
@_of_bundle
@click.pass_context
def run(ctx: click.Context, /, remote: bool, profile: str | None, **asked: Any) -> int:
    """Run a job of the bundle, here or (--remote) in the workspace."""
    call, parameters = ctx.ensure_object(Call), dict(asked["parameters"])
    if remote:
        if asked["from_failed"] or asked["dry_run"] or asked["tasks"]:
            raise UsageError("run --remote: --from-failed, --task and --dry-run are for runs on this machine")
        return _run_remote(call, asked["job"], parameters, profile, _bundle_of(asked))
    if profile:
        raise UsageError("run: --profile is for --remote")
    from search_forecast.bundle.configuration import User

    # This machine is shared with nobody: names get a target's prefix only where a target is asked for.
    bundle = _bundle_of(asked)(User(getuser()), has_prefix=asked["target"] is not None)
    return _run_here(call, partial(command.parse, ctx.find_root().command), bundle, asked, parameters)


def _run_here(
    call: Call,
    parse: Callable[[Sequence[str]], Task],
    bundle: "Bundle",
    asked: Mapping[str, Any],
    parameters: Mapping[str, str],
) -> int:
    from search_forecast.bundle import runner
    from search_forecast.cli import run_view

    order = runner.Order(asked["job"], parameters, tuple(asked["tasks"]), asked["from_failed"])

    def started() -> "tuple[Job, JobRun]":
        return runner.start(bundle, order, call.root, asked["target"], call.now())

    job, job_run = started()
    _check_commands(bundle, job, job_run.parameters, parse)
    if asked["dry_run"]:
        if call.json:
            return call.result(_plan(job, job_run))
        run_view.graph(job, job_run)
        return 0
    with call.opened(writes=True, source=_largest_source(job_run, call.root, bundle)) as lakehouse:
        job, job_run = started()  # once more: another run may have ended while this one waited for the lakehouse
        if all(task.state.value == "SUCCESS" for task in job_run.tasks.values()):
            output.line(f"run {job.key}: nothing to repair, the last run succeeded ({job_run.directory})")
            return 0
        job_run = _run_tasks(bundle, job, job_run, parse, lakehouse, call)
    call.values = {"job": job_run.job, "run_id": job_run.run_id, "state": job_run.state}
    if call.json:
        call.result(job_run.as_dict())
    else:
        run_view.summary(job_run)
    if not job_run.state.startswith("SUCCESS"):
        again = (output.program(), "run", *_from_failed(job_run), *_as_asked(asked), call.lakehouse_flag)
        raise DataError(f"{run_view.failure(job_run)}; then go on with: {' '.join(filter(None, again))}")
    return 0


def _from_failed(job_run: "JobRun") -> list[str]:
    """What `run` is to be told to go on with a run: its target too, by which it is looked for."""
    of_target = ["--target", output.shell_word(job_run.target)] if job_run.target is not None else []
    return [job_run.job, "--from-failed", *of_target]


def _as_asked(asked: Mapping[str, Any]) -> Iterator[str]:
    """The flags for the same tasks of the same bundle, but for its target."""
    variables = [f"{name}={value}" for name, value in asked["variables"]]
    roots = [] if asked["root"] is None else [asked["root"]]
    for flag, values in (("--task", asked["tasks"]), ("--bundle", roots), ("--var", variables)):
        for value in values:
            yield from (flag, output.shell_word(value))


def _run_tasks(
    bundle: "Bundle",
    job: "Job",
    job_run: "JobRun",
    parse: Callable[[Sequence[str]], Task],
    lakehouse: "Lakehouse",
    call: Call,
) -> "JobRun":
    """Run the tasks in one Spark session, on one locked lakehouse."""
    from search_forecast.bundle import streams
    from search_forecast.bundle.attempts import Backend
    from search_forecast.bundle.runner import Runner
    from search_forecast.cli.run_view import View
    from search_forecast.lakehouse.spark_errors import spark_complaint
    from search_forecast.lakehouse.tables import DEFAULT_SCHEMAS, Lakehouse

    root, lock, thread = lakehouse.root or Path.cwd(), threading.Lock(), threading.local()
    local = partial(_local_path, root=root, bundle=bundle)
    for volume in bundle.resources("volumes").values():
        Path(local(volume["volume_path"])).mkdir(parents=True, exist_ok=True)

    def spark() -> "SparkSession":
        """The session, started by the first task that needs it; what this thread asks of it belongs to its task."""
        with lock:
            session = lakehouse.spark
        session.clearTags()
        session.addTag(thread.tag)
        return session

    def execute(words: Sequence[str]) -> None:
        task = parse([local(text) for text in words])
        task.call.event_log, task.call.spark = call.event_log, call.spark
        schemas = {layer: str(name) for layer, name in task.call.schemas.items()}
        staging = task.call.staging if job_run.target and task.call.staging else lakehouse.staging
        is_default = schemas == DEFAULT_SCHEMAS  # the reader knows no other names
        task.run(Lakehouse(spark, root, staging, schemas=schemas, reader=reader(root) if is_default else None))

    def explain(error: Exception) -> str:
        return str(error) if isinstance(error, SearchForecastError) else spark_complaint(error) or f"{error!r}"

    def tagged(key: str) -> None:
        thread.tag = _tag(key)

    def interrupt(key: str) -> None:
        if lakehouse.has_spark:
            lakehouse.spark.interruptTag(_tag(key))

    backend = Backend(execute, interrupt, tagged, explain)
    view = View()
    with streams.split(), view.open():
        return Runner(bundle, job, job_run, backend, view.show).execute()


def _tag(key: str) -> str:
    return f"search_forecast-{key}"


def _run_remote(
    call: Call, job: str, parameters: Mapping[str, str], profile: str | None, load: Callable[..., "Bundle"]
) -> int:
    from search_forecast.bundle import remote

    client, user = remote.connect(profile)
    ended = remote.run(client, load(user, has_prefix=True), job, parameters, output.errors)
    call.result({key: value for key, value in ended.items() if key != "error"})
    if ended["error"]:
        raise DataError(f"run {job} --remote: {ended['error']}; see {ended['run_page_url']}")
    return 0


@click.command("upload", cls=Command, example="upload searches.csv --target prod")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option(
    "--layout", shell_complete=layout_names, metavar="NAME", help="of the files: into the folder that is called by it"
)
@_of_bundle
@click.pass_obj
def upload(call: Call, /, files: tuple[Path, ...], layout: str | None, profile: str | None, **asked: Any) -> int:
    """Copy files into the landing volume of a workspace."""
    from search_forecast.bundle import remote

    if layout is not None and not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", layout):
        raise UsageError(f"upload: {layout!r} is no name of a layout, such as ubi")
    checked = remote.checked_files(files)
    client, user = remote.connect(profile)
    bundle = _bundle_of(asked)(user, has_prefix=True)
    uploaded = remote.upload(client, remote.landing(bundle), checked, output.errors, layout)
    login = f" --profile {output.shell_word(profile)}" if profile is not None else ""
    return call.result(uploaded, next_step=f"run medallion --remote --target {bundle.target}{login}")


@click.command("check-bundle", cls=Command, example="check-bundle")
@click.argument("root", required=False, type=PATH, metavar="[DIR]")
@click.pass_context
def check_bundle(ctx: click.Context, root: Path | None) -> int:
    """Check the bundle for all of its targets: what `databricks bundle validate --strict` does not see."""
    from search_forecast.bundle.checks import check
    from search_forecast.bundle.files import find

    parse = partial(command.parse, ctx.find_root().command)
    problems = check(find(root or Path.cwd()), partial(_workspace_task, parse))
    for problem in problems:
        output.line(f"bundle: {output.printable(problem)}")
    if problems:
        raise DataError(f"check-bundle: {counted(len(problems), 'problem')}")
    output.line("bundle: nothing wrong")
    return 0


def _bundle_of(asked: Mapping[str, Any]) -> "Callable[..., Bundle]":
    """Loads the bundle that the flags name, for a user."""

    def load(user: "User", *, has_prefix: bool) -> "Bundle":
        from search_forecast.bundle import configuration, files

        root = asked["root"] or files.find(Path.cwd())
        values = dict(asked["variables"])
        return configuration.load(
            root, user=user, target=asked["target"], variables=values, environment=os.environ, has_prefix=has_prefix
        )

    return load


def _check_commands(
    bundle: "Bundle", job: "Job", parameters: Mapping[str, str | None], parse: Callable[[Sequence[str]], Task]
) -> None:
    """Raise UsageError for a task, of a job that is called too, whose command line is wrong, before anything starts."""
    from search_forecast.bundle.faults import called_job
    from search_forecast.bundle.graph import read_job
    from search_forecast.bundle.values import sample_command, sample_parameters

    for task in job.tasks:
        called = called_job(task)
        if called is not None:
            inner = read_job(bundle, called)
            _check_commands(bundle, inner, {**inner.parameters, **sample_parameters(task, parameters, inner)}, parse)
        if task.kind == "python_wheel_task":
            try:
                _workspace_task(parse, sample_command(task, parameters))
            except UsageError as error:
                raise UsageError(f"job {job.key}: {task.key}: {error}; nothing was started") from error


def _workspace_task(parse: Callable[[Sequence[str]], Task], words: Sequence[str]) -> Task:
    """The task of a command line; UsageError where it could not be one's in a workspace."""
    task = parse(words)
    if not task.is_task:
        raise UsageError(f"{task.call.command} is no command for a task")
    flags = {"--catalog": task.call.catalog, **task.call.schema_flags}
    missing = ", ".join(flag for flag, name in flags.items() if name is None)
    if missing:
        raise UsageError(f"{task.call.command} needs {missing} too, to find the tables in a workspace")
    return task


def _plan(job: "Job", job_run: "JobRun") -> dict[str, Any]:
    tasks = [
        {
            "task": task.key,
            "kind": task.kind,
            "depends_on": [dependency.task_key for dependency in task.depends_on],
            "run_if": task.run_if,
            **task.settings,
        }
        for task in job.tasks
    ]
    return {"job": job.key, "parameters": job_run.parameters, "tasks": tasks}


def _largest_source(job_run: "JobRun", root: Path, bundle: "Bundle") -> Path | None:
    """The parameter that names files to read, which the size of the Spark session is chosen by."""
    paths = (_local_path(value, root, bundle) for value in job_run.parameters.values() if value)
    return next((Path(path) for path in paths if os.path.exists(path)), None)  # noqa: PTH110 - takes any text


def _local_path(text: str, root: Path, bundle: "Bundle") -> str:
    """A parameter in which a volume is a directory below the lakehouse, and the bundle's files are those here."""
    files = str(bundle.config["workspace"]["file_path"])
    text = re.sub(rf"(^|=){re.escape(files)}(?=/)", lambda match: f"{match[1]}{bundle.root.as_posix()}", text)
    return re.sub(r"(^|=)/Volumes/", lambda match: f"{match[1]}{root.as_posix()}/{VOLUMES}/", text)


@click.command("runs", cls=Command, has_csv=True, example="runs medallion --limit 5")
@click.argument("job", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="runs to list")
@click.pass_obj
def runs(call: Call, job: str | None, limit: int) -> int:
    """List past runs of jobs on this machine, the latest first, and what came of them."""
    call.check_there()
    from search_forecast.bundle import runs
    from search_forecast.bundle.runner import first_failed
    from search_forecast.lakehouse.lock import is_held

    listed = runs.listed(call.root, job)[:limit]
    if job is not None and not listed:
        known = sorted({run.job for run in runs.listed(call.root, None)})
        raise UsageError(f"runs: no run of {job} in {call.root}{did_you_mean(job, known)}")
    rows = []
    for run in listed:
        results = [task.result for task in run.tasks.values() if task.result]
        # Who is at work holds the lock; a record that nobody will go on with is of a run that was killed.
        state = "KILLED" if run.state == "RUNNING" and not is_held(call.root) else run.state
        what = first_failed(run) or (results[-1] if results else "")
        rows.append((run.started_at[:19].replace("T", " "), run.job, state, round(run.seconds, 1), what))
    call.rows(("started_at", "job", "state", "seconds", "result"), rows)
    if rows and rows[0][2] in ("FAILED", "TIMEDOUT", "KILLED", "CANCELED"):
        call.hint(" ".join(["run", *_from_failed(listed[0])]))
    return 0


COMMANDS = (run, runs, upload, check_bundle)
