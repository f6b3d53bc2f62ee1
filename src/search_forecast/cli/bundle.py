"""The commands `run` and `upload`: jobs of the bundle, on this machine or in a workspace."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_forecast.cli import output
from search_forecast.errors import DataError, SearchForecastError, UsageError

if TYPE_CHECKING:
    from search_forecast.bundle.configuration import Bundle
    from search_forecast.bundle.graph import Job
    from search_forecast.bundle.record import RunRecord
    from search_forecast.lakehouse.tables import Lakehouse

VOLUMES = "_volumes"
_LAYERS = ("bronze", "silver", "gold")
Opened = Callable[[Path | None], AbstractContextManager["Lakehouse"]]


@dataclass(frozen=True)
class Hooks:
    """What the command line lends to a job that runs here.

    Attributes:
        parse: Turns a task's command line into arguments; UsageError where it is wrong.
        do: Runs a command; `here` in its arguments is the lakehouse to work on.
        explain: Says in one line what an error was that is none of ours.
    """

    parse: Callable[[Sequence[str]], argparse.Namespace]
    do: Callable[[argparse.Namespace], None]
    explain: Callable[[Exception], str]


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the flags of `run` and `upload`."""
    run_parser = add("run", "run a job of the bundle, here or (--remote) in the workspace", has_tables=False)
    run_parser.add_argument("job", metavar="JOB", help="key of the job, such as medallion")
    run_parser.add_argument("--param", action="append", default=[], metavar="k=v", help="a parameter of the job")
    run_parser.add_argument("--task", action="append", default=[], metavar="KEY", help="only this task (repeatable)")
    run_parser.add_argument("--from-failed", action="store_true", help="go on with the last run, where it failed")
    run_parser.add_argument("--dry-run", action="store_true", help="print the resolved task graph, run nothing")
    run_parser.add_argument("--remote", action="store_true", help="start the deployed job and follow it to its end")
    checks = add("check-bundle", "check the bundle for all of its targets, without a workspace", has_tables=False)
    checks.add_argument("bundle", nargs="?", type=Path, metavar="DIR", help="directory of databricks.yml")
    upload_parser = add("upload", "copy files into the landing volume of a workspace", has_tables=False)
    upload_parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".csv or .csv.gz files")
    for command in (run_parser, upload_parser):
        command.add_argument("--target", metavar="T", help="target of the bundle (default: the bundle's own)")
        command.add_argument("--var", action="append", default=[], metavar="k=v", help="a variable of the bundle")
        command.add_argument("--bundle", type=Path, metavar="DIR", help="directory of databricks.yml (default: here)")
        command.add_argument("--profile", metavar="NAME", help="workspace login, a profile of ~/.databrickscfg")


def run(arguments: argparse.Namespace, hooks: Hooks, opened: Opened, now: datetime) -> int:
    """Run a job of the bundle."""
    from search_forecast.bundle import configuration as bundles
    from search_forecast.bundle import runner
    from search_forecast.cli import run_view as view

    given = dict(_pair("run --param", text) for text in arguments.param)
    if arguments.remote:
        return _run_remote(arguments, given)
    if arguments.profile:
        raise UsageError("run: --profile is for --remote")
    # This machine is shared with nobody: names get a target's prefix only where a target is asked for.
    user, has_prefix = bundles.User(getuser()), arguments.target is not None
    bundle = _bundle(arguments, user, has_prefix=has_prefix)
    order = runner.Order(arguments.job, given, tuple(arguments.task), arguments.from_failed)
    root = arguments.lakehouse.absolute()
    wanted, kept = runner.start(bundle, order, root, arguments.target, now)
    _check_commands(wanted, hooks)
    if arguments.dry_run:
        if arguments.json:
            return output.result(_plan(wanted, kept), is_json=True)
        view.graph(wanted, kept)
        return 0
    if all(task.state.value == "SUCCESS" for task in kept.tasks.values()):
        output.line(f"run {wanted.key}: nothing to repair, the last run succeeded ({kept.directory})")
        return 0
    with opened(_largest_source(kept)) as lakehouse:
        done = _run_here(bundle, wanted, kept, hooks, lakehouse)
    if arguments.json:
        output.result(done.as_dict(), is_json=True)
    else:
        view.summary(done)
    if not done.state.startswith("SUCCESS"):
        raise DataError(view.failure(done))
    return 0


def upload(arguments: argparse.Namespace) -> int:
    """Copy files into the landing volume."""
    from search_forecast.bundle import remote
    from search_forecast.bundle.configuration import User

    files = remote.checked_files(arguments.files)
    client, user = remote.connect(arguments.profile)
    bundle = _bundle(arguments, User(user), has_prefix=True)
    return output.result(remote.upload(client, remote.landing(bundle), files, output.errors), is_json=arguments.json)


