"""What a person or a program reads: results on standard output, progress and log lines on standard error."""

import json
import logging
import math
import os
import re
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from search_forecast.cli.table import GAP, Column, layout, wrapped
from search_forecast.lakehouse import spreadsheet, task_values

# A term may hold anything: brackets are no markup, ":x:" is no emoji.
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
_YEAR = re.compile(r"(?<![a-z])year(?![a-z_])", re.IGNORECASE)  # a year, or year(event_date), not year_before_count
_COLORS: Any = "standard" if os.environ.get("FORCE_COLOR") else "auto"


class _Console(Console):
    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it: FORCE_COLOR asks for colours in a pipe, not for its width or for spinners."""
        return super().is_terminal and self.file.isatty()

    def print(self, *objects: Any, **style: Any) -> None:
        """Print, a result in place of the spinner of `working`."""
        if not self.stderr:
            rest()
        super().print(*objects, **style)

    def on_broken_pipe(self) -> None:
        """Leave it to `application` what a reader that went away means; rich would exit."""
        raise BrokenPipeError


console = _Console(color_system=_COLORS, **_PLAIN)
errors = _Console(stderr=True, color_system=_COLORS, **_PLAIN)
logger = logging.getLogger("search_forecast")
_at_work = ExitStack()
_is_quiet = False


def open_closed() -> None:
    """Give standard output and error somewhere to go where whoever called closed them, for which Python has None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - until the end


def configure(*, is_debug: bool, is_quiet: bool = False) -> None:
    """Log lines of this package to standard error: warnings; on Databricks or with --debug all of them.

    What a command did is its result; a log line would say it again.
    """
    global _is_quiet  # noqa: PLW0603 - the one setting of this process's output
    _is_quiet = is_quiet
    handler: logging.Handler
    is_remote = task_values.is_on_databricks()
    if errors.is_terminal:
        from rich.logging import RichHandler

        handler = RichHandler(console=errors, show_path=False, show_time=False, show_level=False, markup=False)
    else:
        handler = logging.StreamHandler()
        if is_remote or is_debug:
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(logging.DEBUG if is_debug else logging.INFO if is_remote else logging.WARNING)
    handler.addFilter(_harmless)
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if is_debug else logging.INFO)
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # its trace of what a Ctrl-C cut off


def hush_spark() -> None:
    """Keep PySpark from printing each SQL error as JSON with its trace: we say it in a line."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL)


def _harmless(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), None
    return True


def printable(text: str) -> str:
    r"""The text with control and format characters as escapes: no term or file name moves a cursor or a line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if _is_hidden(c) else c for c in text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")


@contextmanager
def progress(text: str) -> Iterator[None]:
    """Say what is being done: a spinner on a terminal, a line elsewhere."""
    rest()  # rich before 14.1 refuses two
    if _is_quiet:
        yield
    elif errors.is_terminal:
        with errors.status(text):
            yield
    else:
        note(text)
        yield


def working(text: str) -> None:
    """Let a spinner turn, on a terminal, until a result is printed or `rest` is called."""
    rest()
    if errors.is_terminal and not _is_quiet:
        _at_work.enter_context(errors.status(text))


def rest() -> None:
    """Take away the spinner of `working`, if there is one."""
    _at_work.close()


@contextmanager
def step(text: str) -> Iterator[None]:
    """As `progress`, and at its end how long it took."""
    started = monotonic()
    with progress(text):
        yield
    note(f"{text}: done in {monotonic() - started:.1f} s")


def result(values: Mapping[str, Any], *, is_json: bool) -> None:
    """Print what a command did: one JSON object, or a line for each value. Later tasks of a job can read the values."""
    rest()
    task_values.publish(values)
    if is_json:
        print(json.dumps(_as_json(values), default=str))
        return
    for name, value in values.items():
        print(f"{printable(name).replace('_', ' ')}: {text_of(value, decimals=None)}")


