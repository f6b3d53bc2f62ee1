"""What a person or a program reads: results on standard output, progress and log lines on standard error."""

import json
import logging
import os
import re
import shlex
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console

from search_forecast.lakehouse import spreadsheet, task_values

# A term may hold anything: brackets are no markup, ":x:" is no emoji.
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
console = Console(**_PLAIN)
errors = Console(stderr=True, **_PLAIN)
logger = logging.getLogger("search_forecast")
_LEAST_WIDTH = 12  # of a column that is cut
_GAP = "  "
_is_quiet = False


def configure(*, is_debug: bool, is_quiet: bool = False) -> None:
    """Log lines of this package to standard error: warnings; on Databricks or with --debug all of them.

    What a command did is its result; a log line would say it again.
    """
    global _is_quiet  # noqa: PLW0603 - the one setting of this process's output
    _is_quiet = is_quiet
    handler: logging.Handler
    is_remote = "DATABRICKS_RUNTIME_VERSION" in os.environ
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
    if _is_quiet:
        yield
    elif errors.is_terminal:
        with errors.status(text):
            yield
    else:
        note(text)
        yield


@contextmanager
def step(text: str) -> Iterator[None]:
    """As `progress`, and at its end how long it took."""
    started = monotonic()
    with progress(text):
        yield
    note(f"{text}: done in {monotonic() - started:.1f} s")


def result(values: Mapping[str, Any], *, is_json: bool) -> None:
    """Print what a command did: one JSON object, or a line for each value. Later tasks of a job can read the values."""
    task_values.publish(values)
    if is_json:
        print(json.dumps(values, default=str))
        return
    for name, value in values.items():
        print(f"{name.replace('_', ' ')}: {text_of(value, decimals=None)}")


def rows(columns: Sequence[str], values: Iterable[Sequence[Any]], *, form: str) -> None:
    """Print rows as a `table`, as `json` (a list of objects) or as `csv` (for a spreadsheet: no cell is a formula)."""
    listed = list(values)
    if form == "json":
        text = json.dumps([dict(zip(columns, row, strict=True)) for row in listed], default=str, ensure_ascii=False)
        print("".join(json.dumps(c)[1:-1] if _is_hidden(c) else c for c in text))
    elif form == "csv":
        spreadsheet.write(sys.stdout, columns, listed, printable if sys.stdout.isatty() else str)
    else:
        table(columns, listed)


def records(values: Sequence[Mapping[str, Any]]) -> None:
    """Print dictionaries with the same keys as a table."""
    columns = list(values[0]) if values else []
    table(columns, [[value[name] for name in columns] for value in values])


def table(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Print rows for people: numbers to the right, as wide as the terminal at most.

    Where it is too narrow, names are folded behind an underscore, texts in the last column too and cut with an ellipsis
    in the others; then columns are left out from the right, and named.
    """
    decimals = [_decimals(row[position] for row in values) for position in range(len(columns))]
    cells = [[text_of(value, decimals=n) for value, n in zip(row, decimals, strict=True)] for row in values]
    longest = [max((cell_len(row[i]) for row in cells), default=0) for i in range(len(columns))]
    widths = [max(cell_len(name), width) for name, width in zip(columns, longest, strict=True)]
    is_number = [
        bool(values) and all(isinstance(row[i], int | float | None) and not isinstance(row[i], bool) for row in values)
        for i in range(len(columns))
    ]
    room = console.width if console.is_terminal else None
    if room is not None and _total(widths) > room:
        widths = [max([width, *map(len, _parts(name))]) for name, width in zip(columns, longest, strict=True)]
    shown = _fitted(widths, is_number, room)
    names = _names(columns, shown)
    for number, row in enumerate([*names, *cells], start=-len(names)):
        parts = [_cell(row[i], width, to_right=is_number[i]) for i, width in enumerate(shown[:-1])]
        indent = sum(shown[:-1]) + len(_GAP) * len(parts)
        last = row[len(parts)] if shown else ""
        folded = [last.rjust(shown[-1])] if is_number[len(parts)] else textwrap.wrap(last, shown[-1]) or [""]
        text = f"\n{' ' * indent}".join(folded)
        console.print(_GAP.join([*parts, text]).rstrip(), style="bold" if number < 0 else None, soft_wrap=True)
    if not values:
        line("(no rows)")
    left_out = columns[len(shown) :]
    if left_out and room is not None:
        text = f"left out, as the terminal is narrow: {', '.join(left_out)} (--json shows all)"
        note(textwrap.fill(text, room, break_long_words=False))


def _parts(name: str) -> list[str]:
    """Where a column's name may be folded: behind an underscore."""
    return re.findall(r"[^_]*_|[^_]+", name)


def _names(columns: Sequence[str], widths: Sequence[int]) -> list[list[str]]:
    """The columns' names in as many lines as the one that is folded most needs; the others end in the last line."""
    folded = []
    for name, width in zip(columns, widths, strict=False):
        lines = [""]
        for part in _parts(name):
            if lines[-1] and len(lines[-1] + part) > width:
                lines.append("")
            lines[-1] += part
        folded.append(lines)
    height = max(map(len, folded), default=1)
    return [list(line) for line in zip(*([""] * (height - len(lines)) + lines for lines in folded), strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _fitted(widths: Sequence[int], is_number: Sequence[bool], room: int | None) -> list[int]:
    """The widths of the columns that are shown: the widest texts are cut first, then the last columns left out."""
    fitted = list(widths)
    while room is not None and fitted and _total(fitted) > room:
        excess = _total(fitted) - room
        texts = [i for i in range(len(fitted)) if not is_number[i] and fitted[i] > _LEAST_WIDTH]
        if not texts and len(fitted) == 1:
            break
        if not texts:
            fitted = list(widths[: len(fitted) - 1])  # what is left has the more room
            continue
        widest = max(texts, key=lambda i: fitted[i])
        second = max([_LEAST_WIDTH, *(fitted[i] for i in texts if i != widest)])
        fitted[widest] = max(fitted[widest] - excess, min(second, fitted[widest] - 1), _LEAST_WIDTH)
    return fitted


def _cell(text: str, width: int, *, to_right: bool) -> str:
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    blanks = " " * (width - length)
    return blanks + text if to_right else text + blanks


def _decimals(column: Iterable[object]) -> int:
    """The decimal places that a column's numbers need, at most four: 11.55 is not 11.5500, and all have the same."""
    shown = (f"{value:.4f}".rstrip("0") for value in column if isinstance(value, float))
    return max((len(text.partition(".")[2]) for text in shown), default=4)


def text_of(value: object, *, decimals: int | None = 4) -> str:
    """A value for people: 1,234; 0.25; yes; 2026-11-25 20:46:02; - for none; numbers in full where decimals is None."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}={text_of(item, decimals=decimals)}" for name, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(text_of(item, decimals=decimals) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return str(value) if decimals is None else f"{value:,.{decimals}f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return "-" if value is None else printable(str(value))


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
