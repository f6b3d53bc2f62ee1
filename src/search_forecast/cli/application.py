"""All commands together; errors become one line and an exit code here, and nowhere else."""

import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from search_forecast.cli import (
    bundle,
    command,
    demand,
    demo,
    machine,
    medallion,
    models,
    output,
    pages,
    queries,
    synthetic,
    upkeep,
)
from search_forecast.cli.call import Call
from search_forecast.cli.events import recorded
from search_forecast.errors import EnvironmentProblem, SearchForecastError, UsageError
from search_forecast.lakehouse.spark_errors import spark_complaint

PROGRAM = "search-forecast"
ROOT = command.Commands(
    PROGRAM,
    {
        "Start here": demo.COMMANDS,
        "From files to gold": medallion.COMMANDS,
        "Questions to gold": (*queries.COMMANDS, *pages.COMMANDS),
        "Demand forecasts": demand.COMMANDS,
        "Models": models.COMMANDS,
        "Upkeep": upkeep.COMMANDS,
        "The bundle": bundle.COMMANDS,
        "This machine": (*synthetic.COMMANDS, *machine.COMMANDS),
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done; 1 the data or the model failed a check; 2 wrong usage; 3 the environment is wrong.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    output.open_closed()
    is_debug = "--debug" in words
    output.configure(is_debug=is_debug, is_quiet="--quiet" in words)
    os.environ["TZ"] = "UTC"  # else Python shows Spark's timestamps in the local zone
    time.tzset()
    call = Call()
    try:
        _check_directory()
        with _as_interrupt(), recorded(call):
            return _run(words, call)
    except click.UsageError as error:
        return _fail(command.complaint(error, PROGRAM), error.exit_code, is_debug)
    except SearchForecastError as error:
        return _fail(str(error), error.exit_code, is_debug)
    except (KeyboardInterrupt, click.Abort):
        return _fail("stopped; run the same command again to go on", 130, is_debug)
    except ModuleNotFoundError as error:
        message = (
            f"{call.command}: needs {error.name}, which a wheel leaves out: run it in a checkout, after make setup"
        )
        return _fail(message, EnvironmentProblem.exit_code, is_debug)
    except (OSError, UnicodeEncodeError) as error:
        _drop_unwritten()
        return _fail(*_of_the_system(call, error), is_debug)
    except Exception as error:
        complaint = spark_complaint(error)
        if complaint is None:
            raise
        return _fail(complaint, SearchForecastError.exit_code, is_debug)


def _run(words: list[str], call: Call) -> int:
    """Run it until its output is written: Python writes the last of it at the exit only, where nothing can be said."""
    code, written = 0, sys.stdout
    try:
        try:
            code = int(ROOT.main(words, PROGRAM, standalone_mode=False, obj=call) or 0)
        except click.exceptions.NoArgsIsHelpError as error:
            output.line(error.message)
            code = error.exit_code
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:  # click makes an exit of it, and wraps standard output
        is_exit, sys.stdout = isinstance(error, SystemExit) and sys.stdout is written, written
        if is_exit or _has_reader():
            raise
        _drop_unwritten()  # who read it has enough, as `head` has
    return code


def _has_reader() -> bool:
    """Whether standard output is no pipe whose reader went away."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # errors are told unasked
    return not poll.poll(0)


def _drop_unwritten() -> None:
    """Forget what standard output does not take, at which the exit would fail once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_directory() -> None:
    """Raise EnvironmentProblem where the shell's directory was removed: relative paths, and DuckDB, need one."""
    try:
        Path.cwd()
    except OSError as error:
        raise EnvironmentProblem("the current directory is gone: cd to one that is there, then run it again") from error


def _of_the_system(call: Call, error: OSError | UnicodeEncodeError) -> tuple[str, int]:
    """What could not be read or written, in a line, and the exit code."""
    if isinstance(error, OSError):
        names = [str(name) for name in (error.filename, error.filename2) if name]
        place = " -> ".join(names) or f"{call.lakehouse.absolute()}, or where else it writes"
        message = f"{call.command}: {error.strerror or error} ({place}); mend that and run it again"
        return message, EnvironmentProblem.exit_code
    character = error.object[error.start]
    if "\ud800" <= character <= "\udfff":  # how Python holds a byte of the command line that is none of UTF-8
        text = "a text that was given, or a file's name, holds bytes that are no UTF-8; say it in UTF-8"
        return f"{call.command}: {text}", UsageError.exit_code
    text = f"the output takes {error.encoding}, which has no {character!r}"
    return f"{call.command}: {text}: set PYTHONIOENCODING=utf-8, run it again", EnvironmentProblem.exit_code


def entry() -> None:
    """What the console script and a wheel task call: a task fails by an exception, not by what it returns."""
    code = main()
    if code:
        sys.exit(code)


def parse(words: Sequence[str]) -> command.Task:
    """Parse the command line of a job's task; UsageError where it is wrong."""
    return command.parse(ROOT, words)


@contextmanager
def _as_interrupt() -> Iterator[None]:
    """A Ctrl-C stays one where it makes something else fail: Py4J loses its connection to Spark by it."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            cause = cause.__cause__ or cause.__context__
        raise


def _fail(message: str, exit_code: int, is_debug: bool) -> int:
    if is_debug:
        output.logger.error("what happened", exc_info=True)
    # A call without a command is called as the program is.
    line = output.printable(" ".join(message.split())).removeprefix(f"{PROGRAM}: ")
    sys.stderr.write(f"{PROGRAM}: {line}\n")
    return exit_code