def rows(columns: Sequence[str], values: Iterable[Sequence[Any]], *, form: str) -> None:
    """Print rows as a `table`, as `json` (a list of objects) or as `csv` (for a spreadsheet: no cell is a formula)."""
    listed = list(values)
    rest()
    if form == "json":
        objects = _as_json([dict(zip(columns, row, strict=True)) for row in listed])
        text = json.dumps(objects, default=str, ensure_ascii=False)
        print("".join(json.dumps(c)[1:-1] if _is_hidden(c) else c for c in text))
    elif form == "csv":
        cells = [[_nested_as_text(value) for value in row] for row in listed]
        spreadsheet.write(sys.stdout, columns, cells, printable if sys.stdout.isatty() else str)
    else:
        table(columns, listed)


def _as_json(value: Any) -> Any:
    """JSON knows neither NaN nor infinities: null; nor decimals, which are numbers like any other."""
    if isinstance(value, Mapping):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)  # all digits of a whole one
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nested_as_text(value: Any) -> Any:
    """A list or struct as JSON, which CSV has no form for; other values as they are."""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(_as_json(value), default=str, ensure_ascii=False)
    return value


def records(values: Sequence[Mapping[str, Any]]) -> None:
    """Print dictionaries with the same keys as a table."""
    columns = list(values[0]) if values else []
    table(columns, [[value[name] for name in columns] for value in values])


def table(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Print rows for people, as wide as the terminal at most: how a `table.layout` of them says."""
    room = console.width if console.is_terminal else None
    shown = layout([_column(name, [row[i] for row in values]) for i, name in enumerate(columns)], room)
    for text in shown.head:
        console.print(text, style="bold", soft_wrap=True)
    for text in [*shown.body, *shown.below] if values else ["(no rows)"]:
        line(text)
    if values and shown.left_out and room is not None:
        text = f"left out, as the terminal is narrow: {', '.join(shown.left_out)} (--json shows all)"
        note("\n".join(wrapped(text, room)))


def entry(name: str, text: str) -> None:
    """Print a name and, below it, what is to be said of it, as wide as the terminal."""
    console.print(name, style="bold", soft_wrap=True)
    for part in wrapped(text, console.width - len(GAP)):
        line(GAP + part)


def _column(name: str, values: Sequence[Any]) -> Column:
    decimals = _decimals(values)
    is_number = all(isinstance(value, int | float | Decimal | None) and not isinstance(value, bool) for value in values)
    cells = [text_of(value, decimals=decimals) for value in values]
    if is_number and _YEAR.search(name):  # 2024, not 2,024
        cells = [cell.replace(",", "") for cell in cells]
    return Column(printable(name), cells, is_number and any(value is not None for value in values))


def _decimals(column: Iterable[object]) -> int:
    """The decimal places that a column's numbers need, at most four: 11.55 is not 11.5500, and all have the same."""
    shown = (f"{value:.4f}".rstrip("0") for value in column if isinstance(value, float | Decimal))
    return max((len(text.partition(".")[2]) for text in shown), default=4)


def text_of(value: object, *, decimals: int | None = 4) -> str:
    """A value for people: 1,234; 0.25; yes; 2026-11-25 20:46:02; - for none; numbers in full where decimals is None."""
    if isinstance(value, Mapping):
        named = (f"{printable(str(name))}={text_of(item, decimals=decimals)}" for name, item in value.items())
        return "; ".join(named) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(text_of(item, decimals=decimals) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        return str(value) if decimals is None else f"{value:,.{decimals}f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return "-" if value is None else printable(str(value))


def note(text: str) -> None:
    """A line for people on standard error, as it is."""
    if not _is_quiet:
        errors.print(text, soft_wrap=True)


def heading(text: str) -> None:
    """A line that says what follows, set apart."""
    console.print(f"\n{text}", style="bold", soft_wrap=True)


def line(text: str) -> None:
    """A line, as it is."""
    console.print(text, soft_wrap=True)


def program() -> str:
    """How this program is called here: by its name where that is on the PATH, else by the path it was called by."""
    called = Path(sys.argv[0])
    by_name = shutil.which("search-forecast")
    if called.name != "search-forecast" or (by_name and Path(by_name).resolve() == called.resolve()):
        return "search-forecast"
    return shell_word(os.path.relpath(called))


def shell_word(text: object) -> str:
    """A text as a shell takes it for one word."""
    return shlex.quote(str(text))
