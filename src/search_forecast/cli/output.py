"""What a person or a program reads: results on standard output, progress and log lines on standard error."""

import csv
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from search_forecast.lakehouse import task_values
from search_forecast.text import printable

T = TypeVar("T")
# A term may hold anything: brackets are no markup, ":x:" is no emoji.
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
console = Console(**_PLAIN)
if not console.is_terminal:
    console = Console(**_PLAIN, width=10_000)  # nothing is folded in a pipe or a file
errors = Console(stderr=True, **_PLAIN)


def configure_logging(*, is_debug: bool) -> None:
    """Log lines of this package to standard error: short ones on a terminal, plain dated ones elsewhere."""
    logger = logging.getLogger("search_forecast")
    handler: logging.Handler
    if errors.is_terminal:
        handler = RichHandler(console=errors, show_path=False, show_time=False, show_level=False)
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(_make_printable)
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if is_debug else logging.INFO)


def _make_printable(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def with_status(text: str, work: Callable[[], T]) -> T:
    """Do something slow under a spinner, on a terminal."""
    with progress(text):
        return work()


@contextmanager
def progress(text: str) -> Iterator[None]:
    """A spinner on a terminal; nothing elsewhere."""
    if errors.is_terminal:
        with errors.status(text):
            yield
    else:
        yield


def result(values: Mapping[str, Any], *, is_json: bool) -> int:
    """Print what a command did: one JSON object, or a line for each value. Later tasks of a job can read the values."""
    task_values.publish(values)
    if is_json:
        print(json.dumps(values, default=str))
    else:
        for name, value in values.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            print(f"{name.replace('_', ' ')}: {_text(shown)}")
    return 0


def rows(columns: Sequence[str], values: Iterable[Sequence[Any]], *, form: str) -> int:
    """Print rows as a `table`, as `json` (a list of objects) or as `csv`."""
    listed = list(values)
    if form == "json":
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in listed], default=str, ensure_ascii=False))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(listed)
    else:
        table(columns, listed)
    return 0


def table(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Print rows for people: numbers to the right, nothing cut off."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for position, name in enumerate(columns):
        is_number = bool(values) and all(isinstance(row[position], int | float | None) for row in values)
        justify: Literal["left", "right"] = "right" if is_number else "left"
        grid.add_column(name, justify=justify, overflow="fold", no_wrap=position == 0 and len(columns) > 1)
    decimals = [_decimals(row[position] for row in values) for position in range(len(columns))]
    for row in values:
        grid.add_row(*(_text(value, places) for value, places in zip(row, decimals, strict=True)))
    console.print(grid)
    if not values:
        console.print("(no rows)")


def _decimals(column: Iterable[object]) -> int:
    """The decimal places that a column's numbers need, at most four: 11.55 is not 11.5500, and all have the same."""
    shown = (f"{value:.4f}".rstrip("0") for value in column if isinstance(value, float))
    return max((len(text.partition(".")[2]) for text in shown), default=4)


def _text(value: object, decimals: int = 4) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.{decimals}f}"
    return "-" if value is None else printable(str(value))


def step(text: str, seconds: float) -> None:
    """Say that a step is done, on standard error."""
    errors.print(f"{text}: done in {seconds:.1f} s")


def note(text: str) -> None:
    """A line for people on standard error, as it is."""
    errors.print(text, soft_wrap=True)


def heading(text: str) -> None:
    """A line that says what follows, set apart."""
    console.print(f"\n{text}", style="bold", soft_wrap=True)


def line(text: str) -> None:
    """A line, as it is."""
    console.print(text, soft_wrap=True)


def records(values: Sequence[Mapping[str, Any]]) -> None:
    """Print dictionaries with the same keys as a table."""
    columns = list(values[0]) if values else []
    table(columns, [[value[name] for name in columns] for value in values])