def check_bundle(arguments: argparse.Namespace, parse: Callable[[Sequence[str]], argparse.Namespace]) -> int:
    """Say what is wrong with the bundle: what `databricks bundle validate --strict` does not see."""
    from search_forecast.bundle.checks import check
    from search_forecast.bundle.configuration import find

    problems = check(find(arguments.bundle or Path.cwd()), parse)
    for problem in problems:
        output.line(f"bundle: {problem}")
    if problems:
        raise DataError(f"check-bundle: {len(problems)} problems")
    output.line("bundle: nothing wrong")
    return 0


def _run_remote(arguments: argparse.Namespace, given: dict[str, str]) -> int:
    from search_forecast.bundle import remote
    from search_forecast.bundle.configuration import User

    if arguments.from_failed or arguments.dry_run or arguments.task:
        raise UsageError("run --remote: --from-failed, --task and --dry-run are for runs on this machine")
    client, user = remote.connect(arguments.profile)
    bundle = _bundle(arguments, User(user), has_prefix=True)
    done = remote.run(client, bundle, arguments.job, given, output.errors)
    output.result({key: value for key, value in done.items() if key != "error"}, is_json=arguments.json)
    if done["error"]:
        raise DataError(f"run {arguments.job} --remote: {done['error']}; see {done['run_page_url']}")
    return 0


def _run_here(bundle: "Bundle", wanted: "Job", kept: "RunRecord", hooks: Hooks, lakehouse: "Lakehouse") -> "RunRecord":
    """Run the tasks in one Spark session, on one locked lakehouse."""
    from search_forecast.bundle import streams
    from search_forecast.bundle.attempts import Backend
    from search_forecast.bundle.runner import Run
    from search_forecast.cli.run_view import View
    from search_forecast.lakehouse.tables import Lakehouse

    spark, root = lakehouse.spark, lakehouse.root or Path.cwd()
    for volume in bundle.resources("volumes").values():
        Path(_local_path(volume["volume_path"], root)).mkdir(parents=True, exist_ok=True)

    def execute(command: Sequence[str]) -> None:
        task = hooks.parse([_local_path(text, root) for text in command])
        schemas = {layer: getattr(task, f"{layer}_schema") for layer in _LAYERS}
        staging = task.staging if kept.target else lakehouse.staging
        task.here = Lakehouse(spark, root, staging, schemas=schemas)
        hooks.do(task)

    def explain(error: Exception) -> str:
        return str(error) if isinstance(error, SearchForecastError) else hooks.explain(error)

    def tagged(key: str) -> None:
        spark.clearTags()
        spark.addTag(_tag(key))

    backend = Backend(execute, lambda key: _interrupt(spark, key), tagged, explain)
    view = View()
    with streams.split(), view.open():
        return Run(bundle, wanted, kept, backend, view.show).execute()


def _interrupt(spark: Any, key: str) -> None:
    spark.interruptTag(_tag(key))


def _tag(key: str) -> str:
    return f"search_forecast-{key}"


def _bundle(arguments: argparse.Namespace, user: Any, *, has_prefix: bool) -> "Bundle":
    from search_forecast.bundle import configuration as bundles

    root = arguments.bundle or bundles.find(Path.cwd())
    given = dict(_pair("--var", text) for text in arguments.var)
    return bundles.load(
        root, user=user, target=arguments.target, given=given, environment=os.environ, has_prefix=has_prefix
    )


def _check_commands(wanted: "Job", hooks: Hooks) -> None:
    """Raise UsageError for a task whose command line is wrong, before anything starts."""
    for task in wanted.tasks:
        if task.kind == "python_wheel_task":
            try:
                parsed = hooks.parse([re.sub(r"\{\{.*?\}\}", "0", text) for text in task.command])
            except UsageError as error:
                raise UsageError(f"job {wanted.key}: {task.key}: {error}; nothing was started") from error
            if "gold_schema" not in parsed:
                raise UsageError(f"job {wanted.key}: {task.key}: {parsed.command} is no command for a task")


def _plan(wanted: "Job", kept: "RunRecord") -> dict[str, Any]:
    tasks = [
        {
            "task": t.key,
            "kind": t.kind,
            "depends_on": [d.task_key for d in t.depends_on],
            "run_if": t.run_if,
            **t.settings,
        }
        for t in wanted.tasks
    ]
    return {"job": wanted.key, "parameters": kept.parameters, "tasks": tasks}


def _largest_source(kept: "RunRecord") -> Path | None:
    """The parameter that names files to read, which the size of the Spark session is chosen by."""
    paths = [Path(value) for value in kept.parameters.values() if value]
    return next((path for path in paths if path.exists()), None)


def _local_path(text: str, root: Path) -> str:
    """A parameter in which a path in a volume is a directory below the lakehouse."""
    return re.sub(r"(^|=)/Volumes/", lambda match: f"{match[1]}{root.as_posix()}/{VOLUMES}/", text)


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{flag} {text} is no k=v")
    return name, value
