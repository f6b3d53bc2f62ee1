"""The command line: one command for each job task; it turns errors into one line and an exit code, nothing else."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from search_forecast.cli import bundle as running
from search_forecast.cli import demand as cli_forecasts
from search_forecast.cli import model_flags, output
from search_forecast.cli import models as cli_models
from search_forecast.errors import DataError, EnvironmentProblem, SearchForecastError, UsageError

if TYPE_CHECKING:
    from search_forecast.lakehouse.tables import Lakehouse

LARGE_BYTES = 64 * 2**20
COMPRESSION = 10  # bytes of CSV that a byte of Parquet holds, about

logger = logging.getLogger("search_forecast")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    _is_intermixed = False

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; see {self.prog} --help")

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """As ever, but k=v words may stand after flags too, which argparse only learned in Python 3.13."""
        if self._is_intermixed or not any(action.nargs == "*" for action in self._get_positional_actions()):
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixed = False


def parser() -> argparse.ArgumentParser:
    """All commands with their flags."""
    root = _Parser(prog="search-forecast", description="Search terms from CSV files to gold Delta tables.")
    root.add_argument(
        "--lakehouse", type=Path, default=Path(".lakehouse"), metavar="DIR", help="local lakehouse (default .lakehouse)"
    )
    root.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, text: str, *, has_tables: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if has_tables:
            workspace = command.add_argument_group("on Databricks, instead of --lakehouse")
            for flag in ("catalog", "bronze-schema", "silver-schema", "gold-schema"):
                workspace.add_argument(f"--{flag}", metavar="NAME")
            workspace.add_argument("--staging", type=Path, metavar="DIR", help="volume directory for files under way")
        return command

    demo = add("demo", "run everything on the fixtures and print the answers", has_tables=False)
    demo.add_argument("--fixtures", type=Path, default=Path("fixtures/landing"), metavar="DIR", help="files to ingest")
    ingest = add("ingest", "take new .csv and .csv.gz files into search_bronze")
    ingest.add_argument("--source", type=Path, required=True, metavar="PATH", help="directory (or one file)")
    ingest.add_argument("--strict", action="store_true", help="exit 1 if a file was rejected")
    add("clean", "turn raw records into searches and rejected records (search_silver)")
    aggregate = add("aggregate", "bring search_gold up to date, the days that changed")
    aggregate.add_argument("--full", action="store_true", help="rebuild everything")
    add("reconcile", "prove that no record was lost or counted twice; exit 1 otherwise")
    query = add("query", "run a query on gold; without a name, list them")
    query.add_argument("name", nargs="?", help="which query")
    query.add_argument("values", nargs="*", metavar="k=v", help="its parameters")
    query.add_argument("--csv", action="store_true", help="print the result as CSV")
    tables = add("tables", "list the tables of the lakehouse")
    tables.add_argument("--contracts", action="store_true", help="print what each table holds, as Markdown")
    generate = add("generate", "write synthetic deliveries and the exact truth about them", has_tables=False)
    generate.add_argument("--rows", type=int, required=True, metavar="N", help="records over all files")
    generate.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed gives the same bytes")
    generate.add_argument("--dirty", type=float, default=0.0, metavar="R", help="share of dirty records, 0 to 1")
    generate.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or earlier generated directory")
    model_flags.add_commands(add)
    running.add_parsers(add)
    doctor = add("doctor", "say what this machine has, what is missing and how to mend it", has_tables=False)
    doctor.add_argument("--mend", action="store_true", help="fetch and make what is missing")
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done; 1 the data failed a check; 2 wrong usage; 3 the environment is wrong.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    is_debug = "--debug" in given
    output.configure_logging(is_debug=is_debug)
    os.environ["TZ"] = "UTC"  # else Python shows Spark's timestamps in the local zone
    time.tzset()
    arguments = argparse.Namespace(command="search-forecast", lakehouse=Path())
    try:
        arguments = parser().parse_args(given)
        return _COMMANDS[arguments.command](arguments)
    except SearchForecastError as error:
        return _fail(str(error), error.exit_code, is_debug)
    except KeyboardInterrupt:
        return _fail("stopped; run the same command again to go on", 130, is_debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place: Path | str = error.filename or arguments.lakehouse.absolute()
        message = f"{arguments.command}: {error.strerror or error} ({place}); mend that and run it again"
        return _fail(message, EnvironmentProblem.exit_code, is_debug)
    except Exception as error:
        trouble = _spark_message(error)
        if trouble is None:
            raise
        return _fail(trouble, SearchForecastError.exit_code, is_debug)


def entry() -> None:
    """What the console script and a wheel task call: a task fails by an exception, not by what it returns."""
    code = main()
    if code:
        sys.exit(code)


def _fail(message: str, exit_code: int, is_debug: bool) -> int:
    if is_debug:
        logger.error("what happened", exc_info=True)  # noqa: LOG014 - called while the error is handled
    one_line = " ".join(message.split())
    sys.stderr.write(f"search-forecast: {one_line}\n")
    return exit_code


def _spark_message(error: Exception) -> str | None:
    """The first line of what Spark or Delta complains about; None for another error, which is a bug of ours."""
    if type(error).__module__.partition(".")[0] not in ("pyspark", "py4j"):
        return None
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if line.startswith("[") or "Exception: " in line or "Error: " in line]
    causes = [line for line in lines if "No space left on device" in line or "OutOfMemoryError" in line]
    return f"Spark failed: {(causes or named or lines or ['no message'])[0][:500]} (--debug shows all)"


def _demo(arguments: argparse.Namespace) -> int:
    from search_forecast.cli.demo import demo, show

    if not arguments.fixtures.is_dir():
        raise UsageError(f"demo: no {arguments.fixtures}; run it in the project's directory, or say --fixtures DIR")
    with _opened(arguments, writes=True, source=arguments.fixtures) as lakehouse:
        answers = demo(lakehouse, arguments.fixtures, _now)
    if arguments.json:
        return output.result(answers, is_json=True)
    show(answers)
    return 0


def _ingest(arguments: argparse.Namespace) -> int:
    from search_forecast.medallion.ingest import ingest
    from search_forecast.parameters import IngestParameters

    parameters = IngestParameters(arguments.source, arguments.strict)
    with _opened(arguments, writes=True, source=arguments.source) as lakehouse:
        return output.result(ingest(lakehouse, parameters, _now()), is_json=arguments.json)


def _clean(arguments: argparse.Namespace) -> int:
    from search_forecast.medallion.clean import clean

    with _opened(arguments, writes=True) as lakehouse:
        return output.result(clean(lakehouse), is_json=arguments.json)


def _aggregate(arguments: argparse.Namespace) -> int:
    from search_forecast.medallion.aggregate import aggregate

    with _opened(arguments, writes=True) as lakehouse:
        return output.result(aggregate(lakehouse, is_full=arguments.full), is_json=arguments.json)


def _reconcile(arguments: argparse.Namespace) -> int:
    from search_forecast.medallion.reconcile import reconcile

    with _opened(arguments, writes=True) as lakehouse:
        return output.result(reconcile(lakehouse, _now()), is_json=arguments.json)


def _query(arguments: argparse.Namespace) -> int:
    from search_forecast.queries import catalogue
    from search_forecast.queries.answers import query

    if arguments.name is None:
        found = [catalogue.load(name) for name in catalogue.names()]
        rows = [(q.name, " ".join(map(str, q.parameters)), q.summary) for q in found]
        return output.rows(["query", "parameters", "answers"], rows, form=_form(arguments))
    values = dict(_pair(text) for text in arguments.values)
    wanted = catalogue.load(arguments.name)
    bound = wanted.arguments(values)
    with _opened(arguments, writes=False) as lakehouse:
        columns, rows = query(lakehouse, wanted, bound)
    return output.rows(columns, rows, form=_form(arguments))


def _tables(arguments: argparse.Namespace) -> int:
    from search_forecast.lakehouse import contracts
    from search_forecast.lakehouse.inventory import list_tables

    if arguments.contracts:
        sys.stdout.write(contracts.documentation())
        return 0
    with _opened(arguments, writes=False) as lakehouse:
        columns, rows = list_tables(lakehouse)
    return output.rows(columns, rows, form=_form(arguments))


def _generate(arguments: argparse.Namespace) -> int:
    from search_forecast.parameters import GenerateParameters
    from search_forecast.synthetic import generate

    asked = GenerateParameters(arguments.out, arguments.rows, arguments.seed, arguments.dirty)
    truth = generate(asked.out, rows=asked.rows, seed=asked.seed, dirty_ratio=asked.dirty_ratio)
    counts = {key: truth[key] for key in ("record_count", "event_count", "rejected_count")}
    summary = {"out": str(asked.out), "files": len(truth["files"]), **counts}
    return output.result(summary, is_json=arguments.json)


def _doctor(arguments: argparse.Namespace) -> int:
    from search_forecast.lakehouse import toolchain

    if arguments.mend:
        for sentence in toolchain.mend():
            logger.warning("doctor: %s", sentence)
    findings = toolchain.check(arguments.lakehouse)
    rows = [(f.name, "ok" if f.is_ok else "MISSING", f.found, f.mend) for f in findings]
    output.rows(["what", "state", "found", "how to mend"], rows, form=_form(arguments))
    return 0 if all(finding.is_ok for finding in findings) else EnvironmentProblem.exit_code


def _run(arguments: argparse.Namespace) -> int:
    def do(task: argparse.Namespace) -> None:
        if _COMMANDS[task.command](task):
            raise DataError(f"{task.command} found something wrong; its log says what")

    hooks = running.Hooks(parser().parse_args, do, lambda error: _spark_message(error) or f"{error!r}")
    return running.run(arguments, hooks, lambda source: _opened(arguments, writes=True, source=source), _now())


def _check_bundle(arguments: argparse.Namespace) -> int:
    return running.check_bundle(arguments, parser().parse_args)


def _upload(arguments: argparse.Namespace) -> int:
    return running.upload(arguments)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "demo": _demo,
    "ingest": _ingest,
    "clean": _clean,
    "aggregate": _aggregate,
    "reconcile": _reconcile,
    "query": _query,
    "tables": _tables,
    "generate": _generate,
    "run": _run,
    "upload": _upload,
    "check-bundle": _check_bundle,
    "doctor": _doctor,
}


@contextmanager
def _opened(arguments: argparse.Namespace, *, writes: bool, source: Path | None = None) -> "Iterator[Lakehouse]":
    """The lakehouse that the flags name, locked against other writers where it is local and the command writes."""
    from search_forecast.lakehouse import session
    from search_forecast.lakehouse.tables import Lakehouse

    if "here" in arguments:  # a task of a job that `run` runs on this machine
        yield arguments.here
        return
    catalog = getattr(arguments, "catalog", None)
    if catalog is not None:
        schemas = {layer: getattr(arguments, f"{layer}_schema") for layer in ("bronze", "silver", "gold")}
        missing = [f"--{layer}-schema" for layer, name in schemas.items() if not name]
        if missing or not arguments.staging:
            flags = ", ".join(missing + ([] if arguments.staging else ["--staging"]))
            raise UsageError(f"{arguments.command}: --catalog needs {flags} too")
        yield Lakehouse(session.session(), None, arguments.staging, catalog, schemas)
        return
    from search_forecast.lakehouse.lock import exclusive

    root = arguments.lakehouse.absolute()
    if not writes and not root.is_dir():
        raise DataError(
            f"{arguments.command}: no lakehouse at {root}; run demo or ingest first, or say --lakehouse DIR"
        )
    with exclusive(root, arguments.command) if writes else nullcontext():
        read = COMPRESSION * _bytes_below(root, "*.parquet") + (_bytes_below(source) if source else 0)
        size: session.Size = "large" if read > LARGE_BYTES else "small"
        spark = output.with_status("starting Spark", lambda: session.session(size=size))
        with output.progress(arguments.command):
            yield Lakehouse(spark, root, root / "_staging")


def _bytes_below(path: Path, pattern: str = "*") -> int:
    files = [path] if path.is_file() else path.rglob(pattern)
    return sum(file.stat().st_size for file in files if file.is_file())


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"query: {text} is no k=v, such as limit=5")
    return name, value


def _form(arguments: argparse.Namespace) -> str:
    if arguments.json:
        return "json"
    return "csv" if getattr(arguments, "csv", False) else "table"


def _now() -> datetime:
    """The time of this run: the only clock there is, everything below is given it."""
    return datetime.now(timezone.utc)


_COMMANDS |= {
    name: partial(command, opened=_opened)
    for name, command in (*cli_models.COMMANDS.items(), *cli_forecasts.COMMANDS.items())
}
